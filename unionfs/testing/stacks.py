"""Stacks of lower layers as data, and how they are put down.

The marks' raw forms are written here by hand, from their specifications and not
with `unionfs.dialects`, so that tests have evidence from two sides.
"""

from __future__ import annotations

import os
import stat as stat_bits
from collections.abc import Mapping
from typing import NamedTuple

from unionfs.core.store import WritableStore

OLD_NS = 1_000_000_000_000_000_000
"""2001: what generated layers are dated around, in nanoseconds."""

NAMES = (b"a", b"b", b"\xff")
"""The alphabet of generated paths (the last is not UTF-8); snapshots ask for them in every directory."""


class Meta(NamedTuple):
    mode: int = 0o644
    uid: int = 0
    gid: int = 0
    mtime_ns: int = OLD_NS
    xattrs: tuple[tuple[bytes, bytes], ...] = ()


class File(NamedTuple):
    content: bytes = b""
    meta: Meta = Meta()


class Dir(NamedTuple):
    meta: Meta = Meta(0o755)
    opaque: bool = False


class Symlink(NamedTuple):
    target: bytes
    meta: Meta = Meta(0o777)


class Node(NamedTuple):
    """A fifo or a device; `kind` is the format bits of its mode."""

    kind: int
    rdev: int = 0
    meta: Meta = Meta()


class HardLink(NamedTuple):
    """One more name for the file `to` of the same layer."""

    to: bytes


class Whiteout(NamedTuple):
    """Hides the name in the layers beneath."""


Item = File | Dir | Symlink | Node | HardLink | Whiteout
LayerData = Mapping[bytes, Item]
"""What one layer holds, by path. The root and every parent are in it."""


class StackLayer(NamedTuple):
    items: LayerData
    dialect: str = "overlay"


Stack = tuple[StackLayer, ...]
"""Lower layers, top-most first."""


def raw(items: LayerData, dialect: str) -> LayerData:
    """The same layer with its marks as `dialect` keeps them: no whiteouts and no opaque directories left."""
    match dialect:
        case "overlay":
            return _raw_overlay(items, b"trusted.")
        case "overlay.user":
            return _raw_overlay(items, b"user.")
        case "aufs":
            return _raw_aufs(items)
    raise KeyError(dialect)


def _raw_overlay(items: LayerData, namespace: bytes) -> LayerData:
    """linux, Documentation/filesystems/overlayfs.rst, "whiteouts and opaque directories", "User xattr"."""
    opaque = (namespace + b"overlay.opaque", b"y")
    return {path: _overlay_form(item, opaque) for path, item in items.items()}


def _overlay_form(item: Item, opaque: tuple[bytes, bytes]) -> Item:
    match item:
        case Whiteout():
            return Node(stat_bits.S_IFCHR, os.makedev(0, 0), Meta(0))
        case Dir(meta, opaque=True):
            return Dir(meta._replace(xattrs=(*meta.xattrs, opaque)))
        case _:
            return item


def _raw_aufs(items: LayerData) -> LayerData:
    """OCI image spec, layer.md, "Whiteouts" and "Opaque Whiteout"."""
    found: dict[bytes, Item] = {}
    for path, item in items.items():
        match item:
            case Whiteout():
                directory, _, name = path.rpartition(b"/")
                found[b"/".join(filter(None, (directory, b".wh." + name)))] = File()
            case Dir(meta, opaque=True):
                found[path] = Dir(meta)
                found[b"/".join(filter(None, (path, b".wh..wh..opq")))] = File()
            case _:
                found[path] = item
    return found


def put_in_directory(items: LayerData, root: bytes) -> None:
    """Make what `raw` gave below the existing directory `root`."""
    for path, item in _in_order(items):
        _make_on_host(os.path.join(root, path) if path else root, item, root)
    for path, item in reversed(_in_order(items)):  # children first: making them changed the parent's time
        if not isinstance(item, HardLink | Whiteout):
            _dress_on_host(os.path.join(root, path) if path else root, item.meta, isinstance(item, Symlink))


def _make_on_host(place: bytes, item: Item, root: bytes) -> None:
    match item:
        case Dir():
            os.makedirs(place, exist_ok=True)
        case File(content):
            with open(place, "xb") as file:
                file.write(content)
        case Symlink(target):
            os.symlink(target, place)
        case Node(kind, rdev):
            os.mknod(place, kind | 0o600, rdev)
        case HardLink(to):
            os.link(os.path.join(root, to), place)


def _dress_on_host(place: bytes, meta: Meta, is_symlink: bool) -> None:
    os.lchown(place, meta.uid, meta.gid)
    if not is_symlink:
        os.chmod(place, meta.mode)
    for name, value in meta.xattrs:
        os.setxattr(place, name, value, follow_symlinks=False)
    os.utime(place, ns=(meta.mtime_ns, meta.mtime_ns), follow_symlinks=False)


def put_in_store(items: LayerData, store: WritableStore) -> None:
    """Make what `raw` gave in an empty store."""
    for path, item in _in_order(items):
        _make_in_store(path, item, store)
    for path, item in reversed(_in_order(items)):
        if not isinstance(item, HardLink | Whiteout):
            _dress_in_store(path, item.meta, isinstance(item, Symlink), store)


def _make_in_store(path: bytes, item: Item, store: WritableStore) -> None:
    match item:
        case Dir(meta) if path:
            store.mkdir(path, meta.mode)
        case File(content, meta):
            file = store.create(path, meta.mode)
            file.pwrite(content, 0)
            file.close()
        case Symlink(target):
            store.symlink(path, target)
        case Node(kind, rdev, meta):
            store.mknod(path, kind | meta.mode, rdev)
        case HardLink(to):
            store.link(to, store, path)


def _dress_in_store(path: bytes, meta: Meta, is_symlink: bool, store: WritableStore) -> None:
    store.chown(path, meta.uid, meta.gid)
    if not is_symlink:
        store.chmod(path, meta.mode)
    for name, value in meta.xattrs:
        store.setxattr(path, name, value)
    store.utimens(path, meta.mtime_ns, meta.mtime_ns)


def _in_order(items: LayerData) -> list[tuple[bytes, Item]]:
    """Parents before children, hard links after what they link to."""
    return sorted(items.items(), key=lambda pair: (isinstance(pair[1], HardLink), pair[0]))


class _Placed(NamedTuple):
    """An item of the merged tree and the file it is: hard links share the second."""

    item: Item
    file: tuple[int, bytes]


def flatten(stack: Stack) -> LayerData:
    """What a reader of `stack` sees, as one layer without marks: the model that unions are held to."""
    merged: dict[bytes, _Placed] = {}
    for height, layer in enumerate(reversed(stack)):
        for path, item in sorted(layer.items.items()):
            _lay(merged, layer.items, height, path, item)
    return _with_links(merged)


def _lay(merged: dict[bytes, _Placed], items: LayerData, height: int, path: bytes, item: Item) -> None:
    """Put one item over what the layers beneath left; `path`'s parents have been laid."""
    below = merged.get(path)
    both_are_dirs = isinstance(item, Dir) and below is not None and isinstance(below.item, Dir)
    if not both_are_dirs or (isinstance(item, Dir) and item.opaque):
        for other in [other for other in merged if is_within(other, path)]:
            del merged[other]
    match item:
        case Whiteout():
            pass
        case Dir(meta):
            merged[path] = _Placed(Dir(meta), (height, path))
        case HardLink(to):
            merged[path] = _Placed(items[to], (height, to))
        case _:
            merged[path] = _Placed(item, (height, path))


def _with_links(merged: Mapping[bytes, _Placed]) -> LayerData:
    first: dict[tuple[int, bytes], bytes] = {}
    return {
        path: HardLink(first[file]) if first.setdefault(file, path) != path else item
        for path, (item, file) in sorted(merged.items())
    }


def is_within(path: bytes, directory: bytes) -> bool:
    """Whether `path` is `directory` or below it."""
    return not directory or path == directory or path.startswith(directory + b"/")


def without_idle_whiteouts(stack: Stack) -> Stack:
    """The same stack without the whiteouts that hide nothing."""
    return tuple(
        layer._replace(items=_without_idle(layer.items, flatten(stack[depth + 1 :])))
        for depth, layer in enumerate(stack)
    )


def _without_idle(items: LayerData, below: LayerData) -> LayerData:
    opaque = [path for path, item in items.items() if isinstance(item, Dir) and item.opaque]
    idle = {
        path
        for path, item in items.items()
        if isinstance(item, Whiteout)
        and (path not in below or any(is_within(path, directory) for directory in opaque))
    }
    return {path: item for path, item in items.items() if path not in idle}
