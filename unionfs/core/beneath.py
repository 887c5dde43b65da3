"""Layers that change beneath a union: noticing it, and telling those who remember what was.

A directory's `Table` is read once. Whoever can tell when a layer's directory changes (`Watch`)
is asked to watch each one before it is read, and says so here; what is remembered is then
compared with what the layers say now. Names in the upper layer stay as they are: nobody but
the union changes that.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator
from typing import NamedTuple, Protocol
from weakref import WeakValueDictionary

from unionfs.core.node import Entry, Found, Node, Table
from unionfs.core.nodes import Nodes
from unionfs.core.places import GONE, Place
from unionfs.core.store import Store
from unionfs.types import Kind

Names = Collection[bytes] | None
"""Which names in a directory; None: any."""


class Watch(Protocol):
    """Notices when directories of stores change."""

    def add(self, store: Store, place: Place) -> None:
        """From now on notice what happens to the names in a directory, and to what they stand for."""

    def remove(self, place: Place) -> None: ...


class Changed(NamedTuple):
    """A name that does not stand for what it did, or (`same`) for something that is not as it was."""

    directory: Node
    name: bytes
    node: Node | None
    """What it stood for, if anybody has asked."""
    same: bool


class Beneath:
    """What is watched on behalf of one union. The union's lock is held."""

    def __init__(self, nodes: Nodes, watch: Watch) -> None:
        self._nodes = nodes
        self._watch = watch
        self._shown: WeakValueDictionary[Place, Node] = WeakValueDictionary()

    def reading(self, directory: Node) -> None:
        """A directory is about to be read from the layers."""
        for place in directory.lowers:
            self._watch.add(self._nodes.gather.lowers[place.layer].store, place)
            self._shown[place] = directory

    def forgotten(self, directory: Node) -> None:
        for place in directory.lowers:
            if self._shown.pop(place, None) is not None:
                self._watch.remove(place)

    def changed(self, place: Place, names: Names) -> Iterator[Changed]:
        """The lower directory at `place` has changed in these names; the empty one is itself."""
        directory = self._shown.get(place)
        if directory is None or directory.table is None:
            return
        if names is None or b"" in names:
            yield Changed(directory, b"", directory, same=True)
        yield from self._reread(directory, directory.table, names)

    def _reread(self, directory: Node, table: Table, names: Names) -> Iterator[Changed]:
        directory.stat = None
        try:
            found, hidden, whiteouts = self._nodes.merged(directory)
        except OSError:
            return  # it is gone itself, which is a change of the directory that held it
        for name in [*table.entries, *(name for name in found if name not in table.entries)]:
            yield from self._compare(directory, table, name, found.get(name), names)
        table.recover(hidden | _unmerged(table, found), whiteouts)

    def _compare(
        self, directory: Node, table: Table, name: bytes, now: Found | None, names: Names
    ) -> Iterator[Changed]:
        """One name: what it was, what it is `now`."""
        entry = table.entries.get(name)
        is_named = names is None or name in names
        if entry is None:
            assert now is not None
            table.show(directory, name, now)
            yield Changed(directory, name, None, same=False)
        elif now is not None and _are_directories(entry, now) and (entry.in_upper or self._is_same(entry)):
            if is_named or entry.where != now.where:
                yield from self._remerge(entry, now)
        elif entry.in_upper:
            return
        elif now is None or now != (entry.kind, entry.where) or not self._is_same(entry):
            yield Changed(directory, name, entry.node, same=False)
            self._replace(table, entry, now)
        elif entry.node is not None and is_named:
            entry.node.stat = None
            yield Changed(directory, name, entry.node, same=True)

    def _remerge(self, entry: Entry, now: Found) -> Iterator[Changed]:
        """A directory may be merged of others than it was."""
        node, parent = entry.node, entry.directory
        if node is None:
            entry.where = now.where  # to be found out about when it is asked for
            return
        if node.marks.opaque or node.marks.redirect is not None:
            return
        self.forgotten(node)
        entry.where = now.where
        path = self._nodes.path_of(entry) if entry.in_upper else None
        stack = self._nodes.gather.directory(parent.lowers, parent.below, entry.name, now.where, path)
        node.lowers, node.stat = stack.lowers, None
        yield Changed(parent, entry.name, node, same=True)
        if node.table is not None:
            self.reading(node)
            yield from self._reread(node, node.table, None)

    def _is_same(self, entry: Entry) -> bool:
        """Whether a name leads to the file that it led to when it was asked about."""
        node = entry.node
        return node is None or node.upper or self._nodes.is_at(node, node.lowers[0])

    def _replace(self, table: Table, entry: Entry, now: Found | None) -> None:
        """What a name stood for has lost it; who has it open keeps it."""
        node = entry.node
        if node is not None:
            node.names.remove(entry)
            if not node.names and not node.upper:
                node.lowers, node.stat = GONE, None
        del table.entries[entry.name]
        if now is not None:
            table.show(entry.directory, entry.name, now)


def _are_directories(entry: Entry, now: Found) -> bool:
    return entry.kind is Kind.DIR and now.kind is Kind.DIR


def _unmerged(table: Table, found: dict[bytes, Found]) -> set[bytes]:
    """Names that the upper layer alone shows, though the lowers have them too."""
    return {
        name
        for name, entry in table.entries.items()
        if entry.in_upper and len(entry.where) == 1 and name in found and len(found[name].where) > 1
    }
