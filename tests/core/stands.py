"""What the tests of the core share: layers in memory under one union, and the union by path."""

from __future__ import annotations

import errno
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from unionfs.core.attrs import Changes
from unionfs.core.dialect import Dialect
from unionfs.core.handle import Handle
from unionfs.core.layer import Layer, UpperLayer
from unionfs.core.node import Node
from unionfs.core.store import WritableStore
from unionfs.core.union import Union
from unionfs.core.workdir import WHITEOUT
from unionfs.dialects.aufs import AufsDialect
from unionfs.dialects.overlay import TRUSTED, USER, OverlayDialect
from unionfs.errors import error
from unionfs.layers.fill import Symlink as Symlink
from unionfs.layers.memory import MemoryStore
from unionfs.types import Access, Kind, RenameFlags, Stat

OVERLAY = OverlayDialect(TRUSTED)
BY_HAND = OverlayDialect(USER, rename_whiteout=False)
AUFS = AufsDialect()
DIALECTS: dict[str, Dialect] = {"overlay": OVERLAY, "by hand": BY_HAND, "aufs": AUFS}

LONG_AGO = 1_000_000_000_123_456_789
"""The time of everything in a lower layer: what is later was touched by the test."""

Content = bytes | Symlink | None
Same = Callable[[Any], Any]


def same(store: Any) -> Any:
    return store


@dataclass
class Stand:
    """Stores for a union: the layers stay, unions over them come and go (a remount)."""

    lowers: list[Layer]
    dialect: Dialect
    upper: MemoryStore = field(default_factory=lambda: MemoryStore("upper"))
    work: MemoryStore = field(init=False)

    def __post_init__(self) -> None:
        self.work = MemoryStore("work", beside=self.upper)

    def union(self, wrap: Callable[[WritableStore], WritableStore] = same) -> Union:
        return Union(self.lowers, UpperLayer(wrap(self.upper), self.dialect, wrap(self.work)))

    def view(self, wrap: Callable[[WritableStore], WritableStore] = same) -> View:
        return View(self.union(wrap))

    def litter(self) -> list[bytes]:
        """What the work directory holds beside the index and the whiteout that others are links to."""
        return [name for name, _kind in self.work.scan(b"work") if b"work/" + name != WHITEOUT]

    def index(self) -> list[bytes]:
        return [name for name, _kind in self.work.scan(b"index")]


def lower(entries: Mapping[str, Content], dialect: Dialect = OVERLAY) -> Layer:
    """A read-only layer in memory, everything in it as old as `LONG_AGO`."""
    store = MemoryStore.of(entries)
    age(store)
    return Layer(store, dialect)


def age(store: MemoryStore, path: bytes = b"") -> None:
    if store.stat(path).kind is Kind.DIR:
        for name, _kind in store.scan(path):
            age(store, path + b"/" + name if path else name)
    store.utimens(path, LONG_AGO, LONG_AGO)


def stand(*lowers: Mapping[str, Content] | Layer, dialect: Dialect = OVERLAY) -> Stand:
    return Stand([one if isinstance(one, Layer) else lower(one) for one in lowers], dialect)


def read_only(*lowers: Mapping[str, Content] | Layer) -> View:
    return View(Union([one if isinstance(one, Layer) else lower(one) for one in lowers]))


class Row(NamedTuple):
    """Everything that a reader can learn of one name; `mtime_ns` 0 for what the test touched."""

    kind: Kind
    mode: int
    uid: int
    gid: int
    rdev: int
    nlink: int
    size: int
    mtime_ns: int
    content: bytes
    xattrs: tuple[tuple[bytes, bytes], ...]
    same_as: bytes


class View:
    """A union by path."""

    def __init__(self, union: Union) -> None:
        self.union = union

    def at(self, path: bytes) -> Node:
        node = self.union.root
        for name in path.split(b"/") if path else []:
            node = self.union.lookup(node, name)
        return node

    def place(self, path: bytes) -> tuple[Node, bytes]:
        """The directory that a name is in, and the name; ENOTDIR as the kernel's path walk gives it."""
        parent, _, name = path.rpartition(b"/")
        node = self.at(parent)
        if not node.is_dir:
            raise error(errno.ENOTDIR, parent)
        return node, name

    def has(self, path: bytes) -> bool:
        try:
            self.at(path)
        except (FileNotFoundError, NotADirectoryError):
            return False
        return True

    def names(self, path: bytes = b"") -> list[bytes]:
        return sorted(entry.name for entry in self.union.readdir(self.at(path)))

    def stat(self, path: bytes) -> Stat:
        return self.union.getattr(self.at(path))

    def open(self, path: bytes, access: Access = Access.READ) -> Handle:
        return self.union.open(self.at(path), access)

    def read(self, path: bytes) -> bytes:
        return read_all(self.open(path))

    def write(self, path: bytes, data: bytes, offset: int = 0, access: Access = Access.WRITE) -> None:
        handle = self.open(path, access)
        try:
            handle.write(data, offset)
        finally:
            handle.close()

    def make(self, path: bytes, data: bytes = b"", mode: int = 0o644) -> None:
        parent, name = self.place(path)
        _node, handle = self.union.create(parent, name, mode)
        try:
            if data:
                handle.write(data, 0)
        finally:
            handle.close()

    def mkdir(self, path: bytes, mode: int = 0o755) -> None:
        self.union.mkdir(*self.place(path), mode)

    def symlink(self, path: bytes, target: bytes) -> None:
        self.union.symlink(*self.place(path), target)

    def link(self, path: bytes, new: bytes) -> None:
        self.union.link(self.at(path), *self.place(new))

    def unlink(self, path: bytes) -> None:
        self.union.unlink(*self.place(path))

    def rmdir(self, path: bytes) -> None:
        self.union.rmdir(*self.place(path))

    def rename(self, old: bytes, new: bytes, flags: RenameFlags = RenameFlags.NONE) -> None:
        self.union.rename(*self.place(old), *self.place(new), flags)

    def set(self, path: bytes, **changes: int) -> Stat:
        return self.union.setattr(self.at(path), Changes(**changes))

    def setxattr(self, path: bytes, name: bytes, value: bytes) -> None:
        self.union.setxattr(self.at(path), name, value)

    def xattrs(self, path: bytes) -> dict[bytes, bytes]:
        node = self.at(path)
        return {name: self.union.getxattr(node, name) for name in self.union.listxattr(node)}

    def tree(self) -> dict[bytes, Row]:
        """The whole tree; look-ups and listings that do not agree fail here."""
        rows: dict[bytes, Row] = {}
        first: dict[int, bytes] = {}
        waiting = [b""]
        while waiting:
            path = waiting.pop()
            node = self.at(path)
            stat = self.union.getattr(node)
            rows[path] = self._row(path, node, stat, first.setdefault(stat.ino, path))
            if stat.kind is Kind.DIR:
                names = [entry.name for entry in self.union.readdir(node)]
                assert len(names) == len(set(names)), f"twice in {path!r}"
                waiting += [path + b"/" + name if path else name for name in sorted(names, reverse=True)]
        return rows

    def _row(self, path: bytes, node: Node, stat: Stat, same_as: bytes) -> Row:
        content = b""
        if stat.kind is Kind.FILE:
            content = self.read(path)
        elif stat.kind is Kind.SYMLINK:
            content = self.union.readlink(node)
        return Row(
            stat.kind,
            stat.mode,
            stat.uid,
            stat.gid,
            stat.rdev,
            0 if stat.kind is Kind.DIR else stat.nlink,
            0 if stat.kind is Kind.DIR else stat.size,
            stat.mtime_ns if stat.mtime_ns == LONG_AGO else 0,
            content,
            tuple(sorted(self.xattrs(path).items())),
            same_as,
        )


def read_all(handle: Handle) -> bytes:
    try:
        content = b""
        while chunk := handle.read(1 << 20, len(content)):
            content += chunk
        return content
    finally:
        handle.close()


def errno_of(act: Callable[[], object]) -> int:
    """The errno that a call fails with, 0 where it does not."""
    try:
        act()
    except OSError as failure:
        return failure.errno or -1
    return 0


def raw(store: MemoryStore, path: bytes = b"") -> dict[bytes, object]:
    """A store as it is, to see that nothing in it changed."""
    stat = store.stat(path)
    rows: dict[bytes, object] = {
        path: (stat, [(name, store.getxattr(path, name)) for name in store.listxattr(path)])
    }
    if stat.kind is Kind.DIR:
        for name, _kind in store.scan(path):
            rows |= raw(store, path + b"/" + name if path else name)
    elif stat.kind is Kind.FILE:
        file = store.open(path)
        rows[path + b" content"] = file.pread(stat.size, 0)
        file.close()
    return rows


def lower_raw(layers: Iterable[Layer]) -> list[dict[bytes, object]]:
    stores = [layer.store for layer in layers]
    return [raw(store) for store in stores if isinstance(store, MemoryStore)]
