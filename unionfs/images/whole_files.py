"""Files that are there whole, or not at all."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO

from unionfs.images.documents import Descriptor
from unionfs.images.locks import sync_directory
from unionfs.images.streams import CopyingSource, HashedSource, chunks
from unionfs.images.transport import Blob


@contextmanager
def temporary(directory: Path) -> Iterator[IO[bytes]]:
    """A file in `directory` that goes away unless `publish` gives it a name."""
    with tempfile.NamedTemporaryFile(dir=directory, prefix=".unionfs-", delete=False) as file:
        try:
            yield file
        finally:
            Path(file.name).unlink(missing_ok=True)


def publish(file: IO[bytes], path: Path) -> None:
    """Rename a whole temporary file to `path`, on stable storage."""
    file.flush()
    os.fchmod(file.fileno(), 0o644)
    os.fsync(file.fileno())
    os.rename(file.name, path)
    sync_directory(path.parent)


def write(data: bytes, path: Path) -> None:
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
