"""Sets of whole numbers kept as ranges: which bytes of a file are there already.

Pure, and as quick with a thousand ranges as with one: everything is a binary search and
a slice of two sorted lists.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Iterator


class Ranges:
    """A set of integers, as the fewest half-open ranges (start, end) that hold just them."""

    __slots__ = ("_ends", "_starts")

    def __init__(self, ranges: Iterable[tuple[int, int]] = ()) -> None:
        self._starts: list[int] = []
        self._ends: list[int] = []
        for start, end in ranges:
            self.add(start, end)

    def __iter__(self) -> Iterator[tuple[int, int]]:
        return zip(self._starts, self._ends, strict=True)

    def __len__(self) -> int:
        """How many ranges there are."""
        return len(self._starts)

    def add(self, start: int, end: int) -> None:
        """Take in all of a range; what touches it becomes one with it."""
        if start >= end:
            return
        first = bisect_left(self._ends, start)
        last = bisect_right(self._starts, end)
        if first < last:
            start = min(start, self._starts[first])
            end = max(end, self._ends[last - 1])
        self._starts[first:last] = [start]
        self._ends[first:last] = [end]

    def cut(self, end: int) -> None:
        """Drop everything from `end` on."""
        kept = bisect_left(self._starts, end)
        del self._starts[kept:], self._ends[kept:]
        if kept and self._ends[-1] > end:
            self._ends[-1] = end

    def covers(self, start: int, end: int) -> bool:
        """Whether all of a range is in the set."""
        at = bisect_right(self._starts, start) - 1
        return start >= end or (at >= 0 and self._ends[at] >= end)

    def pieces(self, start: int, end: int) -> Iterator[tuple[int, int, bool]]:
        """Cut a range into the longest pieces (start, end, in the set?), in their order."""
        at = bisect_right(self._ends, start)
        while start < end:
            if at == len(self._starts) or self._starts[at] >= end:
                yield start, end, False
                return
            if self._starts[at] > start:
                yield start, self._starts[at], False
                start = self._starts[at]
            stop = min(self._ends[at], end)
            yield start, stop, True
            start = stop
            at += 1

    def gap(self, start: int, end: int) -> tuple[int, int] | None:
        """The first piece of a range that is not in the set."""
        return next(((first, last) for first, last, there in self.pieces(start, end) if not there), None)

    def size(self) -> int:
        """How many numbers the set holds."""
        return sum(self._ends) - sum(self._starts)
