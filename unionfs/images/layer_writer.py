"""What the upper layer of a union changes, as the archive of an image layer.

The same changes give the same bytes: parents come first, then in each directory the
whiteouts, then the entries, both in byte order; nothing depends on the clock. A
directory that was emptied or made anew needs no opaque mark, as the diff names every
hidden lower entry: each gets its own whiteout.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Mapping
from typing import NamedTuple

from unionfs.core.node import Node, join
from unionfs.core.union import Union
from unionfs.dialects.aufs import PREFIX
from unionfs.errors import ImageError
from unionfs.images.below import Below, entry_of, read_file
from unionfs.images.compression import GzipSink
from unionfs.images.digest import Digest
from unionfs.images.entry import Entry, shown, split
from unionfs.images.streams import HashedSink, Sink
from unionfs.images.tar_writer import TarWriter
from unionfs.types import Kind

# What containers/storage and umoci put into layers. Labels and hashes that the host's own
# security modules set (security.selinux, security.ima, …) mean nothing on another host.
_XATTR_PREFIXES = (b"user.", b"trusted.", b"system.posix_acl_")
_XATTRS = frozenset({b"security.capability"})
# A file that a user gave such an xattr would be taken for a mark where the layer is unpacked next.
_MARK_PREFIXES = (b"user.overlay.", b"trusted.overlay.")


class WrittenLayer(NamedTuple):
    """A layer's archive: what its blob is called, what its content is called, the blob's size in bytes."""

    digest: Digest
    diff_id: Digest
    size: int


def source_date_epoch() -> int | None:
    """``$SOURCE_DATE_EPOCH`` in seconds (reproducible-builds.org); ImageError where it is no number."""
    text = os.environ.get("SOURCE_DATE_EPOCH")
    if not text:
        return None
    if not (text.isascii() and text.isdigit()):
        raise ImageError(f"SOURCE_DATE_EPOCH is not a number of seconds: {text!r}")
    return int(text)


def write_layer(union: Union, sink: Sink, latest: int | None = None) -> WrittenLayer:
    """Write the changes of the union's upper layer to `sink`, as a tar compressed with gzip.

    No mtime is later than `latest` seconds. Raises `ImageError` for a name that no
    layer can hold. The union must not be changed meanwhile.
    """
    return _archive(sink, lambda tar: _LayerWriter(union, tar, latest).write())


def write_entries(entries: Iterable[tuple[Entry, bytes]], sink: Sink) -> WrittenLayer:
    """Write entries and their content, in the order given, as a layer's archive."""

    def add_all(tar: TarWriter) -> None:
        for entry, content in entries:
            tar.add(entry, [content] if content else ())

    return _archive(sink, add_all)


def _archive(sink: Sink, fill: Callable[[TarWriter], None]) -> WrittenLayer:
    blob = HashedSink(sink)
    compressed = GzipSink(blob)
    plain = HashedSink(compressed)
    tar = TarWriter(plain)
    fill(tar)
    tar.close()
    compressed.close()
    return WrittenLayer(blob.digest(), plain.digest(), blob.size)


class _Item(NamedTuple):
    """A path of the layer; `node` is None for one that is removed."""

    path: bytes
    node: Node | None

    def order(self) -> tuple[tuple[bool, bytes], ...]:
        *parents, name = self.path.split(b"/")
        return (*((True, parent) for parent in parents), (self.node is not None, name))


class _LayerWriter:
    def __init__(self, union: Union, tar: TarWriter, latest: int | None) -> None:
        self._union = union
        self._tar = tar
        self._latest_ns = None if latest is None else latest * 10**9
        self._nodes: dict[bytes, Node] = {b"": union.root}
        self._links: dict[int, bytes] = {}

    def write(self) -> None:
        self._write_root()
        for item in sorted(self._items(), key=_Item.order):
            if item.node is None:
                parent, name = split(item.path)
                self._tar.add(Entry(join(parent, PREFIX + name), Kind.FILE))
            else:
                self._write_node(item.path, item.node)

    def _write_root(self) -> None:
        """The diff does not tell of the root itself."""
        root = entry_of(self._union, self._union.root, b"")
        if root != Below(self._union.lowers).find(b""):
            self._tar.add(self._canonical(root))

    def _items(self) -> Iterable[_Item]:
        """Every path that the layer says something about, the parents of changes among them, each once."""
        items: dict[bytes, _Item] = {}
        for path, letter, kind, _size in self._union.diff():
            _check_name(path)
            # A socket means nothing without its process; what it hides stays hidden.
            gone = letter == "D" or kind is Kind.SOCKET
            if kind is Kind.SOCKET and letter == "A":
                continue
            for parent in _parents(path):
                items.setdefault(parent, _Item(parent, self._node(parent)))
            items[path] = _Item(path, None if gone else self._node(path))
        return items.values()

    def _node(self, path: bytes) -> Node:
        if path not in self._nodes:
            parent, name = split(path)
            self._nodes[path] = self._union.lookup(self._node(parent), name)
        return self._nodes[path]

    def _write_node(self, path: bytes, node: Node) -> None:
        entry = self._canonical(entry_of(self._union, node, path))
        if node.kind is Kind.DIR:
            self._tar.add(entry)
            return
        stat = self._union.getattr(node)
        first = self._links.setdefault(stat.ino, path) if stat.nlink > 1 else path
        if first != path:
            link = Entry(path, Kind.FILE, entry.mode, entry.uid, entry.gid, 0, entry.mtime_ns, hardlink=first)
            self._tar.add(link)
        else:
            self._tar.add(entry, read_file(self._union, node) if node.kind is Kind.FILE else ())

    def _canonical(self, entry: Entry) -> Entry:
        mtime_ns = entry.mtime_ns if self._latest_ns is None else min(entry.mtime_ns, self._latest_ns)
        return entry._replace(mtime_ns=mtime_ns, xattrs=_kept_xattrs(entry.xattrs))


def _kept_xattrs(xattrs: Mapping[bytes, bytes]) -> dict[bytes, bytes]:
    return {
        name: value
        for name, value in xattrs.items()
        if (name in _XATTRS or name.startswith(_XATTR_PREFIXES)) and not name.startswith(_MARK_PREFIXES)
    }


def _check_name(path: bytes) -> None:
    if split(path)[1].startswith(PREFIX):
        raise ImageError(f"{shown(path)}: an image layer would take this name for a whiteout")


def _parents(path: bytes) -> list[bytes]:
    names = path.split(b"/")
    return [b"/".join(names[:depth]) for depth in range(1, len(names))]
