"""An open file of a store that can only be read: an archive, somebody else's file system."""

from __future__ import annotations

import errno
from collections.abc import Callable

from unionfs.errors import error
from unionfs.types import SEEK_DATA, SEEK_HOLE, File, Stat


def _waits(_buffer: memoryview, _offset: int) -> None:
    raise error(errno.EAGAIN)


def _has_none() -> None:
    """No descriptor."""


class ReadOnlyFile:
    """A `File` over whatever reads it: `read` takes a size and an offset within the file.

    `fill_now` fills all of a buffer with what is within the file, or raises BlockingIOError
    (EAGAIN) where that has to be waited for; without it, everything is waited for.
    `fileno` tells the descriptor of the host that has the data of the file alone, if one has.
    """

    def __init__(
        self,
        stat: Stat,
        read: Callable[[int, int], bytes],
        close: Callable[[], None],
        fill_now: Callable[[memoryview, int], None] = _waits,
        fileno: Callable[[], int | None] = _has_none,
    ) -> None:
        self._stat = stat
        self._read = read
        self._close = close
        self._fill_now = fill_now
        self._fileno = fileno
        self._closed = False

    def pread(self, size: int, offset: int) -> bytes:
        if size < 0 or offset < 0:
            raise error(errno.EINVAL)
        self._check_open()
        return self._read(min(size, max(0, self._stat.size - offset)), offset)

    def readinto_now(self, buffer: memoryview, offset: int) -> int:
        self._check_open()
        room = buffer[: max(0, min(len(buffer), self._stat.size - offset))]
        if room:
            self._fill_now(room, offset)
        return len(room)

    def pwrite(self, data: bytes | memoryview, offset: int) -> int:
        raise error(errno.EBADF)

    def truncate(self, size: int) -> None:
        raise error(errno.EBADF)

    def fallocate(self, mode: int, offset: int, length: int) -> None:
        raise error(errno.EBADF)

    def copy_from(self, source: File, offset: int, length: int) -> int:
        raise error(errno.EBADF)

    def clone_from(self, source: File) -> bool:
        raise error(errno.EBADF)

    def seek(self, offset: int, whence: int) -> int:
        """There are no holes: what is kept elsewhere has them as zeros."""
        self._check_open()
        if whence not in {SEEK_DATA, SEEK_HOLE}:
            raise error(errno.EINVAL)
        if not 0 <= offset < self._stat.size:
            raise error(errno.ENXIO)
        return offset if whence == SEEK_DATA else self._stat.size

    def stat(self) -> Stat:
        self._check_open()
        return self._stat

    def sync(self, data_only: bool = False) -> None:
        self._check_open()

    def fileno(self) -> int | None:
        self._check_open()
        return self._fileno()

    def close(self) -> None:
        if not self._closed:
            self._closed = True
            self._close()

    def _check_open(self) -> None:
        if self._closed:
            raise error(errno.EBADF)
