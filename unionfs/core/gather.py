"""Reading facts out of the layers: the first third of gather, decide, apply.

Nothing here changes anything, and nothing here remembers anything.
"""

from __future__ import annotations

import errno
import stat as _s
from collections.abc import Iterable, Iterator, Sequence
from typing import NamedTuple

from unionfs.core.dialect import NO_MARKS, Feature, Marks, Origin
from unionfs.core.layer import Layer, UpperLayer
from unionfs.core.lookup import Merged, merge
from unionfs.core.node import UPPER, join
from unionfs.core.places import Place, Places
from unionfs.core.store import Store
from unionfs.errors import error
from unionfs.types import Kind, Stat

_A_DIRECTORY = Stat(_s.S_IFDIR | 0o700)
_ABSENT = (errno.ENOENT, errno.ENOTDIR)


class Source(NamedTuple):
    """What a copy-up has to reproduce: attributes, and xattrs under the names that readers see."""

    stat: Stat
    xattrs: tuple[tuple[bytes, bytes], ...]
    target: bytes = b""


class Stack(NamedTuple):
    """A directory's stack: the upper layer's marks, the lower places, and its path in the lowers alone."""

    marks: Marks
    lowers: Sequence[Place]
    below: bytes


class Gatherer:
    """Reads the layers of one union."""

    def __init__(self, lowers: Sequence[Layer], upper: UpperLayer | None) -> None:
        self.lowers = lowers
        self.upper = upper

    # Directories

    def listing(self, upper_path: bytes | None, places: Sequence[Place]) -> Merged:
        """The merged listing of a directory, `upper_path` None where the upper layer does not have it."""
        upper = None
        if upper_path is not None and self.upper is not None:
            upper = self.upper.dialect.listing(self.upper.store, upper_path)
        layers = self.lowers
        return merge(
            upper, [layers[layer].dialect.listing(layers[layer].store, path) for layer, path in places]
        )

    def root(self) -> Stack:
        return self._stack(b"" if self.upper else None, self._roots(0), (), b"")

    def root_places(self, first: int) -> tuple[Place, ...]:
        """The root's stack in the layers from `first` on, as it is without those above."""
        return tuple(self._merging(self._roots(first), ()))

    def directory(
        self,
        parent: Sequence[Place],
        below: bytes,
        name: bytes,
        where: Sequence[int],
        upper_path: bytes | None,
    ) -> Stack:
        """The stack of the directory `name`, which `where` says which places of its parent's stack hold."""
        held = [Place(parent[at].layer, join(parent[at].path, name)) for at in where if at != UPPER]
        return self._stack(upper_path, held, parent, join(below, name))

    def _stack(
        self, upper_path: bytes | None, held: Sequence[Place], parent: Sequence[Place], path: bytes
    ) -> Stack:
        marks = self.upper_marks(upper_path, _A_DIRECTORY) if upper_path is not None else NO_MARKS
        redirect = marks.redirect
        if marks.opaque:
            return Stack(marks, (), path)
        if redirect is None:
            return Stack(marks, Places(lambda: self._merging(held, parent)), path)
        places = Places(lambda: self._merging(self._redirected(redirect, UPPER, parent), parent))
        return Stack(marks, places, redirected_path(redirect, path))

    def _merging(self, candidates: Iterable[Place], parent: Sequence[Place]) -> Iterator[Place]:
        """Those of the candidates that merge: down to the first that hides what is beneath it."""
        for place in candidates:
            layer = self.lowers[place.layer]
            stat = _stat_or_none(layer.store, place.path)
            if stat is None:
                continue
            if stat.kind is not Kind.DIR:
                return
            yield place
            marks = layer.dialect.marks(layer.store, place.path, stat)
            if marks.opaque:
                return
            if marks.redirect is not None:
                yield from self._merging(self._redirected(marks.redirect, place.layer, parent), parent)
                return

    def _redirected(self, redirect: bytes, layer: int, parent: Sequence[Place]) -> Iterator[Place]:
        """Where the layers beneath `layer` hold what a redirect found in it names."""
        if not redirect.startswith(b"/"):
            return self._named([place for place in parent if place.layer > layer], redirect)
        return self._absolute(redirect[1:], layer + 1)

    def _absolute(self, path: bytes, first: int) -> Iterator[Place]:
        """Where the layers from `first` on may hold what they together show at `path`."""
        *directories, name = path.split(b"/")
        stack = self._roots(first)
        for component in directories:
            stack = list(self._merging(self._named(stack, component), stack))
        return self._named(stack, name)

    def shown_at(self, path: bytes) -> Place | None:
        """The top-most place of what the lowers alone show at `path`."""
        for place in self._absolute(path, 0):
            if _stat_or_none(self.lowers[place.layer].store, place.path) is not None:
                return place
        return None

    def _named(self, parents: Iterable[Place], name: bytes) -> Iterator[Place]:
        for parent in parents:
            layer = self.lowers[parent.layer]
            path = join(parent.path, name)
            yield Place(parent.layer, path)
            if layer.dialect.is_whiteout(layer.store, path):
                return

    def _roots(self, first: int) -> list[Place]:
        return [Place(layer, b"") for layer in range(first, len(self.lowers))]

    # Files

    def upper_marks(self, path: bytes, stat: Stat) -> Marks:
        assert self.upper is not None
        return self.upper.dialect.marks(self.upper.store, path, stat)

    def data_beneath(self, marks: Marks, layer: int, parent: Sequence[Place], name: bytes) -> Place:
        """Where the data is of a file that has only its metadata in `layer`.

        EIO where no layer beneath has it, which leaves the file without content.
        """
        while marks.metacopy:
            place, marks = self._next_beneath(marks.redirect or name, layer, parent)
            layer, name = place.layer, place.path.rpartition(b"/")[2]
        return place

    def _next_beneath(self, redirect: bytes, layer: int, parent: Sequence[Place]) -> tuple[Place, Marks]:
        for place in self._redirected(redirect, layer, parent):
            below = self.lowers[place.layer]
            stat = _stat_or_none(below.store, place.path)
            if stat is None:
                continue
            if stat.kind is not Kind.FILE:
                break
            return place, below.dialect.marks(below.store, place.path, stat)
        raise error(errno.EIO, redirect)

    def source(self, place: Place) -> Source:
        """Everything but data and marks of something in a lower layer."""
        layer = self.lowers[place.layer]
        stat = layer.store.stat(place.path)
        target = layer.store.readlink(place.path) if stat.kind is Kind.SYMLINK else b""
        return Source(stat, tuple(self._xattrs(layer, place.path)), target)

    def _xattrs(self, layer: Layer, path: bytes) -> Iterator[tuple[bytes, bytes]]:
        for stored in layer.store.listxattr(path):
            shown = layer.dialect.shown_xattr(stored)
            if shown is not None:
                yield shown, layer.store.getxattr(path, stored)

    def origin(self, place: Place, ino: int) -> Origin | None:
        """What the copy of a lower file remembers of it; None where the upper's dialect cannot say it."""
        if self.upper is None or Feature.ORIGIN not in self.upper.dialect.features:
            return None
        handle = self.lowers[place.layer].store.handle(place.path)
        return Origin(len(self.lowers) - 1 - place.layer, ino, handle or b"")


def _stat_or_none(store: Store, path: bytes) -> Stat | None:
    try:
        return store.stat(path)
    except OSError as failure:
        if failure.errno in _ABSENT:
            return None
        raise


def redirected_path(redirect: bytes, path: bytes) -> bytes:
    """The path in the lowers that a redirect found at `path` names."""
    if redirect.startswith(b"/"):
        return redirect[1:]
    return join(path.rpartition(b"/")[0], redirect)
