"""The store over a file system of fsspec.

Listings and what is known of a file are asked for once, and data in blocks, of which those
read last are kept in memory. (What shall outlast the process, fsspec keeps: ``simplecache::``
or ``blockcache::`` before the URL.) After each block is fetched the file is looked at
again: a block is handed out only if the file is still what it was when it was first seen.
"""

from __future__ import annotations

import errno
import os
import threading
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from functools import lru_cache
from typing import TYPE_CHECKING, Any, NamedTuple
from urllib.parse import unquote
from weakref import WeakValueDictionary

import xxhash

from unionfs.errors import ConfigError, error
from unionfs.layers.fsspec.entries import Entry, Info, is_same_version, kind_of, mode_of, mtime_ns
from unionfs.layers.fsspec.failures import as_os_error, naming
from unionfs.layers.paths import check_name, check_on_the_way, find, names_path
from unionfs.layers.read_only import ReadOnlyFile
from unionfs.types import NAME_MAX, SECTOR, Access, Kind, Stat, StatFs

if TYPE_CHECKING:
    from fsspec import AbstractFileSystem

BLOCK = 1 << 20
"""Bytes that are fetched at once, where less is asked for."""
_BLOCKS_KEPT = 64

_HTTP = ("http://", "https://")
"""How paths begin that are URLs still, quoted; also where a cache stands before the server."""

_INO_BITS = 48
"""So that a union can tell apart many devices; see `unionfs.core.inodes`."""
_DIRECTORY_SIZE = 4096
_NOT_OPENED = {Kind.DIR: errno.EISDIR, Kind.SYMLINK: errno.ELOOP}

UrlOptions = Mapping[str, Mapping[str, Any]]
"""By protocol, what its file system is made with: ``{"s3": {"anon": True}}``."""


def check_url(url: str) -> None:
    """Raise `ConfigError` for a protocol that is not known, or needs what is not installed.

    No file system is made for that: those that speak to a network have a thread, which a
    process that is about to fork must not have.
    """
    try:
        from fsspec import get_filesystem_class

        for protocol in _protocols(url):
            get_filesystem_class(protocol)
    except ModuleNotFoundError as failure:
        if failure.name != "fsspec":
            raise ConfigError(f"{url}: {failure}") from failure
        raise ConfigError(f"{url}: fsspec is not installed (pip install 'unionfs[fsspec]')") from None
    except (ImportError, ValueError) as failure:
        raise ConfigError(f"{url}: {failure}") from failure


def _protocols(url: str) -> list[str]:
    """Those of a URL, or of a chain of them; in a chain a word alone is one (``simplecache::http://…``)."""
    *before, last = url.split("::")
    links = [*before, last] if "://" in last else before
    return [link.partition("://")[0] for link in links if "://" in link or link.isalnum()]


class FsspecStore:
    """A `Store` over the directory `root` of the fsspec file system `fs`; `name` is its URL by default.

    Regular files, directories and, where they are told, symbolic links are shown, without
    extended attributes; they belong to this process's user unless the file system says
    whose they are. What changes after it was first seen is ESTALE when it is read. Errors say
    the URL in their text.
    """

    def __init__(self, fs: AbstractFileSystem, root: str = "", name: str | None = None) -> None:
        self._fs = fs
        self._root: str = fs._strip_protocol(root) or fs.root_marker
        self.name: str = name or fs.unstrip_protocol(self._root)
        self._dev = xxhash.xxh32_intdigest(os.fsencode(self.name))
        self._owner = os.geteuid(), os.getegid()
        self._listings: dict[bytes, dict[bytes, Entry]] = {}
        self._paths: dict[int, bytes] = {}
        self._infos: dict[str, Info] = {}
        self._kept = lru_cache(_BLOCKS_KEPT)(self._read_block)
        self._fetching: WeakValueDictionary[object, threading.Lock] = WeakValueDictionary()
        self._lock = threading.Lock()

    @classmethod
    def at(cls, url: str, options: UrlOptions | None = None) -> FsspecStore:
        """The store at a URL of fsspec's, chained ones included; only those of `options` that it names count.

        Raises `ConfigError` for a protocol that is not known, or needs what is not installed; and
        `OSError` where a chain begins with what cannot be opened.
        """
        check_url(url)
        from fsspec.core import url_to_fs

        named = _protocols(url)
        chosen = {word: dict(made_with) for word, made_with in (options or {}).items() if word in named}
        try:
            fs, root = url_to_fs(url, **chosen)
        except (ImportError, TypeError, ValueError) as failure:
            raise ConfigError(f"{url}: {failure}") from failure
        except OSError as failure:
            raise as_os_error(failure, url) from failure
        return cls(fs, root, url)

    @names_path
    def stat(self, path: bytes) -> Stat:
        return self._stat(self._entry(path))

    def is_at_hand(self, path: bytes, name: bytes | None) -> bool:
        listing = self._listings.get(path)
        return listing is not None and all(entry.path in self._infos for entry in _files(listing, name))

    @names_path
    def fetch(self, path: bytes, name: bytes | None) -> None:
        with self._alone(path):
            for entry in _files(self._listing(path), name):
                self._info(entry)

    def stat_in(self, path: bytes) -> Callable[[bytes], Stat]:
        listing = self._listing(path)
        return lambda name: self._stat(listing[name])

    @names_path
    def scan(self, path: bytes) -> list[tuple[bytes, Kind]]:
        return [(name, entry.kind) for name, entry in self._listing(path).items()]

    @names_path
    def readlink(self, path: bytes) -> bytes:
        entry = self._entry(path)
        if entry.kind is not Kind.SYMLINK:
            raise error(errno.EINVAL)
        return _target(entry.info)

    @names_path
    def listxattr(self, path: bytes) -> list[bytes]:
        self._entry(path)
        return []

    @names_path
    def getxattr(self, path: bytes, name: bytes) -> bytes:
        self._entry(path)
        raise error(errno.ENODATA)

    def has_xattrs(self) -> bool:
        return False

    @names_path
    def open(self, path: bytes, access: Access = Access.READ) -> ReadOnlyFile:
        entry = self._entry(path)
        if entry.kind is not Kind.FILE:
            raise error(_NOT_OPENED[entry.kind])
        if access != Access.READ:
            raise error(errno.EROFS)
        stat = self._stat(entry)
        file = _Remote(entry.path, stat.size)
        return ReadOnlyFile(stat, lambda size, offset: self._read(file, size, offset), close=_nothing)

    def handle(self, path: bytes) -> None:
        """Nothing tells a file from another that took its name."""

    def find(self, handle: bytes) -> None:
        """There are no handles."""

    def hard_links(self) -> Mapping[int, Sequence[bytes]]:
        return {}

    def statfs(self) -> StatFs:
        return StatFs()

    def close(self) -> None:
        self._kept.cache_clear()

    # Names

    def _entry(self, path: bytes) -> Entry:
        return find(path, self._listing) if path else Entry(Kind.DIR, self._root, 1, {})

    def _listing(self, path: bytes) -> dict[bytes, Entry]:
        known = self._listings.get(path)
        if known is not None:
            return known
        directory = self._entry(path)
        check_on_the_way(directory.kind)
        return self._listings.setdefault(path, dict(self._read_listing(path, directory.path)))

    def _read_listing(self, path: bytes, directory: str) -> Iterator[tuple[bytes, Entry]]:
        with naming(self._url(directory)):
            infos = self._fs.ls(directory, detail=True)
        # A directory before an object of the same name, which would make what is in it unreachable.
        infos.sort(key=lambda info: info["type"] == "directory")
        for info in infos:
            if _inner(info["name"]) == _inner(directory):
                if info["type"] != "directory":
                    raise OSError(errno.ENOTDIR, f"{self._url(directory)}: not a directory")
                continue
            name, kind = self._name(info["name"], directory), kind_of(info)
            if name is not None and kind is not None:
                yield name, Entry(kind, info["name"], self._number(path + b"/" + name), info)

    def _name(self, path: str, directory: str) -> bytes | None:
        """The name in `directory` of what is at `path`; None for what is not in it, or cannot be shown."""
        above, name = _inner(directory), _inner(path)
        if above:
            if not name.startswith(above + "/"):
                return None
            name = name[len(above) + 1 :]
        if path.startswith(_HTTP):
            if "?" in name:  # a page's own links, to itself in another order
                return None
            name = unquote(name, errors="surrogateescape")
        encoded = name.encode("utf-8", "surrogateescape")
        try:
            check_name(encoded)
        except OSError:
            return None
        return encoded if len(encoded) <= NAME_MAX else None

    def _number(self, path: bytes) -> int:
        """The inode number: made from the path, so always the same but for the rare clash."""
        number = xxhash.xxh64_intdigest(path) >> (64 - _INO_BITS)
        while number < 2 or self._paths.setdefault(number, path) != path:
            number = (number + 1) % (1 << _INO_BITS)
        return number

    # Attributes

    def _stat(self, entry: Entry) -> Stat:
        kind = entry.kind
        info = self._info(entry) if kind is Kind.FILE else entry.info
        size = _size(kind, info)
        uid, gid = info.get("uid", self._owner[0]), info.get("gid", self._owner[1])
        times = (mtime_ns(info),) * 3
        nlink = 2 if kind is Kind.DIR else 1
        blocks = -(-size // SECTOR)
        return Stat(mode_of(kind, info), entry.ino, self._dev, nlink, uid, gid, 0, size, blocks, *times)

    def _info(self, entry: Entry) -> Info:
        """What is known of a regular file, its size in any case."""
        known = self._infos.get(entry.path)
        if known is None:
            known = self._infos.setdefault(entry.path, self._with_size(entry))
        return known

    def _with_size(self, entry: Entry) -> Info:
        if entry.info.get("size") is not None:
            return entry.info
        with naming(self._url(entry.path)):
            info: Info = self._fs.info(entry.path)
            if info.get("size") is None:  # a server that makes it up as it goes
                info = {**info, "size": len(self._fs.cat_file(entry.path))}
        return info

    # Data

    def _read(self, file: _Remote, size: int, offset: int) -> bytes:
        """Bytes that the file has; what is more than a block is fetched as it is asked for."""
        if size > BLOCK:
            return self._fetch(file, offset, offset + size)
        parts: list[bytes] = []
        while size:
            number, start = divmod(offset, BLOCK)
            part = self._block(file, number)[start : start + size]
            parts.append(part)
            offset, size = offset + len(part), size - len(part)
        return b"".join(parts)

    def _block(self, file: _Remote, number: int) -> bytes:
        """Who needs a block that another is fetching waits for it: readers come in pieces of a block."""
        with self._alone((file.path, number)):
            return self._kept(file, number)

    def _alone(self, what: object) -> threading.Lock:
        """The lock of whoever fetches this; nobody else waits for it."""
        with self._lock:
            return self._fetching.setdefault(what, threading.Lock())

    def _read_block(self, file: _Remote, number: int) -> bytes:
        start = number * BLOCK
        return self._fetch(file, start, min(start + BLOCK, file.size))

    def _fetch(self, file: _Remote, start: int, end: int) -> bytes:
        url = self._url(file.path)
        try:
            with naming(url):
                data: bytes = self._fs.cat_file(file.path, start=start, end=end)
                self._fs.invalidate_cache(file.path)
                now = self._fs.info(file.path)
        except FileNotFoundError:
            raise OSError(errno.ESTALE, f"{url}: is not there any more") from None
        if not is_same_version(self._infos[file.path], now):
            raise OSError(errno.ESTALE, f"{url}: has changed since it was first looked at")
        if len(data) > end - start:
            hint = "simplecache:: before the URL fetches files whole"
            raise OSError(errno.EOPNOTSUPP, f"{url}: parts of a file cannot be had; {hint}")
        if len(data) < end - start:
            raise OSError(errno.EIO, f"{url}: {len(data)} bytes of {end - start} have come")
        return data

    def _url(self, path: str) -> str:
        """With what it is chained to (``zip://…::http://…``), which its file system's paths do not say."""
        url: str = self._fs.unstrip_protocol(path)
        _, _, rest = self.name.partition("::")
        return f"{url}::{rest}" if rest and not url.startswith(rest) else url


class _Remote(NamedTuple):
    """A regular file, as its blocks are known by."""

    path: str
    size: int


def _files(listing: Mapping[bytes, Entry], name: bytes | None) -> Iterable[Entry]:
    """Regular files among the entries of a directory: `name`, or all of them."""
    chosen = listing.values() if name is None else filter(None, (listing.get(name),))
    return (entry for entry in chosen if entry.kind is Kind.FILE)


def _inner(path: str) -> str:
    """File systems differ in which slashes they put around a path."""
    return path.strip("/")


def _size(kind: Kind, info: Info) -> int:
    if kind is Kind.DIR:
        return _DIRECTORY_SIZE
    return len(_target(info)) if kind is Kind.SYMLINK else int(info["size"])


def _target(info: Info) -> bytes:
    return os.fsencode(info["destination"])


def _nothing() -> None:
    """Open files have nothing of their own."""
