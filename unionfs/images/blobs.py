"""The files of an OCI image layout (image-layout.md): in a directory, or in a tar that is read in place."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Protocol

from unionfs.errors import ArchiveError, ImageError, ImageNotFoundError
from unionfs.images.digest import Digest
from unionfs.images.limits import Limits
from unionfs.images.tar_reader import TarReader
from unionfs.types import Kind

LAYOUT_FILE = "oci-layout"
INDEX_FILE = "index.json"

# O_NONBLOCK: opening a fifo must not wait for its writer. Links are no part of a layout.
_OPEN_FLAGS = os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW | os.O_NONBLOCK


def blob_path(digest: Digest) -> str:
    return f"blobs/{digest.algorithm}/{digest.hex}"


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
            fd = os.open(path, _OPEN_FLAGS, dir_fd=self._fd)
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

    def close(self) -> None:
        os.close(self._fd)


class ArchiveLayout:
    """A layout in an uncompressed tar, its members in any order."""

    def __init__(self, file: str, limits: Limits) -> None:
        self.name = file
        try:
            self._fd = os.open(file, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK)
        except OSError as error:
            raise ImageNotFoundError(f"{file}: {error.strerror}") from None
        try:
            self._members = self._index(limits)
        except BaseException:
            self.close()
            raise

    def _index(self, limits: Limits) -> dict[str, tuple[int, int]]:
        """Where each regular file begins, and its size."""
        status = os.fstat(self._fd)
        if not stat.S_ISREG(status.st_mode):
            raise ImageNotFoundError(f"{self.name}: not a regular file")
        members: dict[str, tuple[int, int]] = {}
        for entry, content in TarReader(LayoutFile(self._fd, 0, status.st_size), self.name, limits):
            path = os.fsdecode(entry.name)
            if path in members:
                raise ArchiveError(f"{self.name}: {path!r}: more than once")
            if entry.kind is Kind.FILE and entry.hardlink is None:
                members[path] = (content.offset, entry.size)
        return members

    @contextmanager
    def open(self, path: str) -> Iterator[LayoutFile]:
        if path not in self._members:
            raise FileNotFoundError(path)
        yield LayoutFile(self._fd, *self._members[path])

    def close(self) -> None:
        os.close(self._fd)
