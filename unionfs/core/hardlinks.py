"""Files that have several names: the one node of each, its names, and how many of them count."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from weakref import WeakValueDictionary

from unionfs.core.dialect import Marks
from unionfs.core.gather import Gatherer
from unionfs.core.node import Node
from unionfs.core.places import Place
from unionfs.types import Stat


class HardLinks:
    """Finds the node of a file by a store's device and inode number, of its lower place or of its copy."""

    def __init__(self, gather: Gatherer) -> None:
        self._gather = gather
        self._nodes: WeakValueDictionary[tuple[int, int], Node] = WeakValueDictionary()
        self._names: dict[int, Mapping[int, Sequence[bytes]]] = {}

    def node(self, stat: Stat) -> Node | None:
        """The node of the file that a store describes so."""
        return self._nodes.get((stat.dev, stat.ino))

    def remember(self, stat: Stat, node: Node) -> None:
        self._nodes[stat.dev, stat.ino] = node

    def names(self, layer: int, ino: int) -> Sequence[bytes]:
        """All paths that a lower layer has for a file with several. Walks the layer the first time."""
        if layer not in self._names:
            self._names[layer] = self._gather.lowers[layer].store.hard_links()
        return self._names[layer].get(ino, ())

    def hidden(self, place: Place, stat: Stat) -> int:
        """How many names of a lower file the layers above hide. What an upper hid, it has written down."""
        if place.layer == 0:
            return 0
        names = self.names(place.layer, stat.ino)
        return sum(self._gather.shown_at(path) != Place(place.layer, path) for path in names)


def extra_links(marks: Marks, stat: Stat, lower: Stat) -> int:
    """What to add to the link count of an indexed copy (`stat`) of a lower file.

    Without a mark, the best guess is that of the lower names one is in the upper layer now;
    and the link in the index is one too many.
    """
    if marks.links is None:
        return lower.nlink - 2
    return marks.links.number + (lower.nlink - stat.nlink if marks.links.of_lower else 0)
