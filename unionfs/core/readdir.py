"""What a reader of a directory is given."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import NamedTuple

from unionfs.core.node import Entry, Node
from unionfs.core.nodes import Nodes
from unionfs.core.places import Place
from unionfs.core.store import stat_in
from unionfs.types import Kind, Stat


class DirEntry(NamedTuple):
    """One entry of a directory.

    Listing from `cookie` on goes on behind this entry, whatever was created, removed
    or renamed meanwhile. `ino` is 0 where only a look-up would tell.
    """

    name: bytes
    kind: Kind
    ino: int
    cookie: int


class Listed(NamedTuple):
    """One entry of a directory with what a look-up of it gives; None twice where that fails."""

    name: bytes
    kind: Kind
    cookie: int
    node: Node | None
    stat: Stat | None


def listed(nodes: Nodes, directory: Node, cookie: int, fits: Callable[[bytes], bool]) -> Iterator[Listed]:
    """The entries behind `cookie`, each looked up, for as long as there is room for the next name."""
    look_up = _Lookups(nodes, directory).of
    for entry in nodes.table(directory).after(cookie, None):
        if not fits(entry.name):
            return
        try:
            yield look_up(entry)
        except OSError:  # one broken file must not hide the others; asking for it will tell
            yield Listed(entry.name, entry.kind, entry.cookie, None, None)


class _Lookups:
    """Looks up many names of one directory.

    Files of the lowers, nearly all there are in a directory of an image, are asked about
    together; and what is told of them is not remembered, for the reader will.
    """

    def __init__(self, nodes: Nodes, directory: Node) -> None:
        self._nodes = nodes
        self._lowers = directory.lowers
        self._stats: dict[int, Callable[[bytes], Stat]] = {}

    def of(self, entry: Entry) -> Listed:
        node, name, kind = entry.node, entry.name, entry.kind
        if node is None and kind is not Kind.DIR and not entry.in_upper:
            place = self._lowers[entry.where[0]]
            stat = self._stat_in(place)(name)
            if stat.nlink == 1:
                node = self._nodes.lone_lower(entry, place, stat)
                return Listed(name, kind, entry.cookie, node, stat.numbered(node.ino))
        node = self._nodes.of(entry)
        return Listed(name, kind, entry.cookie, node, self._nodes.stat(node))

    def _stat_in(self, place: Place) -> Callable[[bytes], Stat]:
        stat = self._stats.get(place.layer)
        if stat is None:
            stat = self._stats[place.layer] = stat_in(
                self._nodes.gather.lowers[place.layer].store, place.path
            )
        return stat
