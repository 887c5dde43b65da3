"""Every call against the host's own: the same result or error, and the same tree afterwards."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from functools import partial
from pathlib import Path

import pytest
from comparison import Api, Pair, outcome

PATHS = [
    "file", "file/", "file/x", "file/..", "dir", "dir/", "dir//", "dir/.", "dir/..", "dir/sub/../a.txt",
    "./dir/./a.txt", "dir//a.txt", "missing", "missing/", "missing/x", "empty", "empty/new", "empty/new/",
    "link", "link/", "link/x", "to_dir", "to_dir/", "to_dir/a.txt", "to_dir/sub/", "to_dir/..", "dangling",
    "dangling/", "far", "far/", "loop", "loop/", "loop/x", "ping", "dir/up", "slashed", "slashed/a.txt",
    "not_dir", "dir/hard", ".", "./", "", "x" * 255, "x" * 256, "nul\0", "nul\0/x", b"\xff\xfe", b"dir/a.txt",
    b"missing", "\udcff\udcfe", "ünï", Path("dir/a.txt"), Path("missing"),
]  # fmt: skip


def contents(api: Api, path: object) -> object:
    with api.open(path, "rb") as file:
        return file.read()


READING: list[Callable[..., object]] = [
    lambda api, path: api.stat(path),
    lambda api, path: api.lstat(path),
    lambda api, path: api.stat(path, follow_symlinks=False),
    lambda api, path: api.readlink(path),
    lambda api, path: api.exists(path),
    lambda api, path: api.lexists(path),
    lambda api, path: api.isfile(path),
    lambda api, path: api.isdir(path),
    lambda api, path: api.islink(path),
    lambda api, path: api.statvfs(path),
    lambda api, path: contents(api, path),
    lambda api, path: api.listdir(path),
    lambda api, path: [(entry.name, entry.path) for entry in api.scandir(path)],
    lambda api, path: [(at, sorted(dirs), sorted(others)) for at, dirs, others in api.walk(path)],
    lambda api, path: [at for at, _, _ in api.walk(path, topdown=False)][-1:],
]

CHANGING: list[Callable[..., object]] = [
    lambda api, path: api.mkdir(path),
    lambda api, path: api.mkdir(path, 0o700),
    lambda api, path: api.makedirs(path),
    lambda api, path: api.makedirs(path, exist_ok=True),
    lambda api, path: api.mknod(path),
    lambda api, path: api.mkfifo(path),
    lambda api, path: api.symlink("to", path),
    lambda api, path: api.symlink(path, "new"),
    lambda api, path: api.link("file", path),
    lambda api, path: api.link(path, "new"),
    lambda api, path: api.unlink(path),
    lambda api, path: api.remove(path),
    lambda api, path: api.rmdir(path),
    lambda api, path: api.rename(path, "new"),
    lambda api, path: api.rename(path, "new/"),
    lambda api, path: api.rename("file", path),
    lambda api, path: api.rename("dir/sub", path),
    lambda api, path: api.replace("to_dir", path),
    lambda api, path: api.truncate(path, 2),
    lambda api, path: api.truncate(path, 100),
    lambda api, path: api.chmod(path, 0o4751),
    lambda api, path: api.chown(path, 12, 34),
    lambda api, path: api.chown(path, 12, 34, follow_symlinks=False),
    lambda api, path: api.chown(path, -1, 5),
    lambda api, path: api.utime(path, (1.25, 2)),
    lambda api, path: api.utime(path, ns=(3, 4), follow_symlinks=False),
    lambda api, path: api.utime(path),
    lambda api, path: api.setxattr(path, "user.x", b"value"),
    lambda api, path: api.setxattr(path, b"trusted.x", b"value", follow_symlinks=False),
    lambda api, path: api.removexattr(path, "user.none"),
    lambda api, path: api.getxattr(path, "user.none"),
    lambda api, path: api.open(path, "w").close(),
    lambda api, path: api.open(path, "x").close(),
    lambda api, path: api.open(path, "a").close(),
    lambda api, path: api.open(path, "r+").close(),
]


def source(call: Callable[..., object]) -> str:
    return inspect.getsource(call).partition(": ")[2].strip().rstrip(",")


@pytest.mark.parametrize("call", READING, ids=source)
def test_reading(call: Callable[..., object], pair: Pair) -> None:
    found = {
        path: (outcome(partial(call, path=path), pair.fs), outcome(partial(call, path=path), pair.host))
        for path in PATHS
    }
    assert {path: both for path, both in found.items() if both[0] != both[1]} == {}


@pytest.mark.parametrize("call", CHANGING, ids=source)
def test_changing(call: Callable[..., object], pair: Pair) -> None:
    found = {path: pair.differences(partial(call, path=path)) for path in PATHS}
    assert {path: differences for path, differences in found.items() if differences} == {}
