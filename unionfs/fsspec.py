"""`UnionFileSystem`: a union as a file system of fsspec, ``fsspec.filesystem("unionfs", lowers=[…])``.

fsspec, and what is built on it, loads this by the entry point in ``fsspec.specs``.
"""

from __future__ import annotations

import io
import json
import os
import posixpath
import shutil
import stat as _s
import threading
import uuid
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from glob import has_magic
from typing import IO, Any
from weakref import WeakValueDictionary

from fsspec import AbstractFileSystem
from fsspec.utils import stringify_path

from unionfs.adapters.memory.files import UnionFile
from unionfs.adapters.memory.filesystem import UnionFS
from unionfs.opening import open_union

_Path = str | os.PathLike[str]

_BUFFER = 64 << 10
_COPIED_AT_ONCE = 1 << 20

_unions: WeakValueDictionary[tuple[int, str], UnionFS] = WeakValueDictionary()
_opening = threading.Lock()

# A process that is forked has the parent's unions, whose threads and locks are not its own. fsspec
# forgets its instances there, and the last one would close its union: it is held on to instead.
_over_fork: list[UnionFS] = []
os.register_at_fork(before=lambda: _over_fork.extend(_unions.values()), after_in_parent=_over_fork.clear)


class UnionFileSystem(AbstractFileSystem):  # type: ignore[misc]
    """The layers `lowers`, the top-most first, as one file system.

    A lower layer is named by a directory, by a URL that fsspec knows, or by an image's reference;
    `upper`, `work`, `read_only`, `owner`, `dialect` and `url_options` are those of
    `unionfs.UnionFS`, `store` is that of `unionfs.open_union`. Without an `upper` changes are
    kept in memory, with `read_only` nothing can be changed. With `auto_mkdir` what is written
    gets the directories that it lacks, as with fsspec's local file system. All arguments are
    strings, numbers and lists, so that instances can be pickled and put into JSON.

    Instances with the same arguments show the same union, in any thread of a process; it is
    closed when the last of them is gone, or the process ends. What was changed in memory does
    not go with a pickle. An upper directory belongs to one process: `unionfs.ConfigError` in
    another one.

    Paths begin with a slash. Symbolic links are shown as what they lead to, with ``islink`` and
    ``destination`` in their info.

    >>> import fsspec
    >>> fs = fsspec.filesystem("unionfs", lowers=["/etc"])
    >>> fs.pipe("/greeting", b"hello")
    >>> fs.cat("/greeting")
    b'hello'
    """

    protocol = "unionfs"
    root_marker = "/"

    def __init__(
        self,
        lowers: Iterable[_Path] = (),
        upper: _Path | None = None,
        work: _Path | None = None,
        read_only: bool = False,
        owner: Iterable[int] | None = None,
        dialect: str | None = None,
        url_options: Mapping[str, Mapping[str, Any]] | None = None,
        store: str | None = None,
        auto_mkdir: bool = False,
        union: UnionFS | None = None,
        **storage_options: Any,
    ) -> None:
        super().__init__(**storage_options)
        self.auto_mkdir = auto_mkdir
        named: dict[str, Any] = {"upper": upper, "work": work, "read_only": read_only, "dialect": dialect}
        named |= {"owner": owner and tuple(owner), "url_options": url_options, "store": store}
        self.union = _shared(tuple(lowers), named) if union is None else union

    @classmethod
    def over(cls, union: UnionFS) -> UnionFileSystem:
        """A file system over a `UnionFS` that is there already. It cannot be pickled."""
        return cls(union=union, skip_instance_cache=True)

    @classmethod
    def _strip_protocol(cls, path: Any) -> Any:
        if isinstance(path, list):
            return [cls._strip_protocol(each) for each in path]
        return "/" + stringify_path(path).removeprefix("unionfs://").strip("/")

    # Reading

    def ls(self, path: str, detail: bool = True, **_: Any) -> list[Any]:
        path = self._strip_protocol(path)
        if not self.union.isdir(path):
            info = self.info(path)
            return [info if detail else info["name"]]
        names = [posixpath.join(path, name) for name in self.union.listdir(path)]
        return [self.info(name) for name in names] if detail else sorted(names)

    def info(self, path: str, **_: Any) -> dict[str, Any]:
        path = self._strip_protocol(path)
        status = self.union.lstat(path)
        link: dict[str, Any] = {}
        if _s.S_ISLNK(status.st_mode):
            link = {"islink": True, "destination": self.union.readlink(path)}
            if self.union.exists(path):
                status = self.union.stat(path)
        times = {"mtime": status.st_mtime, "created": status.st_ctime}
        owner = {"uid": status.st_uid, "gid": status.st_gid, "ino": status.st_ino, "nlink": status.st_nlink}
        about = {"name": path, "size": status.st_size, "type": _type(status.st_mode), "mode": status.st_mode}
        return {**about, "islink": False, **owner, **times, **link}

    def exists(self, path: str, **_: Any) -> bool:
        return self.union.exists(self._strip_protocol(path))

    def lexists(self, path: str, **_: Any) -> bool:
        return self.union.lexists(self._strip_protocol(path))

    def isfile(self, path: str) -> bool:
        return self.union.isfile(self._strip_protocol(path))

    def isdir(self, path: str) -> bool:
        return self.union.isdir(self._strip_protocol(path))

    def islink(self, path: str) -> bool:
        return self.union.islink(self._strip_protocol(path))

    def created(self, path: str) -> datetime:
        """When its attributes last changed: what a union has of it."""
        return datetime.fromtimestamp(self.info(path)["created"], UTC)

    def modified(self, path: str) -> datetime:
        return datetime.fromtimestamp(self.info(path)["mtime"], UTC)

    def cat_file(self, path: str, start: int | None = None, end: int | None = None, **_: Any) -> bytes:
        """The bytes from `start` up to `end`; negative numbers count from the end of the file."""
        with self.union.open(self._strip_protocol(path), "rb") as file:
            first, stop, _step = slice(start, end).indices(file.seek(0, os.SEEK_END))
            file.seek(first)
            return file.read(max(0, stop - first))

    # Changing

    def _open(self, path: str, mode: str = "rb", autocommit: bool = True, **_: Any) -> Any:
        if mode[0] in "wxa":
            self._prepare(path)
        if autocommit or mode != "wb":
            return _buffered(self.union.open(path, mode, buffering=0))
        directory, name = posixpath.split(path)
        return _Deferred(self.union, posixpath.join(directory, f".{name}.{uuid.uuid4().hex}"), path)

    def touch(self, path: str, truncate: bool = True, **_: Any) -> None:
        path = self._strip_protocol(path)
        self._prepare(path)
        self.union.open(path, "wb" if truncate else "ab").close()
        self.union.utime(path)

    def mkdir(self, path: str, create_parents: bool = True, **_: Any) -> None:
        path = self._strip_protocol(path)
        if create_parents:
            self.union.makedirs(path)
        else:
            self.union.mkdir(path)

    def makedirs(self, path: str, exist_ok: bool = False) -> None:
        self.union.makedirs(self._strip_protocol(path), exist_ok=exist_ok)

    def symlink(self, src: str, dst: str, **_: Any) -> None:
        """Make `dst` a symbolic link to `src`."""
        self.union.symlink(self._strip_protocol(src), self._strip_protocol(dst))

    def link(self, src: str, dst: str, **_: Any) -> None:
        self.union.link(self._strip_protocol(src), self._strip_protocol(dst))

    def cp_file(self, path1: str, path2: str, **_: Any) -> None:
        path1, path2 = self._strip_protocol(path1), self._strip_protocol(path2)
        if self.union.isdir(path1):
            self.union.makedirs(path2, exist_ok=True)
            return
        self._prepare(path2)
        with self.union.open(path1, "rb") as source, self.union.open(path2, "wb") as target:
            shutil.copyfileobj(source, target, _COPIED_AT_ONCE)

    def mv(
        self, path1: Any, path2: Any, recursive: bool = False, maxdepth: int | None = None, **kwargs: Any
    ) -> None:
        """Rename `path1`, which may be a directory, to `path2` or, where that is one, into it.

        What one call cannot say (several files, a pattern, a depth) is copied and removed.
        """
        if not isinstance(path1, str) or has_magic(path1) or maxdepth is not None:
            super().mv(path1, path2, recursive=recursive, maxdepth=maxdepth, **kwargs)
            return
        source, target = self._strip_protocol(path1), self._strip_protocol(path2)
        if self.union.isdir(target):
            target = posixpath.join(target, posixpath.basename(source))
        self._prepare(target)
        self.union.rename(source, target)

    def _prepare(self, path: str) -> None:
        """Make the directories that lead to `path`, where that is wanted."""
        if self.auto_mkdir:
            self.union.makedirs(self._parent(path), exist_ok=True)

    def rmdir(self, path: str) -> None:
        self.union.rmdir(self._strip_protocol(path))

    def rm_file(self, path: str) -> None:
        self.union.unlink(self._strip_protocol(path))

    def rm(self, path: Any, recursive: bool = False, maxdepth: int | None = None) -> None:
        """Remove files and, with `recursive`, directories; of a symbolic link never what it leads to."""
        for found in self.expand_path(path):
            self._remove(found, (-1 if maxdepth is None else maxdepth) if recursive else 0)

    def _remove(self, path: str, depth: int) -> None:
        if self.union.islink(path) or not self.union.isdir(path):
            self.union.unlink(path)
            return
        for name in self.union.listdir(path) if depth else ():
            self._remove(posixpath.join(path, name), depth - 1)
        self.union.rmdir(path)


class _WithSize:
    """What fsspec expects of a file beside what Python does."""

    @property
    def size(self) -> int:
        raw: UnionFile = self.raw  # type: ignore[attr-defined]
        return raw.size


class _Reader(_WithSize, io.BufferedReader):
    """A file that is read."""


class _Random(_WithSize, io.BufferedRandom):
    """A file that is read and written."""


class _Writer(_WithSize, io.BufferedWriter):
    """A file that is written."""


class _Deferred(_Writer):
    """A file that is written aside, and has its name once a transaction is committed."""

    def __init__(self, union: UnionFS, aside: str, path: str) -> None:
        super().__init__(union.open(aside, "xb", buffering=0), _BUFFER)
        self._union = union
        self._aside = aside
        self._path = path

    def commit(self) -> None:
        self.close()
        self._union.rename(self._aside, self._path)

    def discard(self) -> None:
        self.close()
        self._union.unlink(self._aside)


def _buffered(raw: IO[Any]) -> _Reader | _Writer | _Random:
    kind = _Writer if not raw.readable() else _Random if raw.writable() else _Reader
    return kind(raw, _BUFFER)  # type: ignore[arg-type]


def _type(mode: int) -> str:
    if _s.S_ISDIR(mode):
        return "directory"
    if _s.S_ISREG(mode):
        return "file"
    return "link" if _s.S_ISLNK(mode) else "other"


def _shared(lowers: tuple[_Path, ...], named: Mapping[str, Any]) -> UnionFS:
    """The union of these arguments, which is open already or is opened now."""
    key = os.getpid(), json.dumps([lowers, named], sort_keys=True, default=os.fspath)
    with _opening:
        union = _unions.get(key)
        if union is None:
            union = _unions[key] = open_union(*lowers, **named)
            union.close_when_gone()
        return union
