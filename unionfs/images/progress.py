"""Telling how far a long step has come."""

from __future__ import annotations

from collections.abc import Callable

from unionfs.images.streams import CopyingSource, Source

Progress = Callable[[str, int, int], None]
"""Called with what is being read, the bytes done and the bytes in all."""


def silent(label: str, done: int, total: int) -> None:
    """The progress that nobody asked for."""


class Measured:
    """A source that reports what is read from it."""

    def __init__(self, source: Source, label: str, total: int, progress: Progress) -> None:
        self._source = source
        self._label = label
        self.size = total
        self._progress = progress
        self._done = 0

    def read(self, size: int, /) -> bytes:
        data = self._source.read(size)
        self._done += len(data)
        self._progress(self._label, self._done, self.size)
        return data

    def copy_to(self, fd: int) -> bool:
        if not (isinstance(self._source, CopyingSource) and self._source.copy_to(fd)):
            return False
        self._progress(self._label, self.size, self.size)
        return True
