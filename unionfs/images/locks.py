"""One process and one thread at a time."""

from __future__ import annotations

import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager

# lockf's locks belong to the process: between its threads, this one decides.
_threads = threading.Lock()


@contextmanager
def exclusive(path: str | os.PathLike[str]) -> Iterator[None]:
    """Hold the lock file `path`, which is made where it is missing; it waits for whoever holds it.

    The kernel lets go of it when the process dies. A thread must not take a second one.
    """
    with _threads:
        fd = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
        try:
            os.lockf(fd, os.F_LOCK, 0)
            yield
        finally:
            os.close(fd)


def sync_directory(path: str | os.PathLike[str]) -> None:
    """Put a directory's names on stable storage."""
    fd = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(fd)
    finally:
        os.close(fd)
