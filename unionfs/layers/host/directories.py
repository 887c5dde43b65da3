"""Directories beneath a root, as descriptors that are reached without following symbolic links.

A short-lived cache makes the usual case free: calls come in runs about the same
directories. What a path leads to changes only when a directory is renamed or
removed, so the store tells us of these.
"""

from __future__ import annotations

import os
import resource
import threading
from collections import OrderedDict
from collections.abc import Callable

from unionfs.layers.host import syscalls
from unionfs.layers.paths import check_name

PATH_MAX = 4096
_DIRECTORY = os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
_WAYS = (os.O_RDONLY | os.O_NOATIME, os.O_RDONLY, os.O_PATH)
"""How a directory is opened, the best first: its own (O_NOATIME), one we may read, one we may only enter."""


class Directory:
    """A descriptor of a directory, closed when the last user lets go of this object.

    `is_readable` says that it can be used for more than as the start of a path.
    """

    __slots__ = ("fd", "is_readable")

    def __init__(self, fd: int, *, is_readable: bool = False) -> None:
        self.fd = fd
        self.is_readable = is_readable

    def __del__(self) -> None:
        self.close()

    def close(self, _close: Callable[[int], None] = os.close) -> None:
        """Bound early: at the end of the process the module's own names are gone before the last object."""
        if self.fd >= 0:
            _close(self.fd)
            self.fd = -1


class DirectoryCache:
    """The most recently used directories of all stores: a limit on descriptors is one of the process.

    A directory that was looked up while another was being renamed is not kept
    (`generation`), as its path may have changed meanwhile.
    """

    def __init__(self, capacity: int) -> None:
        self._capacity = capacity
        self._lock = threading.Lock()
        self._kept: OrderedDict[tuple[Directory, bytes], Directory] = OrderedDict()
        self.generation = 0

    def get(self, root: Directory, path: bytes) -> Directory:
        """The directory at `path` below `root`; ENOENT, ENOTDIR or ELOOP where there is none."""
        key = (root, path)
        try:
            # Without the lock: each is one step for other threads, and a key lost in between is opened anew.
            directory = self._kept[key]
            self._kept.move_to_end(key)
            return directory
        except KeyError:
            return self._open(key)

    def kept(self, root: Directory, path: bytes) -> Directory | None:
        """The directory at `path` below `root`, if it is at hand."""
        return self._kept.get((root, path))

    def _open(self, key: tuple[Directory, bytes]) -> Directory:
        generation = self.generation
        directory = open_beneath(*key)
        self.keep(key, directory, generation)
        return directory

    def keep(self, key: tuple[Directory, bytes], directory: Directory, generation: int) -> None:
        """Remember what was opened at a path below a root after `generation` had been read."""
        with self._lock:
            if generation == self.generation:
                self._kept[key] = directory
                if len(self._kept) > self._capacity:
                    self._kept.popitem(last=False)

    def forget(self, root: Directory, path: bytes) -> None:
        """`path` and what is below it may lead elsewhere from now on."""
        below = path + b"/"
        with self._lock:
            self.generation += 1
            for key in [key for key in self._kept if key[0] is root]:
                if key[1] == path or key[1].startswith(below):
                    del self._kept[key]

    def forget_removed(self, root: Directory, path: bytes) -> None:
        """There is nothing at `path`, and so nothing below it, any more."""
        with self._lock:
            self.generation += 1
            self._kept.pop((root, path), None)

    def clear(self) -> None:
        """Let go of everything, to give memory back."""
        with self._lock:
            self._kept.clear()

    def forget_all(self, root: Directory) -> None:
        with self._lock:
            self.generation += 1
            for key in [key for key in self._kept if key[0] is root]:
                del self._kept[key]


def _share_of_descriptors() -> int:
    """How many directories to keep open: a quarter of what the process may, within reason."""
    limit, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    return 1024 if limit == resource.RLIM_INFINITY else max(16, min(limit // 4, 1024))


directories = DirectoryCache(_share_of_descriptors())


def open_beneath(root: Directory, path: bytes) -> Directory:
    """Open the directory at `path` below `root`, however long the path is."""
    for name in path.split(b"/"):
        check_name(name)
    step = _open_by_openat2 if syscalls.has_openat2() else _open_by_walking
    directory = root
    while path:
        head, path = _cut(path)
        directory = step(directory, head)
    return directory


def _cut(path: bytes) -> tuple[bytes, bytes]:
    """As many leading components as one system call takes, and the rest."""
    if len(path) < PATH_MAX:
        return path, b""
    end = path.rfind(b"/", 1, PATH_MAX)
    return (path[:end], path[end + 1 :]) if end > 0 else (path, b"")


def _open_by_openat2(start: Directory, path: bytes) -> Directory:
    return _opened(lambda way: syscalls.openat2_directory(start.fd, path, way))


def _open_by_walking(start: Directory, path: bytes) -> Directory:
    directory = start
    for name in path.split(b"/"):
        directory = _open_child(directory, name)
    return directory


def _open_child(directory: Directory, name: bytes) -> Directory:
    return _opened(lambda way: os.open(name, way | _DIRECTORY, dir_fd=directory.fd))


def _opened(attempt: Callable[[int], int]) -> Directory:
    """The directory as `attempt` opens it in the best way that is permitted."""
    for way in _WAYS:
        try:
            return Directory(attempt(way), is_readable=way != os.O_PATH)
        except PermissionError:
            if way == os.O_PATH:
                raise
    raise AssertionError("the last way returns or raises")
