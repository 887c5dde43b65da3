"""A subject that is a `Union`, reached by its node operations."""

from __future__ import annotations

import errno

from unionfs.core.attrs import Changes
from unionfs.core.node import Node
from unionfs.core.union import Union
from unionfs.errors import error
from unionfs.testing.subject import OpenFile
from unionfs.types import Access, Kind, RenameFlags, Stat, XattrFlags

_LISTED = {Kind.DIR, Kind.FILE, Kind.SYMLINK}


class NodeSubject:
    """The tree that `union` shows."""

    def __init__(self, union: Union) -> None:
        self.union = union

    def stat(self, path: bytes) -> Stat:
        return self.union.getattr(self._node(path))

    def scan(self, path: bytes) -> list[tuple[bytes, Kind | None]]:
        entries = self.union.readdir(self._node(path))
        return [(entry.name, entry.kind if entry.kind in _LISTED else None) for entry in entries]

    def readlink(self, path: bytes) -> bytes:
        return self.union.readlink(self._node(path))

    def xattrs(self, path: bytes) -> dict[bytes, bytes]:
        node = self._node(path)
        return {name: self.union.getxattr(node, name) for name in self.union.listxattr(node)}

    def open(self, path: bytes, writable: bool) -> OpenFile:
        access = Access.READ | Access.WRITE if writable else Access.READ
        return self.union.open(self._node(path), access)

    def create(self, path: bytes, mode: int) -> None:
        self.union.create(*self._place(path), mode)[1].close()

    def mkdir(self, path: bytes, mode: int) -> None:
        self.union.mkdir(*self._place(path), mode)

    def mknod(self, path: bytes, mode: int, rdev: int) -> None:
        self.union.mknod(*self._place(path), mode, rdev)

    def symlink(self, path: bytes, target: bytes) -> None:
        self.union.symlink(*self._place(path), target)

    def link(self, path: bytes, new: bytes) -> None:
        self.union.link(self._node(path), *self._place(new))

    def unlink(self, path: bytes) -> None:
        self.union.unlink(*self._place(path))

    def rmdir(self, path: bytes) -> None:
        self.union.rmdir(*self._place(path))

    def rename(self, path: bytes, new: bytes, flags: RenameFlags) -> None:
        self.union.rename(*self._place(path), *self._place(new), flags)

    def truncate(self, path: bytes, size: int) -> None:
        self.union.setattr(self._node(path), Changes(size=size))

    def write_mapped(self, path: bytes, data: bytes, offset: int) -> None:
        file = self.open(path, writable=True)
        try:
            file.write(data, offset)
        finally:
            file.close()

    def chmod(self, path: bytes, mode: int) -> None:
        self.union.setattr(self._node(path), Changes(mode=mode))

    def chown(self, path: bytes, uid: int, gid: int) -> None:
        self.union.setattr(self._node(path), Changes(uid=uid, gid=gid))

    def utimens(self, path: bytes, atime_ns: int, mtime_ns: int) -> None:
        self.union.setattr(self._node(path), Changes(atime_ns=atime_ns, mtime_ns=mtime_ns))

    def setxattr(self, path: bytes, name: bytes, value: bytes, flags: XattrFlags) -> None:
        self.union.setxattr(self._node(path), name, value, flags)

    def removexattr(self, path: bytes, name: bytes) -> None:
        self.union.removexattr(self._node(path), name)

    def _node(self, path: bytes) -> Node:
        node = self.union.root
        for name in path.split(b"/") if path else []:
            node = self.union.lookup(node, name)
        return node

    def _place(self, path: bytes) -> tuple[Node, bytes]:
        """The directory and the name that `path` means, whether or not there is such a name."""
        directory, _, name = path.rpartition(b"/")
        parent = self._node(directory)
        if parent.kind is not Kind.DIR:
            raise error(errno.ENOTDIR, path)
        return parent, name
