"""A stretch of a file of this host: a blob, whether it is a file of its own or lies in an archive."""

from __future__ import annotations

import errno
import io
import os
from typing import NamedTuple

from unionfs.errors import error


class Identity(NamedTuple):
    """What changes when somebody writes to a file, or puts another in its place: ctime cannot be set."""

    dev: int
    ino: int
    size: int
    mtime_ns: int
    ctime_ns: int
    start: int


def fill_now(fd: int, buffer: memoryview, offset: int) -> None:
    """Fill all of `buffer` with what is in memory (preadv2(2), RWF_NOWAIT).

    BlockingIOError (EAGAIN) where some of it is not, or the file system cannot tell.
    """
    try:
        read = os.preadv(fd, [buffer], offset, os.RWF_NOWAIT)
    except OSError as failure:
        if failure.errno == errno.EOPNOTSUPP:
            raise error(errno.EAGAIN) from None
        raise
    if read < len(buffer):
        raise error(errno.EAGAIN)


class Stretch(io.RawIOBase):
    """`size` bytes from `start` on, read in sequence or anywhere. Takes a descriptor of its own."""

    def __init__(self, fd: int, start: int, size: int) -> None:
        self._fd = os.dup(fd)
        self._start = start
        self._size = size
        self._position = 0

    def identity(self) -> Identity:
        """That of the whole file, as it is now."""
        status = os.fstat(self._fd)
        times = status.st_mtime_ns, status.st_ctime_ns
        return Identity(status.st_dev, status.st_ino, status.st_size, *times, self._start)

    def pread(self, size: int, offset: int) -> bytes:
        return os.pread(self._fd, max(0, min(size, self._size - offset)), self._start + offset)

    def fill_now(self, buffer: memoryview, offset: int) -> None:
        """As the function does, of a part that lies within."""
        fill_now(self._fd, buffer, self._start + offset)

    def from_start(self) -> Stretch:
        """The same, to be read in sequence by somebody else."""
        return Stretch(self._fd, self._start, self._size)

    # What io.RawIOBase wants of its subclasses

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def readinto(self, buffer: memoryview) -> int:  # type: ignore[override] # typeshed: any buffer
        wanted = max(0, min(len(buffer), self._size - self._position))
        read = os.preadv(self._fd, [memoryview(buffer)[:wanted]], self._start + self._position)
        self._position += read
        return read

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        origin = {io.SEEK_SET: 0, io.SEEK_CUR: self._position, io.SEEK_END: self._size}[whence]
        self._position = origin + offset
        return self._position

    def tell(self) -> int:
        return self._position

    def close(self) -> None:
        if not self.closed:
            os.close(self._fd)
        super().close()
