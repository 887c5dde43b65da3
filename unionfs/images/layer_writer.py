"""What the upper layer of a union changes, as the archive of an image layer.

The same changes give the same bytes: parents come first, then in each directory the
whiteouts, then the entries, both in byte order; nothing depends on the clock. A
directory that was emptied or made anew needs no opaque mark, as the diff names every
hidden lower entry: each gets its own whiteout.
"""

from __future__ import annotations

import logging
from collections.abc import Iterable, Mapping
from typing import NamedTuple

from unionfs.core import capabilities
from unionfs.core.node import Node, join
from unionfs.core.union import Union
from unionfs.dialects.aufs import PREFIX
from unionfs.errors import ImageError
from unionfs.images.below import Below, entry_of, read_file
from unionfs.images.entry import Entry, shown, split
from unionfs.images.streams import Sink
from unionfs.images.tar_writer import TarWriter
from unionfs.types import Kind

_log = logging.getLogger(__name__)

# What containers/storage and umoci put into layers. Labels and hashes that the host's own
# security modules set (security.selinux, security.ima, …) mean nothing on another host.
_XATTR_PREFIXES = (b"user.", b"trusted.", b"system.posix_acl_")
_SELINUX = b"security.selinux"
# A file that a user gave such an xattr would be taken for a mark where the layer is unpacked next.
# The last two are fuse-overlayfs's: its marks, and what it notes where it cannot set owners.
_MARK_PREFIXES = (b"user.overlay.", b"trusted.overlay.", b"user.fuseoverlayfs.", b"user.containers.")


class LayerOptions(NamedTuple):
    """No mtime is later than `latest` seconds; with `labels` files keep their SELinux labels."""

    latest: int | None = None
    labels: bool = False


DEFAULT_OPTIONS = LayerOptions()


def write_layer(union: Union, sink: Sink, options: LayerOptions = DEFAULT_OPTIONS, *, above: int = 0) -> None:
    """Write the changes of the union's upper layer to `sink`, as a tar.

    The `above` top-most lowers count to the changes. Sockets are left out, with one
    warning. Raises `ImageError` for a name that no layer can hold. The union must not be
    changed meanwhile.
    """
    tar = TarWriter(sink)
    _LayerWriter(union, tar, options, above).write()
    tar.close()


def write_entries(entries: Iterable[tuple[Entry, bytes]], sink: Sink) -> None:
    """Write entries and their content, in the order given, as a layer's archive."""
    tar = TarWriter(sink)
    for entry, content in entries:
        tar.add(entry, [content] if content else ())
    tar.close()


class _Item(NamedTuple):
    """A path of the layer; `node` is None for one that is removed."""

    path: bytes
    node: Node | None

    def order(self) -> tuple[tuple[bool, bytes], ...]:
        *parents, name = self.path.split(b"/")
        return (*((True, parent) for parent in parents), (self.node is not None, name))


class _LayerWriter:
    def __init__(self, union: Union, tar: TarWriter, options: LayerOptions, above: int) -> None:
        self._union = union
        self._tar = tar
        self._above = above
        self._labels = options.labels
        self._latest_ns = None if options.latest is None else options.latest * 10**9
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
        if root != Below(self._union.lowers[self._above :]).find(b""):
            self._tar.add(self._canonical(root))

    def _items(self) -> Iterable[_Item]:
        """Every path that the layer says something about, the parents of changes among them, each once."""
        items: dict[bytes, _Item] = {}
        sockets = []
        for path, letter, kind, _size in self._union.diff(self._above):
            _check_name(path)
            # A socket means nothing without its process; what it hides stays hidden.
            is_socket = kind is Kind.SOCKET and letter != "D"
            gone = letter == "D" or is_socket
            if is_socket:
                sockets.append(path)
            if is_socket and letter == "A":
                continue
            for parent in _parents(path):
                items.setdefault(parent, _Item(parent, self._node(parent)))
            items[path] = _Item(path, None if gone else self._node(path))
        if sockets:
            _log.warning("left out, as they are sockets: %s", ", ".join(map(shown, sockets)))
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
        return entry._replace(mtime_ns=mtime_ns, xattrs=self._kept(entry.xattrs))

    def _kept(self, xattrs: Mapping[bytes, bytes]) -> dict[bytes, bytes]:
        kept = {name: value for name, value in xattrs.items() if self._belongs(name)}
        if capabilities.XATTR in kept:
            kept[capabilities.XATTR] = capabilities.portable(kept[capabilities.XATTR])
        return kept

    def _belongs(self, name: bytes) -> bool:
        if name.startswith(_MARK_PREFIXES):
            return False
        if name == _SELINUX:
            return self._labels
        return name == capabilities.XATTR or name.startswith(_XATTR_PREFIXES)


def _check_name(path: bytes) -> None:
    if split(path)[1].startswith(PREFIX):
        raise ImageError(f"{shown(path)}: an image layer would take this name for a whiteout")


def _parents(path: bytes) -> list[bytes]:
    names = path.split(b"/")
    return [b"/".join(names[:depth]) for depth in range(1, len(names))]
