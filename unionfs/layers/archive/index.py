"""What is in an archive, as one file that needs no reading before it is used. Pure: bytes in, bytes out.

    header      magic, number of nodes, of names, size of the heap, whether there are xattrs
    nodes       one record a file, the root first; what it holds depends on the kind
    names       one record a name, those of a directory side by side, sorted by name
    heap        names, symbolic links' targets, extended attributes

Everything is little-endian and found by number, so that a file mapped into memory is
decoded where it is looked at and nowhere else. What is believed of it is its length: an
index is ours, and whoever keeps it sees to it that it is whole.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator, Mapping
from typing import NamedTuple

import xxhash

from unionfs.types import Kind, kind_of

_MAGIC = b"unionfs index 1\n"
_HEADER = struct.Struct("<16sQQQ?")
_NODE = struct.Struct("<IIIIQQqQQI16s")
_NAME = struct.Struct("<QHBxI")
_XATTRS = struct.Struct("<I")
_XATTR = struct.Struct("<HI")


class BrokenIndexError(Exception):
    """Not an index of this version, or not a whole one."""


class Stored(NamedTuple):
    """Where a regular file's data is.

    In the uncompressed archive of the `layer` that is so many above the lowest, `size`
    bytes from `offset` on; `digest` is its XXH3-128.
    """

    layer: int
    offset: int
    size: int
    digest: bytes


NOTHING = Stored(0, 0, 0, xxhash.xxh3_128_digest(b""))


class Node:
    """A file of an archive that is being indexed; several names may lead to it."""

    # dataclasses would be a tenth of what a mount imports.
    __slots__ = ("children", "gid", "mode", "mtime_ns", "rdev", "stored", "target", "uid", "xattrs")

    def __init__(
        self,
        mode: int,
        uid: int = 0,
        gid: int = 0,
        rdev: int = 0,
        mtime_ns: int = 0,
        xattrs: Mapping[bytes, bytes] | None = None,
        target: bytes = b"",
        stored: Stored = NOTHING,
        children: dict[bytes, Node] | None = None,
    ) -> None:
        self.mode = mode
        self.uid = uid
        self.gid = gid
        self.rdev = rdev
        self.mtime_ns = mtime_ns
        self.xattrs: Mapping[bytes, bytes] = xattrs or {}
        self.target = target
        self.stored = stored
        self.children: dict[bytes, Node] = children or {}


class Record(NamedTuple):
    """A node as an index has it."""

    mode: int
    uid: int
    gid: int
    nlink: int
    rdev: int
    size: int
    mtime_ns: int
    xattrs: int
    """Where in the heap they are; 0 for none."""
    at: int
    """A file's offset in its archive, a directory's first name, a symbolic link's target in the heap."""
    extra: int
    """A file's layer, a directory's number of names."""
    digest: bytes

    def stored(self) -> Stored:
        return Stored(self.extra, self.at, self.size, self.digest)


class Name(NamedTuple):
    """One name of a directory, and the number of the node that it leads to."""

    name: bytes
    kind: Kind
    number: int


def encode(root: Node) -> bytes:
    """The index of the tree below `root`."""
    return _Writer(root).written()


class _Writer:
    def __init__(self, root: Node) -> None:
        self._nodes = [root]
        self._numbers = {id(root): 0}
        self._links = {id(root): 2}
        self._names: list[bytes] = []
        self._first: dict[int, int] = {}
        self._heap = bytearray(1)  # nothing is at 0, which stands for nothing

    def written(self) -> bytes:
        for node in self._nodes:  # grows while it is gone through
            self._add_names(node)
        records = b"".join(map(self._record, self._nodes))
        body = records + b"".join(self._names) + self._heap
        has_xattrs = any(node.xattrs for node in self._nodes)
        return _HEADER.pack(_MAGIC, len(self._nodes), len(self._names), len(self._heap), has_xattrs) + body

    def _add_names(self, directory: Node) -> None:
        self._first[id(directory)] = len(self._names)
        for name in sorted(directory.children):
            node = directory.children[name]
            number = self._number(node)
            kind = kind_of(node.mode)
            if kind is Kind.DIR:
                self._links[id(directory)] += 1
            self._names.append(_NAME.pack(self._put(name), len(name), kind, number))

    def _number(self, node: Node) -> int:
        number = self._numbers.get(id(node))
        if number is None:
            number = self._numbers[id(node)] = len(self._nodes)
            self._nodes.append(node)
            self._links[id(node)] = 2 if kind_of(node.mode) is Kind.DIR else 1
        else:
            self._links[id(node)] += 1
        return number

    def _record(self, node: Node) -> bytes:
        kind = kind_of(node.mode)
        size, at, extra = 0, 0, 0
        if kind is Kind.FILE:
            extra, at, size, _digest = node.stored
        elif kind is Kind.SYMLINK:
            size, at = len(node.target), self._put(node.target)
        elif kind is Kind.DIR:
            at, extra = self._first[id(node)], len(node.children)
        owner = node.uid, node.gid, self._links[id(node)]
        xattrs = self._put(_encode_xattrs(node.xattrs)) if node.xattrs else 0
        return _NODE.pack(
            node.mode, *owner, node.rdev, size, node.mtime_ns, xattrs, at, extra, node.stored.digest
        )

    def _put(self, data: bytes) -> int:
        at = len(self._heap)
        self._heap += data
        return at


def _encode_xattrs(xattrs: Mapping[bytes, bytes]) -> bytes:
    parts = [_XATTRS.pack(len(xattrs))]
    for name, value in xattrs.items():
        parts += [_XATTR.pack(len(name), len(value)), name, value]
    return b"".join(parts)


class Index:
    """An index to look things up in; `data` may be a file mapped into memory. Raises `BrokenIndexError`."""

    def __init__(self, data: bytes | memoryview) -> None:
        view = memoryview(data)
        if len(view) < _HEADER.size:
            raise BrokenIndexError("too short for an index")
        magic, nodes, names, heap, self.has_xattrs = _HEADER.unpack_from(view)
        if magic != _MAGIC:
            raise BrokenIndexError("not an index of this version")
        self.nodes = nodes
        self._data = view
        self._names = _HEADER.size + nodes * _NODE.size
        self._heap = self._names + names * _NAME.size
        if self._heap + heap != len(view):
            raise BrokenIndexError("not as long as it says")

    def record(self, number: int) -> Record:
        return Record._make(_NODE.unpack_from(self._data, _HEADER.size + number * _NODE.size))

    def names(self, directory: Record) -> Iterator[Name]:
        """What a directory holds, in byte order."""
        start = self._names + directory.at * _NAME.size
        for at, length, kind, number in _NAME.iter_unpack(
            self._data[start : start + directory.extra * _NAME.size]
        ):
            yield Name(self._bytes(at, length), Kind(kind), number)

    def target(self, link: Record) -> bytes:
        return self._bytes(link.at, link.size)

    def xattrs(self, record: Record) -> dict[bytes, bytes]:
        found: dict[bytes, bytes] = {}
        if not record.xattrs:
            return found
        at = self._heap + record.xattrs
        (count,) = _XATTRS.unpack_from(self._data, at)
        at += _XATTRS.size
        for _ in range(count):
            name_length, value_length = _XATTR.unpack_from(self._data, at)
            value_at = at + _XATTR.size + name_length
            at = value_at + value_length
            found[bytes(self._data[value_at - name_length : value_at])] = bytes(self._data[value_at:at])
        return found

    def _bytes(self, at: int, length: int) -> bytes:
        start = self._heap + at
        return bytes(self._data[start : start + length])
