"""An open regular file of a union."""

from __future__ import annotations

import errno
from typing import TYPE_CHECKING

from unionfs.core.attrs import Changes
from unionfs.core.node import Node
from unionfs.errors import error
from unionfs.types import Access, File, Stat

if TYPE_CHECKING:
    from unionfs.core.union import Union


class Handle:
    """Reads and writes one file, wherever its data is at the moment.

    All handles of a file see one truth: what is written through one is read through
    another, also by one that was opened before the file was copied up, and also after
    the file has lost its last name. Opening for writing copies nothing; the first
    change does. Every method raises `OSError`; EBADF for what the handle was not
    opened for, or after `close`. Safe for use by several threads.
    """

    __slots__ = ("_access", "_open", "_union", "node")

    def __init__(self, union: Union, node: Node, access: Access) -> None:
        self._union = union
        self._access = access
        self._open = True
        self.node = node

    def read(self, size: int, offset: int) -> bytes:
        return self._readable().pread(size, offset)

    def write(self, data: bytes | memoryview, offset: int) -> int:
        """Write at `offset`; with `Access.APPEND` at the end, whatever `offset` says."""
        file = self._writable()
        try:
            if self._access & Access.APPEND:
                return self._union.append(self.node, file, data)
            return file.pwrite(data, offset)
        finally:
            self.node.stat = None

    def truncate(self, size: int) -> None:
        self._need(Access.WRITE)
        self._union.setattr(self.node, Changes(size=size))

    def fallocate(self, mode: int, offset: int, length: int) -> None:
        """fallocate(2); EOPNOTSUPP for what the upper layer's file system cannot do."""
        file = self._writable()
        try:
            file.fallocate(mode, offset, length)
        finally:
            self.node.stat = None

    def seek(self, offset: int, whence: int) -> int:
        """The next data or hole from `offset` on (`SEEK_DATA`, `SEEK_HOLE`); ENXIO past the end."""
        self._need(Access.READ | Access.WRITE)
        return self._union.file(self.node).seek(offset, whence)

    def stat(self) -> Stat:
        return self._union.getattr(self.node)

    def sync(self, data_only: bool = False) -> None:
        """Return once what was written is on stable storage."""
        self._need(Access.READ | Access.WRITE)
        if self.node.upper:
            self._union.file(self.node).sync(data_only)

    def close(self) -> None:
        if self._open:
            self._open = False
            self._union.release(self.node)

    def _readable(self) -> File:
        self._need(Access.READ)
        return self._union.file(self.node)

    def _writable(self) -> File:
        self._need(Access.WRITE)
        return self._union.writable_file(self.node)

    def _need(self, access: Access) -> None:
        if not self._open or not self._access & access:
            raise error(errno.EBADF)
