"""What each layer of an image adds, changes and removes, and how much of it nobody sees."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from typing import NamedTuple

from unionfs.core.layer import Layer
from unionfs.core.node import Node, join
from unionfs.core.store import Store
from unionfs.core.union import Union
from unionfs.dialects.aufs import AufsDialect
from unionfs.images.compare import compare
from unionfs.layers.memory import MemoryStore
from unionfs.types import Kind


class LayerReport(NamedTuple):
    """One layer; counts are of files of all kinds, directories among them. Sizes are bytes of file data."""

    added: int
    changed: int
    removed: int
    size: int
    """Of all files in the layer."""
    wasted: int
    """Of those that a layer above hides: they are carried along, and nobody sees them."""


def report(layers: Sequence[Layer]) -> list[LayerReport]:
    """The reports of an image's layers, the lowest first; `layers` are the top-most first."""
    seen = _seen(Union(layers), len(layers))
    empty = MemoryStore("nothing")
    # The root of nothing is as the lowest layer has it: nobody added it.
    below = Union([Layer(empty, AufsDialect())])
    reports = []
    for number in reversed(range(len(layers))):
        here = Union(layers[number:])
        letters = Counter(change.letter for change in compare(below, here) if change.path)
        size = _size(layers[number].store)
        reports.append(
            LayerReport(letters["A"], letters["C"], letters["D"], size, wasted=size - seen[number])
        )
        below = here
    return reports


def _seen(union: Union, count: int) -> list[int]:
    """How many bytes of each layer's files are to be seen in the union."""
    seen = [0] * count
    nodes: set[Node] = set()  # a file of several names counts once
    for node in _nodes(union, union.root):
        if node.kind is Kind.FILE and node not in nodes:
            nodes.add(node)
            seen[node.lowers[0].layer] += union.getattr(node).size
    return seen


def _nodes(union: Union, directory: Node) -> Iterator[Node]:
    for entry in union.readdir(directory):
        node = union.lookup(directory, entry.name)
        yield node
        if node.is_dir:
            yield from _nodes(union, node)


def _size(store: Store) -> int:
    """Of all files that a layer has."""
    sizes: dict[int, int] = {}
    directories = [b""]
    for path in directories:
        for name, kind in store.scan(path):
            below = join(path, name)
            if kind is Kind.DIR:
                directories.append(below)
            elif kind is Kind.FILE:
                stat = store.stat(below)
                sizes[stat.ino] = stat.size
    return sum(sizes.values())
