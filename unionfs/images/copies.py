"""Blobs on their way to one destination: each of them once, several at a time where it allows that."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from typing import Any

from unionfs.images.digest import Digest
from unionfs.images.documents import Descriptor
from unionfs.images.image import open_blob
from unionfs.images.progress import Measured, Progress
from unionfs.images.reference import Reference
from unionfs.images.transfers import Transfers
from unionfs.images.transport import Blob, Destination, ImageSource


class Copies:
    """For the time of a ``with``; `finish` waits until all are there."""

    def __init__(self, destination: Destination, progress: Progress) -> None:
        self._destination = destination
        self._transfers = Transfers(progress)
        self._begun: set[Digest] = set()
        self.meanwhile = self._transfers.meanwhile
        self.finish = self._transfers.finish

    def add(self, source: ImageSource, origin: Reference, blob: Descriptor, wanted: Descriptor) -> None:
        """Copy a blob of a source, which `origin` names, unless the destination has it, as `wanted`."""
        copy = partial(self._copy, source, origin, blob, wanted)
        if not self._destination.concurrent:
            copy(self.meanwhile)
        elif blob.digest not in self._begun:
            self._begun.add(blob.digest)
            self._transfers.start(str(blob.digest), blob.size, copy, source, self._destination)

    def _copy(
        self,
        source: ImageSource,
        origin: Reference,
        blob: Descriptor,
        wanted: Descriptor,
        progress: Progress,
    ) -> None:
        if not self._destination.has(wanted, origin):
            self._destination.add(wanted, partial(_open, source, blob, progress))
        progress(str(blob.digest), blob.size, blob.size)

    def __enter__(self) -> Copies:
        return self

    def __exit__(self, *raised: Any) -> None:
        self._transfers.__exit__(*raised)


@contextmanager
def _open(source: ImageSource, blob: Descriptor, progress: Progress) -> Iterator[Blob]:
    with open_blob(source, blob) as opened:
        yield Measured(opened, str(blob.digest), blob.size, progress)
