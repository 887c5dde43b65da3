"""Two unions compared: what has to be done to the one to get the other. Images and layers are told by it."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import zip_longest

from unionfs.core.diff import Change
from unionfs.core.node import Node, join
from unionfs.core.union import Union
from unionfs.images.below import read_file
from unionfs.layers.archive import ArchiveStore, Stored
from unionfs.types import Kind, Stat


def compare(old: Union, new: Union) -> Iterator[Change]:
    """What `new` has added (A), changed (C) and removed (D), parents before children, in byte order.

    A removed directory is one change; so is one that something else took the place of, before
    what is added. Times count for everything but directories.
    """
    comparison = _Comparison(old, new)
    if not comparison.are_same(old.root, new.root):
        yield comparison.change(b"", "C", new, new.root)
    yield from comparison.directories(b"", old.root, new.root)


class _Comparison:
    def __init__(self, old: Union, new: Union) -> None:
        self._old = old
        self._new = new

    def directories(self, path: bytes, old: Node | None, new: Node) -> Iterator[Change]:
        """The changes below a directory; `old` None where all of it is new."""
        before = _children(self._old, old)
        after = _children(self._new, new)
        for name in sorted(before.keys() | after.keys()):
            yield from self._entry(join(path, name), before.get(name), after.get(name))

    def _entry(self, path: bytes, old: Node | None, new: Node | None) -> Iterator[Change]:
        if new is None:
            assert old is not None
            yield self.change(path, "D", self._old, old)
            return
        if old is None:
            yield self.change(path, "A", self._new, new)
        elif not self.are_same(old, new):
            yield self.change(path, "C", self._new, new)
        if new.is_dir:
            yield from self.directories(path, old if old is not None and old.is_dir else None, new)

    def change(self, path: bytes, letter: str, union: Union, node: Node) -> Change:
        size = union.getattr(node).size if node.kind is Kind.FILE else 0
        return Change(path, letter, node.kind, size)

    def are_same(self, old: Node, new: Node) -> bool:
        if old.kind is not new.kind:
            return False
        before, after = self._old.getattr(old), self._new.getattr(new)
        if _facts(before) != _facts(after) or _xattrs(self._old, old) != _xattrs(self._new, new):
            return False
        if old.kind is Kind.SYMLINK:
            return self._old.readlink(old) == self._new.readlink(new)
        return old.kind is not Kind.FILE or self._have_same_data(old, new)

    def _have_same_data(self, old: Node, new: Node) -> bool:
        one, other = _stored(self._old, old), _stored(self._new, new)
        if one is not None and other is not None:
            if one == other:
                return True
            # Not the other way round: whoever makes an image can make two files of one hash.
            if one[1].digest != other[1].digest:
                return False
        # Both have one size, and come in chunks of one size.
        chunks = zip_longest(read_file(self._old, old), read_file(self._new, new))
        return all(one == other for one, other in chunks)


def _children(union: Union, directory: Node | None) -> dict[bytes, Node]:
    if directory is None:
        return {}
    return {entry.name: union.lookup(directory, entry.name) for entry in union.readdir(directory)}


def _facts(stat: Stat) -> tuple[int, ...]:
    if stat.kind is Kind.DIR:
        return stat.mode, stat.uid, stat.gid
    return stat.mode, stat.uid, stat.gid, stat.rdev, stat.size, stat.mtime_ns


def _xattrs(union: Union, node: Node) -> dict[bytes, bytes]:
    return {name: union.getxattr(node, name) for name in union.listxattr(node)}


def _stored(union: Union, node: Node) -> tuple[bytes, Stored] | None:
    """Which data it is, told without reading it."""
    layer, path = (node.data or node.lowers[0]) if not node.upper else (0, None)
    if path is None:
        return None
    store = union.lowers[layer].store
    return (store.source(path), store.stored(path)) if isinstance(store, ArchiveStore) else None
