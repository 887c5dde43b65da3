"""Saying to other processes that something on this host is in use (flock(2))."""

from __future__ import annotations

import fcntl
import os


class Lease:
    """Held until it is closed, or its process and all that it has forked have ended."""

    def __init__(self, path: str | os.PathLike[str]) -> None:
        """Waits for whoever has `ended` it. The file is made where it is missing."""
        self._fd = _open(path)
        fcntl.flock(self._fd, fcntl.LOCK_SH)
        os.utime(self._fd)  # when it was last in use

    def close(self) -> None:
        if self._fd >= 0:
            os.close(self._fd)
            self._fd = -1


class Ended:
    """Whether nobody has a lease; while this is open, nobody gets one."""

    def __init__(self, path: str | os.PathLike[str]) -> None:
        self._fd = _open(path)
        try:
            fcntl.flock(self._fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
            self.is_free = True
        except BlockingIOError:
            self.is_free = False

    def __enter__(self) -> bool:
        return self.is_free

    def __exit__(self, *_: object) -> None:
        os.close(self._fd)


def _open(path: str | os.PathLike[str]) -> int:
    return os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
