"""The files that an image is kept in: those of a directory, or of a tar that is read in place."""

from __future__ import annotations

import errno
import io
import os
import posixpath
import stat
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from typing import Protocol

from unionfs.errors import ArchiveError, ImageError, ImageNotFoundError
from unionfs.images.compression import Compression, Decompressed, sniff
from unionfs.images.digest import Digest, digest_of
from unionfs.images.documents import Descriptor
from unionfs.images.entry import Entry
from unionfs.images.limits import Limits
from unionfs.images.streams import HashedSource, chunks
from unionfs.images.tar_reader import TarReader
from unionfs.types import Kind

MAGIC_SIZE = 4
"""Bytes that tell how something is compressed."""

_LINKS_MAX = 8

# Between these file systems (copy_file_range(2)); it is known before the first byte.
_CANNOT_COPY = frozenset({errno.EXDEV, errno.EINVAL, errno.EOPNOTSUPP, errno.ENOSYS})

# O_NONBLOCK: opening a fifo must not wait for its writer. Links are no part of a layout.
_OPEN_FLAGS = os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW | os.O_NONBLOCK
_DIRECTORY_FLAGS = os.O_PATH | os.O_CLOEXEC | os.O_NOFOLLOW | os.O_DIRECTORY


class LayoutFile:
    """A stretch of an open file: one file of a layout. Owns nothing but its position."""

    def __init__(self, fd: int, start: int, size: int) -> None:
        self._fd = fd
        self._start = start
        self._position = start
        self._end = start + size
        self.size = size

    def extent(self) -> tuple[int, int, int]:
        return self._fd, self._start, self.size

    def read(self, size: int, /) -> bytes:
        data = os.pread(self._fd, min(size, self._end - self._position), self._position)
        self._position += len(data)
        return data

    def skip(self, size: int, /) -> int:
        size = min(size, self._end - self._position)
        self._position += size
        return size

    def copy_to(self, fd: int) -> bool:
        """By copy_file_range(2): blocks are shared where the file system can."""
        while self._position < self._end:
            try:
                copied = os.copy_file_range(self._fd, fd, self._end - self._position, self._position)
            except OSError as failure:
                if failure.errno not in _CANNOT_COPY:
                    raise
                return False
            if not copied:
                break
            self._position += copied
        return True


class MadeFile(io.BytesIO):
    """A document that was made up, as a file of an image that has none of that sort."""

    @property
    def size(self) -> int:
        return len(self.getbuffer())


class MadeDocuments:
    """The documents of an image in a form that has none of its own."""

    def __init__(self) -> None:
        self._data: dict[Digest, bytes] = {}

    def keep(self, media_type: str, data: bytes, digest: Digest | None = None) -> Descriptor:
        """A document's descriptor; `digest` is its own, where it is known already."""
        digest = digest or digest_of(data)
        self._data[digest] = data
        return Descriptor(media_type, digest, len(data))

    def find(self, digest: Digest) -> MadeFile | None:
        return MadeFile(self._data[digest]) if digest in self._data else None


class Layout(Protocol):
    """The files of one layout, by their path in it."""

    @property
    def name(self) -> str: ...
    @contextmanager
    def open(self, path: str) -> Iterator[LayoutFile]:
        """Raises FileNotFoundError, or `ImageError` for what is not a regular file."""

    def close(self) -> None: ...


class DirectoryLayout:
    """A layout in a directory."""

    def __init__(self, directory: str) -> None:
        self.name = directory
        try:
            self._fd = os.open(directory, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        except OSError as error:
            raise ImageNotFoundError(f"{directory}: {error.strerror}") from None

    @contextmanager
    def open(self, path: str) -> Iterator[LayoutFile]:
        try:
            fd = self._open(path)
        except FileNotFoundError:
            raise
        except OSError as error:
            raise ImageError(f"{self.name}/{path}: {error.strerror}") from None
        try:
            status = os.fstat(fd)
            if not stat.S_ISREG(status.st_mode):
                raise ImageError(f"{self.name}/{path}: not a regular file")
            yield LayoutFile(fd, 0, status.st_size)
        finally:
            os.close(fd)

    def _open(self, path: str) -> int:
        """A descriptor; no directory on the way is a link, either."""
        *parents, name = path.split("/")
        with ExitStack() as held:
            at = self._fd
            for parent in parents:
                at = os.open(parent, _DIRECTORY_FLAGS, dir_fd=at)
                held.callback(os.close, at)
            return os.open(name, _OPEN_FLAGS, dir_fd=at)

    def close(self) -> None:
        os.close(self._fd)


class ArchiveLayout:
    """The files in a tar, its members in any order; one that is compressed is unpacked to a temporary file.

    Links among its members are followed where `links` says so: ``docker save`` writes them.
    """

    def __init__(self, file: str, limits: Limits, *, links: bool = False) -> None:
        self.name = file
        try:
            self._fd = os.open(file, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK)
        except OSError as error:
            raise ImageNotFoundError(f"{file}: {error.strerror}") from None
        try:
            if not stat.S_ISREG(os.fstat(self._fd).st_mode):
                raise ImageNotFoundError(f"{file}: not a regular file")
            if sniff(os.pread(self._fd, MAGIC_SIZE, 0)) is not Compression.NONE:
                self._fd = _decompressed(self._fd, file, limits)
            self._members = self._index(limits, links)
        except BaseException:
            self.close()
            raise

    def _index(self, limits: Limits, links: bool) -> dict[str, tuple[int, int]]:
        """Where each regular file begins, and its size."""
        size = os.fstat(self._fd).st_size
        members: dict[str, tuple[int, int]] = {}
        targets: dict[str, str] = {}
        for entry, content in TarReader(LayoutFile(self._fd, 0, size), self.name, limits):
            path = os.fsdecode(entry.name)
            if path in members or path in targets:
                raise ArchiveError(f"{self.name}: {path!r}: more than once")
            target = _link_target(entry)
            if target is not None:
                targets[path] = target
            elif entry.kind is Kind.FILE:
                members[path] = (content.offset, entry.size)
        return members | _followed(targets, members) if links else members

    @contextmanager
    def open(self, path: str) -> Iterator[LayoutFile]:
        if path not in self._members:
            raise FileNotFoundError(path)
        yield LayoutFile(self._fd, *self._members[path])

    def close(self) -> None:
        os.close(self._fd)


def _decompressed(fd: int, file: str, limits: Limits) -> int:
    """A descriptor of the uncompressed archive in place of `fd`, which is closed."""
    import tempfile  # it brings a lot that nobody else needs

    source = HashedSource(LayoutFile(fd, 0, os.fstat(fd).st_size), "sha256")
    with tempfile.TemporaryFile() as whole:
        for data in chunks(Decompressed(source, file, limits)):
            whole.write(data)
        whole.flush()
        os.dup2(whole.fileno(), fd, inheritable=False)
    return fd


def _link_target(entry: Entry) -> str | None:
    """The path within the archive that a link leads to."""
    if entry.hardlink is not None:
        return os.fsdecode(entry.hardlink)
    if entry.kind is not Kind.SYMLINK:
        return None
    directory = posixpath.dirname(os.fsdecode(entry.name))
    # Leading slashes go: normpath keeps the ".." of a relative path only, which then names no member.
    return posixpath.normpath(posixpath.join(directory, os.fsdecode(entry.target))).lstrip("/")


def _followed(
    targets: Mapping[str, str], members: Mapping[str, tuple[int, int]]
) -> dict[str, tuple[int, int]]:
    """The links that lead to a file, each as that file."""
    found = {}
    for path, target in targets.items():
        for _ in range(_LINKS_MAX):
            target = targets.get(target, target)
        if target in members:
            found[path] = members[target]
    return found
