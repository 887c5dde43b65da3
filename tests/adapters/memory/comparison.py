"""The host's own calls in the shape of `UnionFS`, and ways to compare the two."""

from __future__ import annotations

import builtins
import itertools
import os
import stat
from collections.abc import Callable
from typing import Any

from unionfs import MemoryStore, UnionFS


class Host:
    """`os`, `os.path` and `open` under one name."""

    def __getattr__(self, name: str) -> Any:
        for module in (os, os.path, builtins):
            if hasattr(module, name):
                return getattr(module, name)
        raise AttributeError(name)

    open = staticmethod(builtins.open)


Api = Any
"""A `Host` or a `UnionFS`."""


def build(api: Api) -> None:
    """The tree that the tests share; every file is 10 days old."""
    for directory in ("dir", "dir/sub", "empty", "dir/.hidden"):
        api.mkdir(directory)
    for path, text in {
        "file": "one\ntwo\nthree\n",
        "dir/a.txt": "a",
        "dir/b.txt": "bb",
        "dir/sub/c.txt": "ccc",
        "dir/.hidden/d.txt": "",
        "dir/[x]": "brackets",
    }.items():
        with api.open(path, "w") as file:
            file.write(text)
    for path, target in {
        "link": "file",
        "to_dir": "dir",
        "dangling": "nowhere",
        "far": "dir/sub/../../empty/new",
        "loop": "loop",
        "ping": "pong",
        "pong": "ping",
        "dir/up": "../file",
        "slashed": "dir/",
        "not_dir": "file/",
    }.items():
        api.symlink(target, path)
    api.link("file", "dir/hard")
    api.mkfifo("fifo")
    with api.open(b"\xff\xfe", "wb") as file:
        file.write(b"not UTF-8")
    for path in ("file", "dir", "empty", "link"):
        api.utime(path, ns=(10**18 + 1, 10**18 + 2), follow_symlinks=False)


Outcome = tuple[Any, ...]


def outcome(call: Callable[[Api], Any], api: Api) -> Outcome:
    """What a call does, in a form that can be compared: its result or its error."""
    try:
        return ("returned", plain(call(api)))
    except OSError as failure:
        return (type(failure), failure.errno, failure.filename, failure.filename2)
    except (ValueError, TypeError, NotImplementedError) as failure:
        return (type(failure),)


def failure_of(call: Callable[[], object]) -> OSError:
    """The error that `call` raises."""
    try:
        result = call()
    except OSError as failure:
        return failure
    raise AssertionError(f"no error but {result!r}")


def same(ours: Outcome, theirs: Outcome) -> bool:
    """Whether two outcomes agree; some calls of `os` (mknod, utime) leave the filename out."""
    return ours == theirs or (theirs[2:] == (None, None) and ours[:2] == theirs[:2])


def plain(result: Any) -> Any:
    """`result` without what no two file systems share."""
    if isinstance(result, os.stat_result):
        return attributes(result)
    if isinstance(result, os.statvfs_result):
        return result.f_namemax
    if isinstance(result, list):
        return sorted(map(plain, result))
    return result


def attributes(found: os.stat_result) -> Outcome:
    """What two equal files agree on; times only where a test has set them (in 2001)."""
    is_dir = stat.S_ISDIR(found.st_mode)
    return (
        found.st_mode,
        found.st_uid,
        found.st_gid,
        None if is_dir else (found.st_nlink, found.st_size, found.st_rdev),
        found.st_mtime_ns if found.st_mtime_ns < 15 * 10**17 else "now",
    )


def snapshot(api: Api, top: str = ".") -> dict[str, Outcome]:
    """The whole tree: path -> attributes, and content or target."""
    tree: dict[str, Outcome] = {}
    for path, dirs, others in api.walk(top):
        for name in dirs + others:
            tree[f"{path}/{name}"] = _entry(api, f"{path}/{name}")
    return tree


def _entry(api: Api, path: str) -> Outcome:
    found = api.lstat(path)
    content: Any = None
    if stat.S_ISREG(found.st_mode):
        with api.open(path, "rb") as file:
            content = file.read()
    elif stat.S_ISLNK(found.st_mode):
        content = api.readlink(path)
    return (*attributes(found), content)


class Pair:
    """The tree of `build` in a host directory, made the current one, and in a union."""

    def __init__(self, arrangement: str) -> None:
        self.host = Host()
        self.fs = UnionFS()
        self._arrangement = arrangement
        self._home = os.getcwd()
        self._numbers = itertools.count()
        self.renew()

    def renew(self) -> None:
        """Both as they were first."""
        self.fs.close()
        self.fs = self._union()
        self._enter("host")

    def _union(self) -> UnionFS:
        if self._arrangement == "directory":
            return UnionFS(self._enter("layer"))
        store = MemoryStore()
        filled = UnionFS(upper=store)
        build(filled)
        return filled if self._arrangement == "upper" else UnionFS(store)

    def _enter(self, name: str) -> str:
        directory = os.path.join(self._home, f"{name}{next(self._numbers)}")
        os.mkdir(directory)
        os.chdir(directory)
        build(self.host)
        return directory

    def __enter__(self) -> Pair:
        return self

    def __exit__(self, *_: object) -> None:
        self.fs.close()
        os.chdir(self._home)

    def differences(self, call: Callable[[Api], Any], renew: bool = True) -> list[tuple[Any, Any]]:
        """Where the two do not agree: in what `call` does, or in the trees that it leaves.

        With `renew` the trees are made anew after a call that did anything. One that failed is known
        to have done nothing once a later one is compared.
        """
        ours, theirs = outcome(call, self.fs), outcome(call, self.host)
        if same(ours, theirs) and ours[0] != "returned":
            return []
        trees = snapshot(self.fs).items() ^ snapshot(self.host).items()
        if renew:
            self.renew()
        return [(ours, theirs)] * (not same(ours, theirs)) + sorted(trees, key=repr)
