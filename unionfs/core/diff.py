"""What an upper layer changes of the layers beneath, in time proportional to the change.

Lower layers can be counted to the change, from the top-most down: those `above`.

Only directories that the upper layer has are looked into, with one exception: while
hard-linked lower files have one copy that their other names reach through the index,
those names changed too, and finding them takes a walk.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import NamedTuple

from unionfs.core.node import Entry, Found, Node, join
from unionfs.core.nodes import Nodes
from unionfs.core.places import Place
from unionfs.types import Kind


class Change(NamedTuple):
    """One line of a diff.

    `letter` is docker diff's: ``A`` added, ``C`` changed, ``D`` removed. `kind` and
    `size` (bytes, 0 for anything but a regular file) are those of what is there now;
    of what was there, when it was removed. What was below a removed directory is not listed.
    """

    path: bytes
    letter: str
    kind: Kind
    size: int


def changes(nodes: Nodes, *, above: int, links_are_hidden: bool) -> list[Change]:
    """All changes that the upper layer and the `above` top-most lowers make, parents before children,
    names in byte order.

    `links_are_hidden`: there are copies of hard-linked files that are reached under
    names which the upper layer does not have.
    """
    diff = _Diff(nodes, above, links_are_hidden)
    root = nodes.gather.root_places(above)
    listed = {change.path: change for change in diff.directory(nodes.root, b"", root)}
    for change in diff.other_names():
        listed.setdefault(change.path, change)
    return sorted(listed.values(), key=lambda change: change.path.split(b"/"))


class _Diff:
    def __init__(self, nodes: Nodes, above: int, everywhere: bool) -> None:
        self._nodes = nodes
        self._above = above
        self._gather = nodes.gather
        self._everywhere = everywhere
        self._linked: list[Node] = []

    def directory(self, node: Node, path: bytes, beneath: Sequence[Place]) -> Iterator[Change]:
        """The changes below a directory, `beneath` being what the layers beneath have at its path."""
        kept = tuple(place for place in node.lowers if place.layer >= self._above)
        merges = kept == tuple(beneath)
        if merges and not self._is_above(node) and not self._everywhere:
            return
        entries = self._nodes.table(node).entries
        before = self._gather.listing(None, beneath).shown
        for name in sorted(entries.keys() | before.keys()):
            entry, was = entries.get(name), before.get(name)
            if entry is None:
                assert was is not None
                yield self._removed(join(path, name), name, was, beneath)
            elif self._comes_from_above(entry) or not merges or self._everywhere:
                yield from self._shown(entry, join(path, name), was, beneath)

    def _shown(
        self, entry: Entry, path: bytes, was: Found | None, beneath: Sequence[Place]
    ) -> Iterator[Change]:
        node = self._nodes.of(entry)
        if was is None:
            yield self._listed(node, path, "A")
        elif self._is_above(node) or _top_place(entry) != self._places(was, entry.name, beneath)[0]:
            yield self._listed(node, path, "C")
        if node.is_dir:
            below: Sequence[Place] = ()
            if was is not None and was.kind is Kind.DIR:
                below = self._gather.directory(beneath, b"", entry.name, was.where, None).lowers
            yield from self.directory(node, path, below)

    def _is_above(self, node: Node) -> bool:
        """Whether a layer that counts to the change says what the node is."""
        return node.upper or node.lowers[0].layer < self._above

    def _comes_from_above(self, entry: Entry) -> bool:
        return entry.in_upper or entry.directory.lowers[entry.where[0]].layer < self._above

    def other_names(self) -> Iterator[Change]:
        """The names that a linked lower file keeps, while another went elsewhere with its directory.

        Nothing happened to them; but a layer that has the one must have the others, or they part.
        """
        for node in self._linked:
            for path in self._nodes.lower_names(node):
                yield self._line(node, path, "C")

    def _listed(self, node: Node, path: bytes, letter: str) -> Change:
        if not (node.is_dir or node.upper) and self._nodes.stat(node).nlink > 1:
            self._linked.append(node)
        return self._line(node, path, letter)

    def _line(self, node: Node, path: bytes, letter: str) -> Change:
        size = self._nodes.stat(node).size if node.kind is Kind.FILE else 0
        return Change(path, letter, node.kind, size)

    def _removed(self, path: bytes, name: bytes, was: Found, beneath: Sequence[Place]) -> Change:
        size = 0
        if was.kind is Kind.FILE:
            layer, place = self._places(was, name, beneath)[0]
            size = self._gather.lowers[layer].store.stat(place).size
        return Change(path, "D", was.kind, size)

    def _places(self, found: Found, name: bytes, beneath: Sequence[Place]) -> tuple[Place, ...]:
        return tuple(Place(beneath[at].layer, join(beneath[at].path, name)) for at in found.where)


def _top_place(entry: Entry) -> Place:
    """Where the lowers hold this very name: a node with several knows only one of its places."""
    held = entry.directory.lowers[entry.where[0]]
    return Place(held.layer, join(held.path, entry.name))
