"""A tree of files in memory."""

from __future__ import annotations

import errno
import stat
from collections.abc import Callable, Mapping
from functools import wraps
from typing import Any, TypeVar, cast

from unionfs.core.store import WritableStore
from unionfs.errors import error
from unionfs.layers.fill import Content, fill
from unionfs.layers.memory import xattrs
from unionfs.layers.memory.file import MemoryFile
from unionfs.layers.memory.inode import CAPABILITY, Directory, FileSystem, Inode, RegularFile, Symlink
from unionfs.layers.memory.rename import rename
from unionfs.layers.paths import check_name, names_path
from unionfs.types import NAME_MAX, Access, Kind, RenameFlags, Stat, StatFs, XattrFlags, kind_of

SYMLINK_MAX = 4095
_PLENTY = 1 << 30
_SPECIAL = {Kind.FIFO, Kind.CHAR, Kind.BLOCK, Kind.SOCKET}
_OPEN_ERRORS = {Kind.DIR: errno.EISDIR, Kind.SYMLINK: errno.ELOOP}

Method = TypeVar("Method", bound=Callable[..., Any])


def _operation(method: Method) -> Method:
    """A call of the store: alone in its file system, its errors naming the path."""

    @wraps(method)
    def alone(self: MemoryStore, *args: Any, **kwargs: Any) -> Any:
        with self._fs.lock:
            return method(self, *args, **kwargs)

    return names_path(cast(Method, alone))


class MemoryStore:
    """A `WritableStore` in memory, which behaves as a Linux file system does towards root.

    There are no permission checks. Reading leaves atime alone (noatime). Nothing
    is inherited from a setgid directory.
    """

    def __init__(self, name: str = "memory", *, beside: MemoryStore | None = None) -> None:
        """An empty tree; on the file system of `beside`, so that files can be moved between the two."""
        self.name = name
        self._fs: FileSystem = FileSystem() if beside is None else beside._fs
        self._root = Directory(self._fs, 0o755)
        self.epoch = b"for as long as the process lives"

    @classmethod
    def of(cls, entries: Mapping[str, Content], name: str = "memory") -> MemoryStore:
        """A store that holds `entries`: by path, bytes for a file (0644), a `Symlink`, None for a directory.

        Parents that are not named are made.
        """
        store = cls(name)
        fill(store, entries)
        return store

    @property
    def owner(self) -> tuple[int, int]:
        return 0, 0

    # Reading.

    @_operation
    def stat(self, path: bytes) -> Stat:
        return self._inode(path).stat()

    @_operation
    def scan(self, path: bytes) -> list[tuple[bytes, Kind]]:
        return [(name, kind_of(inode.mode)) for name, inode in self._directory(path).entries.items()]

    @_operation
    def readlink(self, path: bytes) -> bytes:
        inode = self._inode(path)
        if not isinstance(inode, Symlink):
            raise error(errno.EINVAL)
        return inode.target

    @_operation
    def listxattr(self, path: bytes) -> list[bytes]:
        return list(self._inode(path).xattrs)

    @_operation
    def getxattr(self, path: bytes, name: bytes) -> bytes:
        return xattrs.get(self._inode(path), name)

    def has_xattrs(self) -> bool:
        return True

    @_operation
    def open(self, path: bytes, access: Access = Access.READ) -> MemoryFile:
        inode = self._inode(path)
        if not isinstance(inode, RegularFile):
            raise error(_OPEN_ERRORS.get(kind_of(inode.mode), errno.EINVAL))
        if Access.TRUNCATE in access:
            inode.data.resize(0)
            inode.modified()
        return MemoryFile(inode, access)

    @_operation
    def handle(self, path: bytes) -> bytes:
        return self._fs.uuid + self._inode(path).ino.to_bytes(8, "little")

    def find(self, handle: bytes) -> tuple[int, int] | None:
        uuid, ino = handle[:-8], int.from_bytes(handle[-8:], "little")
        return (self.stat(b"").dev, ino) if uuid == self._fs.uuid else None

    def hard_links(self) -> dict[int, list[bytes]]:
        names: dict[int, list[bytes]] = {}
        directories = [b""]
        for path in directories:
            for name, kind in self.scan(path):
                below = path + b"/" + name if path else name
                if kind is Kind.DIR:
                    directories.append(below)
                elif (stat := self.stat(below)).nlink > 1:
                    names.setdefault(stat.ino, []).append(below)
        return names

    def statfs(self) -> StatFs:
        return StatFs(
            blocks=_PLENTY, bfree=_PLENTY, bavail=_PLENTY, files=_PLENTY, ffree=_PLENTY, favail=_PLENTY
        )

    def close(self) -> None:
        pass

    # Names.

    @_operation
    def create(self, path: bytes, mode: int) -> MemoryFile:
        inode = RegularFile(self._fs, mode)
        self._add(path, inode)
        return MemoryFile(inode, Access.READ | Access.WRITE)

    @_operation
    def mkdir(self, path: bytes, mode: int) -> None:
        self._add(path, Directory(self._fs, mode))

    @_operation
    def mknod(self, path: bytes, mode: int, rdev: int) -> None:
        kind = kind_of(mode)
        if kind not in _SPECIAL:
            raise error(errno.EINVAL)
        self._add(path, Inode(self._fs, mode, rdev if kind in {Kind.CHAR, Kind.BLOCK} else 0))

    @_operation
    def symlink(self, path: bytes, target: bytes) -> None:
        if not target:
            raise error(errno.ENOENT)
        if len(target) > SYMLINK_MAX:
            raise error(errno.ENAMETOOLONG)
        self._add(path, Symlink(self._fs, target))

    @_operation
    def link(self, path: bytes, to: WritableStore, new: bytes) -> None:
        inode = self._inode(path)
        directory, name = self._same_file_system(to)._free_place(new)
        if isinstance(inode, Directory):
            raise error(errno.EPERM)
        directory.attach(name, inode)

    @_operation
    def rename(self, path: bytes, to: WritableStore, new: bytes, flags: RenameFlags) -> None:
        other = self._same_file_system(to)
        if not path or not new:
            raise error(errno.EBUSY)
        rename(*self._place(path), *other._place(new), flags)

    @_operation
    def unlink(self, path: bytes) -> None:
        inode = self._inode(path)
        if isinstance(inode, Directory):
            raise error(errno.EISDIR)
        self._remove(path)

    @_operation
    def rmdir(self, path: bytes) -> None:
        if not path:
            raise error(errno.EINVAL)
        if self._directory(path).entries:
            raise error(errno.ENOTEMPTY)
        self._remove(path)

    # Attributes.

    @_operation
    def chmod(self, path: bytes, mode: int) -> None:
        inode = self._inode(path)
        if isinstance(inode, Symlink):
            raise error(errno.EOPNOTSUPP)
        inode.mode = stat.S_IFMT(inode.mode) | stat.S_IMODE(mode)
        xattrs.follow_mode(inode)
        inode.changed()

    @_operation
    def chown(self, path: bytes, uid: int, gid: int) -> None:
        """As in Linux, a new owner takes set-id bits and capabilities away, from all but directories."""
        inode = self._inode(path)
        inode.uid = inode.uid if uid == -1 else uid
        inode.gid = inode.gid if gid == -1 else gid
        if not isinstance(inode, Directory):
            inode.mode &= ~stat.S_ISUID & ~(stat.S_ISGID if inode.mode & stat.S_IXGRP else 0)
            inode.xattrs.pop(CAPABILITY, None)
        inode.changed()

    @_operation
    def utimens(self, path: bytes, atime_ns: int, mtime_ns: int) -> None:
        inode = self._inode(path)
        inode.atime_ns, inode.mtime_ns = atime_ns, mtime_ns
        inode.changed()

    @_operation
    def setxattr(self, path: bytes, name: bytes, value: bytes, flags: XattrFlags = XattrFlags.NONE) -> None:
        xattrs.set_(self._inode(path), name, value, flags)

    @_operation
    def removexattr(self, path: bytes, name: bytes) -> None:
        xattrs.remove(self._inode(path), name)

    def sync(self) -> None:
        pass

    # Resolving.

    def _inode(self, path: bytes) -> Inode:
        if not path:
            return self._root
        directory, name = self._place(path)
        return directory.child(name)

    def _directory(self, path: bytes) -> Directory:
        inode = self._inode(path)
        if not isinstance(inode, Directory):
            raise error(errno.ENOTDIR)
        return inode

    def _place(self, path: bytes) -> tuple[Directory, bytes]:
        """The directory that holds, or could hold, the last name of a path; and that name."""
        *parents, name = path.split(b"/")
        directory = self._root
        for parent in parents:
            _check(parent)
            inode = directory.child(parent)
            if not isinstance(inode, Directory):
                raise error(errno.ELOOP if isinstance(inode, Symlink) else errno.ENOTDIR)
            directory = inode
        _check(name)
        return directory, name

    def _free_place(self, path: bytes) -> tuple[Directory, bytes]:
        if not path:
            raise error(errno.EEXIST)
        directory, name = self._place(path)
        if name in directory.entries:
            raise error(errno.EEXIST)
        return directory, name

    def _add(self, path: bytes, inode: Inode) -> None:
        directory, name = self._free_place(path)
        directory.attach(name, inode)

    def _remove(self, path: bytes) -> None:
        directory, name = self._place(path)
        directory.detach(name)

    def _same_file_system(self, other: WritableStore) -> MemoryStore:
        if isinstance(other, MemoryStore) and other._fs is self._fs:
            return other
        raise error(errno.EXDEV)


def _check(name: bytes) -> None:
    check_name(name)
    if len(name) > NAME_MAX:
        raise error(errno.ENAMETOOLONG)
