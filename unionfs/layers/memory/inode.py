"""Inodes of the memory store, and the file system they belong to."""

from __future__ import annotations

import errno
import itertools
import os
import stat
import threading
import time

from unionfs.errors import error
from unionfs.layers.memory.sparse import SparseBytes
from unionfs.types import Stat

_devices = itertools.count(1)

SECTOR = 512
CAPABILITY = b"security.capability"


class FileSystem:
    """What trees share between which files can be linked and renamed: numbers, an identity and one lock."""

    def __init__(self) -> None:
        self.lock = threading.RLock()
        self.dev = next(_devices)
        self.uuid = os.urandom(16)
        self.inos = itertools.count(2)


class Inode:
    """A file of any kind. This class itself stands for devices, fifos and sockets."""

    def __init__(self, fs: FileSystem, mode: int, rdev: int = 0) -> None:
        self.fs = fs
        self.ino = next(fs.inos)
        self.mode = mode
        self.rdev = rdev
        self.nlink = 0
        self.uid = self.gid = 0
        self.xattrs: dict[bytes, bytes] = {}
        self.atime_ns = self.mtime_ns = self.ctime_ns = time.time_ns()

    @property
    def size(self) -> int:
        return 0

    @property
    def allocated(self) -> int:
        return 0

    def stat(self) -> Stat:
        return Stat(
            self.mode,
            self.ino,
            self.fs.dev,
            self.nlink,
            self.uid,
            self.gid,
            self.rdev,
            self.size,
            self.allocated // SECTOR,
            self.atime_ns,
            self.mtime_ns,
            self.ctime_ns,
        )

    def changed(self) -> None:
        """Metadata changed."""
        self.ctime_ns = time.time_ns()

    def modified(self) -> None:
        """Content changed."""
        self.mtime_ns = self.ctime_ns = time.time_ns()


class RegularFile(Inode):
    def __init__(self, fs: FileSystem, mode: int) -> None:
        super().__init__(fs, stat.S_IFREG | stat.S_IMODE(mode))
        self.data = SparseBytes()

    @property
    def size(self) -> int:
        return self.data.size

    @property
    def allocated(self) -> int:
        return self.data.allocated

    def modified(self) -> None:
        """Content changed, which takes capabilities away; set-id bits stay, as they do when root writes."""
        super().modified()
        self.xattrs.pop(CAPABILITY, None)


class Symlink(Inode):
    def __init__(self, fs: FileSystem, target: bytes) -> None:
        super().__init__(fs, stat.S_IFLNK | 0o777)
        self.target = target

    @property
    def size(self) -> int:
        return len(self.target)


class Directory(Inode):
    """Only `attach` and `detach` change entries: they keep link counts, parents and times right."""

    def __init__(self, fs: FileSystem, mode: int) -> None:
        super().__init__(fs, stat.S_IFDIR | stat.S_IMODE(mode))
        self.nlink = 2
        self.entries: dict[bytes, Inode] = {}
        self.parent = self

    def child(self, name: bytes) -> Inode:
        try:
            return self.entries[name]
        except KeyError:
            raise error(errno.ENOENT) from None

    def attach(self, name: bytes, inode: Inode) -> None:
        self.entries[name] = inode
        if isinstance(inode, Directory):
            inode.parent = self
            self.nlink += 1
        else:
            inode.nlink += 1
        inode.changed()
        self.modified()

    def detach(self, name: bytes) -> Inode:
        inode = self.entries.pop(name)
        if isinstance(inode, Directory):
            self.nlink -= 1
        else:
            inode.nlink -= 1
        inode.changed()
        self.modified()
        return inode

    def is_within(self, other: Inode | None) -> bool:
        """Whether this is `other` or lies below it."""
        at = self
        while at is not other:
            if at.parent is at:
                return False
            at = at.parent
        return True
