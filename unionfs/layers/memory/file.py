"""An open file of the memory store."""

from __future__ import annotations

import errno

from unionfs.errors import error
from unionfs.layers.memory.inode import RegularFile
from unionfs.types import SEEK_DATA, SEEK_HOLE, Access, File, Stat

SIZE_MAX = 2**63 - 1
COPY_MAX = 1 << 20

KEEP_SIZE = 0x01
PUNCH_HOLE = 0x02
ZERO_RANGE = 0x10
_FALLOCATE_MODES = {0, KEEP_SIZE, PUNCH_HOLE | KEEP_SIZE, ZERO_RANGE, ZERO_RANGE | KEEP_SIZE}


class MemoryFile:
    """A `File`. It holds the inode, so neither unlink nor rename disturbs it."""

    def __init__(self, inode: RegularFile, access: Access) -> None:
        self._inode = inode
        self._access = access
        self._lock = inode.fs.lock
        self._closed = False

    def pread(self, size: int, offset: int) -> bytes:
        if size < 0 or offset < 0:
            raise error(errno.EINVAL)
        self._check_open_for(Access.READ)
        with self._lock:
            return self._inode.data.read(size, offset)

    def readinto_now(self, buffer: memoryview, offset: int) -> int:
        data = self.pread(len(buffer), offset)
        buffer[: len(data)] = data
        return len(data)

    def pwrite(self, data: bytes | memoryview, offset: int) -> int:
        octets = memoryview(data).cast("B")
        _check_range(offset, len(octets))
        self._check_open_for(Access.WRITE)
        with self._lock:
            if Access.APPEND in self._access:
                offset = self._inode.data.size
            if octets:
                self._inode.data.write(octets, offset)
                self._inode.modified()
        return len(octets)

    def truncate(self, size: int) -> None:
        _check_range(size, 0)
        self._check_open_for(Access.WRITE)
        with self._lock:
            self._inode.data.resize(size)
            self._inode.modified()

    def fallocate(self, mode: int, offset: int, length: int) -> None:
        """Allocating, punching and zeroing; nothing that moves data."""
        if length <= 0:
            raise error(errno.EINVAL)
        _check_range(offset, length)
        if mode not in _FALLOCATE_MODES:
            raise error(errno.EOPNOTSUPP)
        self._check_open_for(Access.WRITE)
        with self._lock:
            data = self._inode.data
            if mode & (PUNCH_HOLE | ZERO_RANGE):
                data.punch(offset, length)
            if not mode & KEEP_SIZE:
                data.resize(max(data.size, offset + length))
            self._inode.modified()

    def seek(self, offset: int, whence: int) -> int:
        self._check_open_for(Access(0))
        if whence not in {SEEK_DATA, SEEK_HOLE}:
            raise error(errno.EINVAL)
        with self._lock:
            data = self._inode.data
            if not 0 <= offset < data.size:
                raise error(errno.ENXIO)
            found = data.next_data(offset) if whence == SEEK_DATA else data.next_hole(offset)
        if found is None:
            raise error(errno.ENXIO)
        return found

    def stat(self) -> Stat:
        self._check_open_for(Access(0))
        with self._lock:
            return self._inode.stat()

    def sync(self, data_only: bool = False) -> None:
        self._check_open_for(Access(0))

    def fileno(self) -> None:
        return None

    def copy_from(self, source: File, offset: int, length: int) -> int:
        """EBADF where this is open for appending, as copy_file_range(2): it has no say in the place."""
        if Access.APPEND in self._access:
            raise error(errno.EBADF)
        return self.pwrite(source.pread(min(length, COPY_MAX), offset), offset)

    def clone_from(self, source: File) -> bool:
        return False

    def close(self) -> None:
        self._closed = True

    def _check_open_for(self, access: Access) -> None:
        if self._closed or access not in self._access:
            raise error(errno.EBADF)


def _check_range(offset: int, length: int) -> None:
    if offset < 0:
        raise error(errno.EINVAL)
    if offset + length > SIZE_MAX:
        raise error(errno.EFBIG)
