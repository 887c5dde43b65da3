"""The store over an index and what holds the data of the files in it."""

from __future__ import annotations

import errno
import struct
import sys
from collections.abc import Callable, Mapping, Sequence
from functools import lru_cache
from typing import Protocol

from unionfs.errors import error
from unionfs.layers.archive.index import Index, Record, Stored
from unionfs.layers.paths import check_on_the_way, find, names_path
from unionfs.layers.read_only import ReadOnlyFile
from unionfs.types import SECTOR, Access, Kind, Stat, StatFs, kind_of

_DIRECTORIES = 1024
"""How many listings are kept decoded."""

_BLOCK = 4096

# struct ovl_fb (linux, fs/overlayfs/overlayfs.h) with an inode number for a handle, of a
# type that no file system has: what overlayfs cannot decode, it takes for unknown.
_HANDLE = struct.Struct("=BBBBB16sQ")
_HANDLE_HEAD = (0, 0xFB, _HANDLE.size, int(sys.byteorder == "big"), 0xFE)

_NOT_OPENED = {Kind.DIR: errno.EISDIR, Kind.SYMLINK: errno.ELOOP}


class Contents(Protocol):
    """What holds the data of a layer's files."""

    @property
    def identity(self) -> bytes:
        """The same for no other archive."""

    def open(self, stored: Stored, stat: Stat) -> ReadOnlyFile: ...
    def close(self) -> None: ...


class ArchiveStore:
    """A `Store`. `identity` tells it from every other, for good: 16 bytes.

    `contents` are those of the layers that the index speaks of, the lowest first; the
    last are the store's own, and closed with it.
    """

    def __init__(self, index: Index, contents: Sequence[Contents], name: str, identity: bytes) -> None:
        self.name = name
        self._index = index
        self._contents = contents
        self._identity = identity
        self._dev = int.from_bytes(identity[:8], "little")
        self._root = index.record(0)
        self._listing = lru_cache(_DIRECTORIES)(self._read_listing)

    @names_path
    def stat(self, path: bytes) -> Stat:
        number = self._number(path)
        return self._stat(number, self._index.record(number))

    def stat_in(self, path: bytes) -> Callable[[bytes], Stat]:
        listing, index = self._listing(path), self._index

        def stat(name: bytes) -> Stat:
            number = listing[name][1]
            return self._stat(number, index.record(number))

        return stat

    @names_path
    def scan(self, path: bytes) -> list[tuple[bytes, Kind]]:
        if kind_of(self._record(path).mode) is not Kind.DIR:
            raise error(errno.ENOTDIR)
        return [(name, kind) for name, (kind, _number) in self._listing(path).items()]

    @names_path
    def readlink(self, path: bytes) -> bytes:
        record = self._record(path)
        if kind_of(record.mode) is not Kind.SYMLINK:
            raise error(errno.EINVAL)
        return self._index.target(record)

    @names_path
    def listxattr(self, path: bytes) -> list[bytes]:
        return list(self._index.xattrs(self._record(path)))

    @names_path
    def getxattr(self, path: bytes, name: bytes) -> bytes:
        try:
            return self._index.xattrs(self._record(path))[name]
        except KeyError:
            raise error(errno.ENODATA) from None

    def has_xattrs(self) -> bool:
        return bool(self._index.has_xattrs)

    @names_path
    def open(self, path: bytes, access: Access = Access.READ) -> ReadOnlyFile:
        number = self._number(path)
        record = self._index.record(number)
        kind = kind_of(record.mode)
        if kind is not Kind.FILE:
            raise error(_NOT_OPENED.get(kind, errno.EINVAL))
        if access != Access.READ:
            raise error(errno.EROFS)
        stored = record.stored()
        return self._contents[stored.layer].open(stored, self._stat(number, record))

    @names_path
    def stored(self, path: bytes) -> Stored:
        """Where the data of a regular file is."""
        return self._record(path).stored()

    def source(self, path: bytes) -> bytes:
        """The identity of the archive that the data of a regular file is in."""
        return self._contents[self.stored(path).layer].identity

    @names_path
    def handle(self, path: bytes) -> bytes:
        return _HANDLE.pack(*_HANDLE_HEAD, self._identity, self._number(path) + 1)

    def find(self, handle: bytes) -> tuple[int, int] | None:
        if len(handle) != _HANDLE.size:
            return None
        *head, identity, ino = _HANDLE.unpack(handle)
        return (self._dev, ino) if (tuple(head), identity) == (_HANDLE_HEAD, self._identity) else None

    def hard_links(self) -> Mapping[int, Sequence[bytes]]:
        names: dict[int, list[bytes]] = {}
        directories = [(b"", self._root)]
        for path, directory in directories:
            for name, kind, number in self._index.names(directory):
                below = path + b"/" + name if path else name
                record = self._index.record(number)
                if kind is Kind.DIR:
                    directories.append((below, record))
                elif record.nlink > 1:
                    names.setdefault(number + 1, []).append(below)
        return names

    def statfs(self) -> StatFs:
        return StatFs(_BLOCK, _BLOCK, files=self._index.nodes)

    def close(self) -> None:
        self._contents[-1].close()

    # Resolving

    def _number(self, path: bytes) -> int:
        return find(path, self._listing)[1] if path else 0

    def _record(self, path: bytes) -> Record:
        return self._index.record(self._number(path))

    def _read_listing(self, path: bytes) -> dict[bytes, tuple[Kind, int]]:
        """What a directory on the way to something holds."""
        directory = self._record(path)
        kind = kind_of(directory.mode)
        check_on_the_way(kind)
        return {name: (kind, number) for name, kind, number in self._index.names(directory)}

    def _stat(self, number: int, record: Record) -> Stat:
        mode, uid, gid, nlink, rdev, size, mtime_ns, *_ = record
        blocks = -(-size // SECTOR)
        times = mtime_ns, mtime_ns, mtime_ns
        return Stat(mode, number + 1, self._dev, nlink, uid, gid, rdev, size, blocks, *times)
