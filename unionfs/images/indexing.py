"""A layer's archive into an index of it, by the same rules as it is unpacked by (`placing`)."""

from __future__ import annotations

import stat
from collections.abc import Mapping, Sequence

import xxhash

from unionfs.core.layer import Layer
from unionfs.core.node import join
from unionfs.images.below import Below
from unionfs.images.entry import Entry, split
from unionfs.images.limits import DEFAULT_LIMITS, Limits
from unionfs.images.placing import Placer
from unionfs.images.streams import Source, chunks
from unionfs.images.tally import Tally
from unionfs.images.tar_reader import Content, TarReader
from unionfs.images.unpack import blaming
from unionfs.images.xattrs import can_be_held
from unionfs.layers.archive import ArchiveStore, Node, Stored, encode
from unionfs.types import Kind

_FORMATS = {
    Kind.FILE: stat.S_IFREG,
    Kind.DIR: stat.S_IFDIR,
    Kind.SYMLINK: stat.S_IFLNK,
    Kind.CHAR: stat.S_IFCHR,
    Kind.BLOCK: stat.S_IFBLK,
    Kind.FIFO: stat.S_IFIFO,
}
_SYMLINK_MODE = 0o777


def build_index(
    source: Source,
    archive: str,
    *,
    below: Sequence[Layer] = (),
    limits: Limits = DEFAULT_LIMITS,
    tally: Tally | None = None,
) -> bytes:
    """The index of the uncompressed `source`, which messages call `archive`.

    `below` are the layers beneath, top-most first, themselves `ArchiveStore`s; `tally` counts what
    there are limits of. Raises `ArchiveError` for whatever is wrong with the archive.
    """
    beneath = Below(below)
    tally = tally or Tally()
    indexing = _Indexing(beneath, len(below))
    placer = Placer(indexing, beneath, limits, tally)
    for entry, content in TarReader(source, archive, limits, tally):
        with blaming(archive, entry):
            placer.add(entry, content)
    return encode(indexing.tree(placer.directories))


class _Indexing:
    """The `Target` that writes down where everything is."""

    def __init__(self, below: Below, layer: int) -> None:
        self._below = below
        self._layer = layer
        self._nodes: dict[bytes, Node] = {b"": Node(stat.S_IFDIR)}

    def directory(self, path: bytes) -> None:
        self._put(path, Node(stat.S_IFDIR))

    def node(self, path: bytes, entry: Entry, content: Content) -> None:
        node = Node(_FORMATS[entry.kind])
        if entry.kind is Kind.FILE and entry.size:
            offset = content.offset
            node.stored = Stored(self._layer, offset, entry.size, _digest(content))
        self._set_attributes(node, entry)
        self._put(path, node)

    def link(self, path: bytes, existing: bytes) -> None:
        self._put(path, self._nodes[existing])

    def copy(self, path: bytes, entry: Entry, beneath: bytes) -> None:
        node = Node(_FORMATS[entry.kind])
        if entry.kind is Kind.FILE:
            layer, place = self._below.place(beneath)
            assert isinstance(layer.store, ArchiveStore)
            node.stored = layer.store.stored(place)
        self._set_attributes(node, entry)
        self._put(path, node)

    def remove(self, path: bytes) -> None:
        parent, name = split(path)
        del self._nodes[parent].children[name]
        gone = [path]
        for each in gone:  # grows while it is gone through
            gone += [join(each, below) for below in self._nodes.pop(each).children]

    def tree(self, directories: Mapping[bytes, Entry]) -> Node:
        for path, entry in directories.items():
            self._set_attributes(self._nodes[path], entry)
        return self._nodes[b""]

    def _put(self, path: bytes, node: Node) -> None:
        parent, name = split(path)
        self._nodes[path] = self._nodes[parent].children[name] = node

    def _set_attributes(self, node: Node, entry: Entry) -> None:
        mode = _SYMLINK_MODE if entry.kind is Kind.SYMLINK else entry.mode
        node.mode = stat.S_IFMT(node.mode) | mode
        node.uid, node.gid, node.rdev = entry.uid, entry.gid, entry.rdev
        node.mtime_ns, node.target = entry.mtime_ns, entry.target
        node.xattrs = _holdable(entry)


def _digest(content: Content) -> bytes:
    hashed = xxhash.xxh3_128()
    for data in chunks(content):
        hashed.update(data)
    return hashed.digest()


def _holdable(entry: Entry) -> Mapping[bytes, bytes]:
    if not entry.xattrs:
        return entry.xattrs
    return {name: value for name, value in entry.xattrs.items() if can_be_held(entry.kind, name, value)}
