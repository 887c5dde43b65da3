"""A layer is a store and a dialect; an upper layer has a work tree beside it."""

from __future__ import annotations

from typing import NamedTuple

from unionfs.core.dialect import Dialect
from unionfs.core.steps import At, Tree
from unionfs.core.store import Store, WritableStore


class Layer(NamedTuple):
    """A read-only layer: where its files are kept, and how whiteouts and other marks are written in it."""

    store: Store
    dialect: Dialect

    @property
    def name(self) -> str:
        return self.store.name


class UpperLayer(NamedTuple):
    """The writable layer. `work` is on the same file system as `store`, so that one rename publishes.

    What is in `work` is the union's: what it makes ready, the index of hard links, the journal of files
    that are not whole yet.
    """

    store: WritableStore
    dialect: Dialect
    work: WritableStore

    @property
    def name(self) -> str:
        return self.store.name

    def tree(self, at: At) -> WritableStore:
        return self.store if at.tree is Tree.UPPER else self.work
