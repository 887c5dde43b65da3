"""Files that are there whole, or not at all."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO

from unionfs.images.documents import Descriptor
from unionfs.images.streams import CopyingSource, HashedSource, chunks
from unionfs.images.transport import Blob


@contextmanager
def temporary(directory: Path) -> Iterator[IO[bytes]]:
    """A file in `directory` that goes away unless `publish` gives it a name."""
    import tempfile  # it brings shutil and random, and most mounts write nothing

    try:
        opened = tempfile.NamedTemporaryFile(  # noqa: SIM115 - entered below
            dir=directory, prefix=".unionfs-", delete=False
        )
    except OSError as failure:  # it names a file that nobody has asked for
        raise OSError(failure.errno, failure.strerror, str(directory)) from None
    with opened as file:
        try:
            yield file
        finally:
            Path(file.name).unlink(missing_ok=True)


def publish(file: IO[bytes], path: Path) -> None:
    """Put a temporary file on stable storage and rename it; its name lasts once the directory is synced."""
    file.flush()
    os.fchmod(file.fileno(), 0o644)
    os.fsync(file.fileno())
    os.rename(file.name, path)


def is_there(path: Path, size: int) -> bool:
    """Whether there is a regular file of that size; a link to one is none."""
    try:
        status = path.lstat()
    except (FileNotFoundError, NotADirectoryError):
        return False
    return stat.S_ISREG(status.st_mode) and status.st_size == size


def sync_directory(path: str | os.PathLike[str]) -> None:
    """Put a directory's names on stable storage."""
    fd = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(fd)
    finally:
        os.close(fd)


def write(data: bytes, path: Path) -> None:
    """As `publish`, of a new file."""
    with temporary(path.parent) as file:
        file.write(data)
        publish(file, path)


def fill(file: IO[bytes], descriptor: Descriptor, blob: Blob, what: str) -> None:
    """Write a blob to an empty file. `DigestError` where it is not the one announced."""
    if isinstance(blob, CopyingSource) and blob.copy_to(file.fileno()):
        file.seek(0)
        source = HashedSource(file, descriptor.digest.algorithm)
    else:
        source = HashedSource(blob, descriptor.digest.algorithm)
        for data in chunks(source):
            file.write(data)
    source.verify(what, descriptor.digest, descriptor.size)
