"""One process and one thread at a time."""

from __future__ import annotations

import fcntl
import os
import struct
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

# struct flock (fcntl(2)): the whole file, however long it gets.
_WHOLE_FILE = struct.pack("hhqqi", fcntl.F_WRLCK, os.SEEK_SET, 0, 0, 0)
_EVERY = 0.05
"""Seconds between two attempts of somebody who must be able to give up."""


@contextmanager
def exclusive(path: str | os.PathLike[str], waiting: Callable[[], object] | None = None) -> Iterator[None]:
    """Hold the lock file `path`, which is made where it is missing; it waits for whoever holds it.

    `waiting` is called every now and then meanwhile; what it raises ends the waiting. The kernel
    lets go of the lock when the process dies. (An open file description's lock: others hold
    out other threads too, and are not lost with any other descriptor of the file.)
    """
    fd = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
    try:
        _take(fd, waiting)
        yield
    finally:
        os.close(fd)


def _take(fd: int, waiting: Callable[[], object] | None) -> None:
    if waiting is None:
        fcntl.fcntl(fd, fcntl.F_OFD_SETLKW, _WHOLE_FILE)
        return
    while True:
        try:
            fcntl.fcntl(fd, fcntl.F_OFD_SETLK, _WHOLE_FILE)
        except BlockingIOError:
            waiting()
            time.sleep(_EVERY)
        else:
            return
