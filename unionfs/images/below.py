"""What lies beneath a layer that is being unpacked.

An archive may leave things open that only the layers beneath can answer: what a
directory that it has no entry for looks like, where a symbolic link in the middle of
a name leads, what the file is that it makes one more name for.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import cached_property

from unionfs.core.layer import Layer
from unionfs.core.node import Node
from unionfs.core.union import Union
from unionfs.images.entry import Entry
from unionfs.images.streams import CHUNK
from unionfs.types import Kind


class Below:
    """The tree that the layers beneath (top-most first) make up."""

    def __init__(self, layers: Sequence[Layer]) -> None:
        self._layers = layers

    @cached_property
    def _union(self) -> Union:
        return Union(self._layers)

    def find(self, path: bytes) -> Entry | None:
        """What is at `path`, no symbolic link followed; None where nothing is."""
        node = self._node(path)
        return None if node is None else entry_of(self._union, node, path)

    def place(self, path: bytes) -> tuple[Layer, bytes]:
        """The layer that the data of a regular file is in, and its path there."""
        node = self._node(path)
        assert node is not None
        place = node.data or node.lowers[0]
        return self._layers[place.layer], place.path

    def read(self, path: bytes) -> Iterator[bytes]:
        """The data of a regular file."""
        node = self._node(path)
        assert node is not None
        return read_file(self._union, node)

    def _node(self, path: bytes) -> Node | None:
        if not self._layers:
            return None
        node = self._union.root
        try:
            for name in path.split(b"/") if path else ():
                node = self._union.lookup(node, name)
        except (FileNotFoundError, NotADirectoryError):
            return None
        return node


def entry_of(union: Union, node: Node, path: bytes) -> Entry:
    """A file of a union as the entry of an archive."""
    stat = union.getattr(node)
    return Entry(
        name=path,
        kind=node.kind,
        mode=stat.mode & 0o7777,
        uid=stat.uid,
        gid=stat.gid,
        size=stat.size if node.kind is Kind.FILE else 0,
        mtime_ns=stat.mtime_ns,
        target=union.readlink(node) if node.kind is Kind.SYMLINK else b"",
        rdev=stat.rdev if node.kind in (Kind.CHAR, Kind.BLOCK) else 0,
        xattrs={name: union.getxattr(node, name) for name in union.listxattr(node)},
    )


def read_file(union: Union, node: Node) -> Iterator[bytes]:
    handle = union.open(node)
    try:
        offset = 0
        while data := handle.read(CHUNK, offset):
            yield data
            offset += len(data)
    finally:
        handle.close()
