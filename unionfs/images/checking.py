"""A layer's archive held against all rules, and nothing made of it."""

from __future__ import annotations

from collections.abc import Sequence

from unionfs.core.layer import Layer
from unionfs.images.below import Below
from unionfs.images.entry import Entry
from unionfs.images.limits import Limits
from unionfs.images.placing import Placer
from unionfs.images.streams import Source
from unionfs.images.tally import Tally
from unionfs.images.tar_reader import Content, TarReader
from unionfs.images.unpack import blaming


def check(source: Source, archive: str, *, below: Sequence[Layer], limits: Limits, tally: Tally) -> None:
    """Raises what `unpack` does."""
    placer = Placer(_Nowhere(), Below(below), limits, tally)
    for entry, content in TarReader(source, archive, limits, tally):
        with blaming(archive, entry):
            placer.add(entry, content)


class _Nowhere:
    """The `Target` that makes nothing."""

    def directory(self, path: bytes) -> None:
        pass

    def node(self, path: bytes, entry: Entry, content: Content) -> None:
        pass

    def link(self, path: bytes, existing: bytes) -> None:
        pass

    def copy(self, path: bytes, entry: Entry, beneath: bytes) -> None:
        pass

    def remove(self, path: bytes) -> None:
        pass
