"""An open regular file of a union."""

from __future__ import annotations

import errno
from typing import Protocol

from unionfs.core.node import Node
from unionfs.errors import error
from unionfs.types import Access, File, ReadsNow, Stat

_EITHER = Access.READ | Access.WRITE

CHUNK = 1 << 20
"""Bytes copied in one go where they pass through us."""


class Shared(Protocol):
    """What all handles of one file share: the file, wherever its data is at the moment."""

    node: Node

    def readable(self) -> File: ...
    def writable(self) -> File: ...
    def append(self, data: bytes | memoryview) -> int: ...
    def truncate(self, size: int) -> None: ...
    def sync(self, data_only: bool) -> None: ...
    def flush(self) -> None: ...
    def stat(self) -> Stat: ...
    def waits(self, size: int, offset: int) -> bool: ...
    def is_copied_later(self) -> bool: ...
    def release(self) -> None: ...


class Handle:
    """Reads and writes one file, wherever its data is at the moment.

    All handles of a file see one truth: what is written through one is read through
    another, also by one that was opened before the file was copied up, and also after
    the file has lost its last name. Opening for writing copies nothing; the first
    change does. Every method raises `OSError`; EBADF for what the handle was not
    opened for, or after `close`. Safe for use by several threads.
    """

    __slots__ = ("_access", "_open", "_shared", "node")

    def __init__(self, shared: Shared, access: Access) -> None:
        self._shared = shared
        self._access = access
        self._open = True
        self.node: Node = shared.node

    def read(self, size: int, offset: int) -> bytes:
        """At most `size` bytes at `offset`; less only at the end of the file."""
        return self._readable().pread(size, offset)

    def readinto_now(self, buffer: memoryview, offset: int) -> int:
        """Fill `buffer` as `read` would, if nothing has to be waited for; BlockingIOError (EAGAIN) otherwise.

        The number of bytes read, less than there is room for only at the end of the file.
        """
        file: File | ReadsNow = self._readable()
        if hasattr(file, "readinto_now"):
            return file.readinto_now(buffer, offset)
        raise error(errno.EAGAIN)

    def write(self, data: bytes | memoryview, offset: int) -> int:
        """Write at `offset`; with `Access.APPEND` at the end, whatever `offset` says."""
        self._need(Access.WRITE)
        try:
            if self._access.has(Access.APPEND):
                return self._shared.append(data)
            return self._shared.writable().pwrite(data, offset)
        finally:
            self.node.stat = None

    def truncate(self, size: int) -> None:
        self._need(Access.WRITE)
        self._shared.truncate(size)

    def fallocate(self, mode: int, offset: int, length: int) -> None:
        """fallocate(2); EOPNOTSUPP for what the upper layer's file system cannot do."""
        self._need(Access.WRITE)
        try:
            self._shared.writable().fallocate(mode, offset, length)
        finally:
            self.node.stat = None

    def copy_from(self, source: Handle, source_offset: int, offset: int, length: int) -> int:
        """copy_file_range(2): at most `length` bytes of `source`; the number copied, 0 at its end."""
        self._need(Access.WRITE)
        source._need(Access.READ)
        try:
            target = self._shared.writable()
            given = source._shared.readable()  # after the copy-up: both may be the same file
            if source_offset == offset:  # then a file system that shares extents can share them
                return target.copy_from(given, offset, length)
            return target.pwrite(given.pread(min(length, CHUNK), source_offset), offset)
        finally:
            self.node.stat = None

    def seek(self, offset: int, whence: int) -> int:
        """The next data or hole from `offset` on (`SEEK_DATA`, `SEEK_HOLE`); ENXIO past the end."""
        self._need(_EITHER)
        return self._shared.readable().seek(offset, whence)

    def stat(self) -> Stat:
        """The file's attributes, also when it has lost its last name."""
        return self._shared.stat()

    def sync(self, data_only: bool = False) -> None:
        """Return once what was written is on stable storage."""
        self._need(_EITHER)
        self._shared.sync(data_only)

    def flush(self) -> None:
        """Tell a writer what has gone wrong behind him, as close(2) does."""
        self._need(_EITHER)
        if self._access.has(Access.WRITE):
            self._shared.flush()

    @property
    def is_writable(self) -> bool:
        return self._access.has(Access.WRITE)

    @property
    def may_fail_later(self) -> bool:
        """Whether a write may return before something goes wrong that `flush` will tell of."""
        return self._access.has(Access.WRITE) and self._shared.is_copied_later()

    def write_waits(self, size: int, offset: int) -> bool:
        """Whether a write would take long at the moment: for data to be copied first."""
        self._need(Access.WRITE)
        return self._shared.waits(size, offset)

    def fileno(self) -> int | None:
        """A descriptor on this host of the file that is read from at the moment; None where it has none."""
        self._need(_EITHER)
        return self._shared.readable().fileno()

    def prepare_to_write(self) -> None:
        """Do what the first write does beforehand, for a writer who will go round this handle."""
        self._need(Access.WRITE)
        self._shared.writable()

    def close(self) -> None:
        """Let go of the file; doing it twice is harmless."""
        if self._open:
            self._open = False
            self._shared.release()

    def _readable(self) -> File:
        self._need(Access.READ)
        return self._shared.readable()

    def _need(self, access: Access) -> None:
        if not self._open or not self._access.has(access):
            raise error(errno.EBADF)
