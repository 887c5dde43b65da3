"""Numbers for what is open: the kernel keeps a number, we keep what it stands for."""

from __future__ import annotations

import errno
import itertools
import threading
from typing import Generic, TypeVar

from unionfs.errors import error

T = TypeVar("T")


class Handles(Generic[T]):
    """Open things by number, from 1 up. Safe from several threads."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._numbers = itertools.count(1)
        self._open: dict[int, T] = {}

    def add(self, thing: T) -> int:
        with self._lock:
            number = next(self._numbers)
            self._open[number] = thing
            return number

    def __getitem__(self, number: int) -> T:
        """What `number` stands for; EBADF where it is not open."""
        try:
            return self._open[number]
        except KeyError:
            raise error(errno.EBADF) from None

    def pop(self, number: int) -> T:
        """Forget `number`; EBADF where it is not open."""
        with self._lock:
            thing = self[number]
            del self._open[number]
            return thing

    def all(self) -> list[T]:
        with self._lock:
            return list(self._open.values())
