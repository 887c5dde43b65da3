"""What the calls of `os` return, made from the union's own values."""

from __future__ import annotations

import os
import posixpath
from collections.abc import Iterator
from typing import TYPE_CHECKING, AnyStr, Generic

from unionfs.adapters.memory.names import like
from unionfs.types import Kind, Stat, StatFs

if TYPE_CHECKING:
    from unionfs.adapters.memory.filesystem import UnionFS
    from unionfs.core.readdir import DirEntry

BLOCK_SIZE = 4096
NS = 10**9


def stat_result(stat: Stat) -> os.stat_result:
    times = {"atime": stat.atime_ns, "mtime": stat.mtime_ns, "ctime": stat.ctime_ns}
    whole = tuple(ns // NS for ns in times.values())
    extra: dict[str, float | int] = {f"st_{name}": ns / NS for name, ns in times.items()}
    extra |= {f"st_{name}_ns": ns for name, ns in times.items()}
    extra |= {"st_blksize": BLOCK_SIZE, "st_blocks": stat.blocks, "st_rdev": stat.rdev}
    return os.stat_result((*stat[:6], stat.size, *whole), extra)


def statvfs_result(stat: StatFs, read_only: bool) -> os.statvfs_result:
    flags = os.ST_RDONLY if read_only else 0
    return os.statvfs_result((*stat[:8], flags, stat.namemax))


class Entry(Generic[AnyStr]):
    """One entry of a directory, as `os.DirEntry`; its kind is known without another look-up."""

    __slots__ = ("_fs", "_ino", "_kind", "name", "path")

    def __init__(self, fs: UnionFS, directory: AnyStr, entry: DirEntry) -> None:
        self._fs = fs
        self._kind = entry.kind
        self._ino = entry.ino
        self.name: AnyStr = like(directory, entry.name)
        """The name in its directory."""
        self.path: AnyStr = posixpath.join(directory, self.name)
        """The name after the path that `scandir` was given."""

    def inode(self) -> int:
        return self._ino or self._fs.lstat(self.path).st_ino

    def is_dir(self, *, follow_symlinks: bool = True) -> bool:
        if self.is_symlink() and follow_symlinks:
            return self._fs.isdir(self.path)
        return self._kind is Kind.DIR

    def is_file(self, *, follow_symlinks: bool = True) -> bool:
        if self.is_symlink() and follow_symlinks:
            return self._fs.isfile(self.path)
        return self._kind is Kind.FILE

    def is_symlink(self) -> bool:
        return self._kind is Kind.SYMLINK

    def stat(self, *, follow_symlinks: bool = True) -> os.stat_result:
        return self._fs.stat(self.path, follow_symlinks=follow_symlinks)

    def __repr__(self) -> str:
        return f"<Entry {self.name!r}>"


class Entries(Iterator[Entry[AnyStr]]):
    """The iterator that `scandir` gives; closing it, also with `with`, ends it."""

    def __init__(self, fs: UnionFS, directory: AnyStr, listing: list[DirEntry]) -> None:
        self._left: Iterator[Entry[AnyStr]] = iter([Entry(fs, directory, entry) for entry in listing])

    def __next__(self) -> Entry[AnyStr]:
        return next(self._left)

    def __enter__(self) -> Entries[AnyStr]:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        self._left = iter(())
