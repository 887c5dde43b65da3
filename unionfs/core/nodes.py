"""Turning names into nodes, and nodes into paths, places and attributes.

Nothing here takes a lock: the union's is held by every caller.
"""

from __future__ import annotations

import errno
import stat as _s
from collections.abc import Callable, Iterator, Sequence

from unionfs.core.dialect import NO_MARKS, Dialect, Feature, Marks, Origin
from unionfs.core.gather import Gatherer, redirected_path
from unionfs.core.hardlinks import HardLinks, extra_links
from unionfs.core.inodes import InodeNumbers
from unionfs.core.layer import Layer, UpperLayer
from unionfs.core.lookup import Merged
from unionfs.core.node import UPPER, Entry, Found, Node, Table, join
from unionfs.core.places import Place, has
from unionfs.core.steps import At, upper
from unionfs.core.store import Store
from unionfs.core.workdir import WorkDirectory
from unionfs.errors import error
from unionfs.types import NAME_MAX, Kind, Stat


def _nothing(directory: Node) -> None:
    """What is done about a directory where layers are trusted not to change."""


_A_FILE = Stat(_s.S_IFREG | 0o600)


class Nodes:
    """The nodes of one union. `gather` reads its layers."""

    def __init__(
        self, lowers: Sequence[Layer], upper: UpperLayer | None, workdir: WorkDirectory | None
    ) -> None:
        self._lowers = lowers
        self._upper = upper
        self._workdir = workdir
        self._numbers = InodeNumbers()
        self._copies_tell_their_number = upper is None or Feature.ORIGIN in upper.dialect.features
        self.gather = Gatherer(lowers, upper)
        self._links = HardLinks(self.gather)
        self._devices = self._register_devices()
        self.root = self._make_root()
        self.before_reading: Callable[[Node], None] = _nothing
        self.after_forgetting: Callable[[Node], None] = _nothing
        """Told of directories, so that their layers can be watched for as long as they are remembered."""

    def _register_devices(self) -> list[int]:
        """The layers' device numbers, counted from the lowest layer up."""
        devices = [layer.store.stat(b"").dev for layer in reversed(self._lowers)]
        if self._upper:
            devices.append(self._upper.store.stat(b"").dev)
        for dev in devices:
            self._numbers.register(dev)
        return devices

    def _make_root(self) -> Node:
        marks, lowers, _below = self.gather.root()
        upper_path = b"" if self._upper else None
        number = self._directory_number(lowers, upper_path, None)
        root = Node(Kind.DIR, number, upper=upper_path is not None)
        root.lowers, root.marks = lowers, marks
        return root

    # Names

    def path(self, node: Node) -> bytes:
        """The node's path in the union (one of them, for a file with several); ENOENT when it has none."""
        names: list[bytes] = []
        while node is not self.root:
            if not node.names:
                raise error(errno.ENOENT)
            entry = node.names[0]
            names.append(entry.name)
            node = entry.directory
        return b"/".join(reversed(names))

    def path_of(self, entry: Entry) -> bytes:
        return join(self.path(entry.directory), entry.name)

    def table(self, directory: Node) -> Table:
        """What a directory holds: read from the layers the first time, remembered afterwards."""
        if directory.table is None:
            if not directory.is_dir:
                raise error(errno.ENOTDIR)
            self.before_reading(directory)
            directory.table = Table.load(directory, *self.merged(directory))
        return directory.table

    def merged(self, directory: Node) -> Merged:
        """What the layers say that a directory holds."""
        path = self.path(directory) if directory.upper else None
        return self.gather.listing(path, directory.lowers)

    def find(self, directory: Node, name: bytes) -> Entry | None:
        entry = self.table(directory).entries.get(name)
        if entry is None and len(name) > NAME_MAX:
            raise error(errno.ENAMETOOLONG, name)
        return entry

    def entry(self, directory: Node, name: bytes) -> Entry:
        entry = self.find(directory, name)
        if entry is None:
            raise error(errno.ENOENT, name)
        return entry

    def of(self, entry: Entry) -> Node:
        """The node that an entry names."""
        if entry.node is None:
            if entry.kind is Kind.DIR:
                entry.node = self._directory(entry)
            else:
                entry.node = self._upper_file(entry) if entry.in_upper else self._lower_file(entry)
            entry.node.names.append(entry)
        return entry.node

    def add(self, directory: Node, name: bytes, node: Node) -> Entry:
        """Show a node that has just been put into the upper layer."""
        entry = Entry(directory, name, Found(node.kind, (UPPER,)), 0)
        entry.node = node
        node.names.append(entry)
        node.stat = None
        self.table(directory).put(entry, directory, name)
        return entry

    def forget(self, node: Node) -> None:
        """Drop a node that is not in use and of which the layers know all that it knows."""
        if node.files is not None or node.aside is not None or node.extra_links or node is self.root:
            return
        if node.upper and node.below and not self._copies_tell_their_number:
            return
        if node.is_dir and not self._let_go(node):
            return
        for entry in node.names:
            entry.node = None
        node.names.clear()
        if node.table is not None:
            self.after_forgetting(node)
        node.table = None  # its entries refer to the node: memory would wait for the garbage collector

    def _let_go(self, directory: Node) -> bool:
        """Whether nothing in a directory keeps it; a file in use does not, if it has a name elsewhere."""
        entries = directory.table.entries.values() if directory.table else ()
        used = [(entry, entry.node) for entry in entries if entry.node is not None]
        if any(all(name.directory is directory for name in node.names) for _entry, node in used):
            return False
        for entry, node in used:
            node.names.remove(entry)
            entry.node = None
        return True

    # Places and attributes

    def home(self, node: Node) -> At:
        """Where in the upper layer's trees the node's metadata is. ENOENT when it is gone."""
        if node is self.root:
            return upper(b"")
        entry = node.upper_name()
        if entry is not None:
            return upper(self.path_of(entry))
        if node.aside is not None:
            return node.aside
        raise error(errno.ENOENT)

    def store_of(self, node: Node) -> tuple[Store, bytes, Dialect]:
        """Where the node's metadata is read, and how marks are written there."""
        if node.upper:
            assert self._upper is not None
            at = self.home(node)
            return self._upper.tree(at), at.path, self._upper.dialect
        if not node.lowers:
            raise error(errno.ENOENT)
        layer, path = node.lowers[0]
        return self._lowers[layer].store, path, self._lowers[layer].dialect

    def stat(self, node: Node) -> Stat:
        """The node's attributes, remembered unless they may be changing while it is open."""
        if node.stat is not None:
            return node.stat
        stat = self._store_stat(node).numbered(node.ino)
        if node.is_dir:
            if has(node.lowers, 2) or node.lowers:  # asking for the second reads the marks of the first
                # Merged or not, for it may be any time. find(1) takes 1 as "not counted".
                stat = stat._replace(nlink=1)
        elif node.extra_links:
            stat = stat._replace(nlink=stat.nlink + node.extra_links)
        if node.marks.metacopy and node.data is not None:
            stat = stat._replace(blocks=self.lower_stat(node.data).blocks)
        if node.partial is not None:
            stat = stat._replace(mtime_ns=node.partial.mtime_ns)
        if node.files is None or not node.upper:
            node.stat = stat
        return stat

    def _store_stat(self, node: Node) -> Stat:
        if node.lowers or node.upper or node.files is None or node.files.current is None:
            store, path, _dialect = self.store_of(node)
            return store.stat(path)
        return node.files.current.stat()  # its layer has it no more, but somebody has it open

    def is_at(self, node: Node, place: Place) -> bool:
        """Whether what is at a lower place is what this node stands for."""
        try:
            stat = self.lower_stat(place)
        except OSError:
            return False
        return stat.kind is node.kind and self._numbers.number(stat.dev, stat.ino) == node.ino

    def data_place(self, node: Node) -> Place | None:
        """The lower place that a regular file's data is read from; None when it is in the upper layer."""
        if node.data is None and not node.upper:
            layer, path = place = node.lowers[0]
            marks = self._lowers[layer].dialect.marks(self._lowers[layer].store, path, _A_FILE)
            if marks.metacopy:
                if not node.names:
                    raise error(errno.ENOENT)
                entry = node.names[0]
                place = self.gather.data_beneath(marks, layer, entry.directory.lowers, entry.name)
            node.data = place
        return node.data

    def lower_stat(self, place: Place) -> Stat:
        """What the layer itself says of a lower place."""
        return self._lowers[place.layer].store.stat(place.path)

    # Making nodes

    def _directory(self, entry: Entry) -> Node:
        parent = entry.directory
        path = self.path_of(entry) if entry.in_upper else None
        marks, lowers, below = self.gather.directory(
            parent.lowers, parent.below, entry.name, entry.where, path
        )
        number = self._directory_number(lowers, path, marks.origin)
        node = Node(Kind.DIR, number, upper=entry.in_upper, lowers=lowers)
        node.marks, node.below = marks, below
        if marks.opaque or marks.redirect is not None:
            self._unmerge(entry)
        return node

    def _unmerge(self, entry: Entry) -> None:
        """An upper directory turned out not to merge with what the lowers have of its name."""
        table = self.table(entry.directory)
        if table.covers(entry.name):
            table.hidden.add(entry.name)
        entry.where = (UPPER,)

    def _lower_file(self, entry: Entry) -> Node:
        directory = entry.directory.lowers[entry.where[0]]
        place = Place(directory.layer, join(directory.path, entry.name))
        stat = self.lower_stat(place)
        if stat.nlink > 1:
            node = self._linked_lower(entry, place, stat)
        else:
            node = self._from_lower(place, stat)
            node.stat = stat.numbered(node.ino)
        node.below = join(entry.directory.below, entry.name)
        return node

    def lone_lower(self, entry: Entry, directory: Place, stat: Stat) -> Node:
        """The node of a lower file that is known to have one name, in `directory`, and these attributes."""
        path, below = join(directory.path, entry.name), entry.directory.below
        node = self._from_lower(Place(directory.layer, path), stat)
        node.below = path if below == directory.path else join(below, entry.name)
        node.names.append(entry)
        entry.node = node
        return node

    def _from_lower(self, place: Place, stat: Stat) -> Node:
        return Node(stat.kind, self._numbers.number(stat.dev, stat.ino), upper=False, lowers=(place,))

    def _linked_lower(self, entry: Entry, place: Place, stat: Stat) -> Node:
        """A lower file with several names: whoever knew it first, or its copy, is the one node."""
        node = self._links.node(stat)
        if node is None:
            node = self._from_index(entry, place, stat)
        if node is None:
            node = self._from_lower(place, stat)
            node.extra_links = -self._links.hidden(place, stat)
            node.stat = stat.numbered(node.ino)._replace(nlink=stat.nlink + node.extra_links)
        self._links.remember(stat, node)
        return node

    def lower_names(self, node: Node) -> Iterator[bytes]:
        """The paths under which a lower file with several names is to be seen where its layer has it."""
        place = node.lowers[0]
        for path in self._links.names(place.layer, self.lower_stat(place).ino):
            if self._at(path) is node:
                yield path

    def names_of_copy(self, path: bytes) -> Iterator[bytes]:
        """Where the lowers have the file whose copy, without its data, is in the index at `path`."""
        assert self._upper is not None
        marks = self._upper.dialect.marks(self._upper.work, path, self._upper.work.stat(path))
        if marks.metacopy and marks.redirect is not None:
            place = self.gather.data_beneath(marks, UPPER, (), b"")
            yield from self._links.names(place.layer, self.lower_stat(place).ino)

    def _at(self, path: bytes) -> Node | None:
        node = self.root
        for name in path.split(b"/"):
            entry = self.table(node).entries.get(name) if node.is_dir else None
            if entry is None:
                return None
            node = self.of(entry)
        return node

    def _from_index(self, entry: Entry, place: Place, lower: Stat) -> Node | None:
        """The copy that was made of a lower file under another of its names."""
        if self._upper is None or self._workdir is None:
            return None
        handle = self._lowers[place.layer].store.handle(place.path)
        if handle is None or not self._workdir.is_indexed(handle):
            return None
        at = self._workdir.index(handle)
        stat = self._upper.work.stat(at.path)
        node = self._links.node(stat)
        if node is None:
            marks = self._upper.dialect.marks(self._upper.work, at.path, stat)
            node = self._from_upper(stat, marks, self._numbers.number(lower.dev, lower.ino))
            if marks.metacopy:
                node.data = self.gather.data_beneath(marks, UPPER, entry.directory.lowers, entry.name)
        node.aside = at
        node.extra_links = extra_links(node.marks, stat, lower)
        return node

    def _upper_file(self, entry: Entry) -> Node:
        assert self._upper is not None
        path = self.path_of(entry)
        stat = self._upper.store.stat(path)
        known = self._links.node(stat) if stat.nlink > 1 else None
        if known is not None:
            return known
        marks = self.gather.upper_marks(path, stat)
        node = self._from_upper(stat, marks, self._upper_number(stat, marks.origin))
        node.below = redirected_path(marks.redirect or entry.name, join(entry.directory.below, entry.name))
        if marks.metacopy:
            node.data = self.gather.data_beneath(marks, UPPER, entry.directory.lowers, entry.name)
        if stat.nlink > 1:
            self._attach_index(node, stat)
        return node

    def _attach_index(self, node: Node, stat: Stat) -> None:
        """An upper file with several links may be the copy of a lower file with several names."""
        origin = node.marks.origin
        if self._workdir is None or origin is None or not self._workdir.is_indexed(origin.handle):
            return
        node.aside = self._workdir.index(origin.handle)
        node.extra_links = extra_links(node.marks, stat, stat)

    def _from_upper(self, stat: Stat, marks: Marks, ino: int) -> Node:
        node = Node(stat.kind, ino, upper=True)
        node.marks = marks
        if stat.nlink > 1:
            self._links.remember(stat, node)
        return node

    def created(self, at: At) -> Node:
        """The node of something just made in one of the upper layer's trees."""
        assert self._upper is not None
        stat = self._upper.tree(at).stat(at.path)
        node = self._from_upper(stat, NO_MARKS, self._numbers.number(stat.dev, stat.ino))
        if node.is_dir:
            node.table = Table()
        return node

    def remember_links(self, node: Node) -> None:
        """From now on a file in the upper layer is found as this node, whatever its name."""
        store, path, _dialect = self.store_of(node)
        stat = store.stat(path)
        self._links.remember(stat, node)

    # Numbers

    def _directory_number(
        self, lowers: Sequence[Place], upper_path: bytes | None, origin: Origin | None
    ) -> int:
        """A merged directory has its top-most lower's number, for that outlasts copy-up and rename.

        One that was made plain, and does not merge any more, keeps it.
        """
        if lowers:
            stat = self.lower_stat(lowers[0])
            return self._numbers.number(stat.dev, stat.ino)
        assert self._upper is not None
        assert upper_path is not None
        return self._upper_number(self._upper.store.stat(upper_path), origin)

    def _upper_number(self, stat: Stat, origin: Origin | None) -> int:
        if origin is not None and 0 <= origin.layer < len(self._lowers):
            return self._numbers.number(self._devices[origin.layer], origin.ino)
        if origin is not None:
            stores = (layer.store for layer in self._lowers)
            found = next(filter(None, (store.find(origin.handle) for store in stores)), None)
            if found is not None:
                return self._numbers.number(*found)
        return self._numbers.number(stat.dev, stat.ino)
