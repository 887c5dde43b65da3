"""Where something is in the lower layers, found out no earlier and no further down than is asked."""

from __future__ import annotations

import errno
from collections.abc import Callable, Iterator, Sequence
from itertools import islice
from typing import NamedTuple, NoReturn, overload

from unionfs.errors import error


class Place(NamedTuple):
    """Where something is in the lower layers: which of them (0 is top-most), and the path there."""

    layer: int
    path: bytes


class Places(Sequence[Place]):
    """The places that merge in a directory, top-most first, read from the layers as they are asked for.

    A directory that is only looked up needs the first; one that is listed needs all.
    Not safe for several threads: the union's lock is held.
    """

    __slots__ = ("_find", "_known", "_rest")

    def __init__(self, find: Callable[[], Iterator[Place]]) -> None:
        """`find` gives them one by one; it is called anew after it has failed."""
        self._find: Callable[[], Iterator[Place]] | None = find
        self._rest: Iterator[Place] | None = None
        self._known: list[Place] = []

    def _draw(self) -> bool:
        """Find out about one more; False where there is none."""
        if self._find is None:
            return False
        if self._rest is None:
            self._rest = islice(self._find(), len(self._known), None)
        try:
            self._known.append(next(self._rest))
        except StopIteration:
            self._find = self._rest = None
            return False
        except BaseException:
            self._rest = None
            raise
        return True

    def __iter__(self) -> Iterator[Place]:
        index = 0
        while index < len(self._known) or self._draw():
            yield self._known[index]
            index += 1

    @overload
    def __getitem__(self, index: int) -> Place: ...
    @overload
    def __getitem__(self, index: slice) -> Sequence[Place]: ...
    def __getitem__(self, index: int | slice) -> Place | Sequence[Place]:
        if isinstance(index, slice) or index < 0:
            return tuple(self)[index]
        while index >= len(self._known):
            if not self._draw():
                raise IndexError(index)
        return self._known[index]

    def __bool__(self) -> bool:
        return has(self, 1)

    def __len__(self) -> int:
        while self._draw():
            pass
        return len(self._known)


def has(places: Sequence[Place], count: int) -> bool:
    """Whether there are so many, asking no further than that."""
    try:
        return count == 0 or places[count - 1] is not None
    except IndexError:
        return False


class _Gone(tuple[Place, ...]):
    """The places of what the layers do not have any more: there are none, and asking for one is ESTALE."""

    __slots__ = ()

    def __getitem__(self, index: object) -> NoReturn:
        raise error(errno.ESTALE)


GONE = _Gone()
