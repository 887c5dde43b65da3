"""Lower directories that are changed by others while they are mounted."""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from mounts import Mount
from unions import OVERLAY

from unionfs.adapters.fuse.beneath import watched
from unionfs.core.layer import Layer
from unionfs.core.union import Union
from unionfs.layers.host.inotify import Inotify
from unionfs.layers.host.store import HostStore

PATIENCE = 10
"""Seconds until a change must be seen; libfuse keeps names for one second."""

Mounted = Callable[..., Path]


def eventually(see: Callable[[], object], expected: object) -> None:
    deadline = time.monotonic() + PATIENCE
    while (seen := outcome(see)) != expected and time.monotonic() < deadline:
        time.sleep(0.01)
    assert seen == expected


def outcome(see: Callable[[], object]) -> object:
    try:
        return see()
    except OSError as failure:
        return failure.errno


@pytest.fixture
def root(mounted: Mounted) -> Path:
    """Looked at, so that the kernel and the daemon remember it."""
    root = mounted({"dir/changed": b"ch", "dir/removed": b"x", "dir/sub/deep": b"deep", "other/a": b"a"})
    for directory, _, names in os.walk(root):
        for name in names:
            (Path(directory) / name).read_bytes()
    assert not (root / "dir/new").exists()
    return root


def test_content_that_grows(prepared: Mount, root: Path) -> None:
    (prepared.lower / "dir/changed").write_bytes(b"changed, and longer")
    eventually((root / "dir/changed").read_bytes, b"changed, and longer")
    assert (root / "dir/changed").stat().st_size == 19


def test_content_that_shrinks_under_an_open_file(prepared: Mount, root: Path) -> None:
    with (root / "dir/changed").open("rb", 0) as file:
        os.truncate(prepared.lower / "dir/changed", 1)
        eventually(lambda: os.pread(file.fileno(), 9, 0), b"c")
        eventually(lambda: os.fstat(file.fileno()).st_size, 1)


def test_names_that_come_and_go(prepared: Mount, root: Path) -> None:
    (prepared.lower / "dir/new").write_bytes(b"new")
    (prepared.lower / "dir/removed").unlink()
    eventually(lambda: sorted(os.listdir(root / "dir")), ["changed", "new", "sub"])
    eventually((root / "dir/new").read_bytes, b"new")
    eventually((root / "dir/removed").exists, False)


def test_a_file_that_another_takes_the_place_of(prepared: Mount, root: Path) -> None:
    before = (root / "dir/changed").stat().st_ino
    with (root / "dir/changed").open("rb", 0) as file:
        (prepared.lower / "dir/temp").write_bytes(b"another file")
        os.rename(prepared.lower / "dir/temp", prepared.lower / "dir/changed")
        eventually((root / "dir/changed").read_bytes, b"another file")
        assert (root / "dir/changed").stat().st_ino != before
        if prepared.transport == "native":  # libfuse 2 takes what has the same path for the same file
            assert os.pread(file.fileno(), 9, 0) == b"ch"
            assert os.fstat(file.fileno()).st_size == 2


def test_attributes(prepared: Mount, root: Path) -> None:
    os.chmod(prepared.lower / "dir/changed", 0o600)
    eventually(lambda: (root / "dir/changed").stat().st_mode, 0o100600)


def test_a_directory_that_moves(prepared: Mount, root: Path) -> None:
    os.rename(prepared.lower / "dir/sub", prepared.lower / "other/sub")
    eventually((root / "other/sub/deep").read_bytes, b"deep")
    eventually((root / "dir/sub").exists, False)
    (prepared.lower / "other/sub/more").write_bytes(b"more")
    eventually(lambda: sorted(os.listdir(root / "other/sub")), ["deep", "more"])


def test_what_the_upper_layer_says_stays(prepared: Mount, root: Path) -> None:
    (root / "dir/changed").write_bytes(b"upper")
    (root / "dir/removed").unlink()
    (root / "dir/mine").write_bytes(b"mine")
    (prepared.lower / "dir/changed").write_bytes(b"lower")
    (prepared.lower / "dir/mine").write_bytes(b"lower")
    (prepared.lower / "dir/seen").write_bytes(b"seen")
    eventually((root / "dir/seen").read_bytes, b"seen")
    assert sorted(os.listdir(root / "dir")) == ["changed", "mine", "seen", "sub"]
    assert (root / "dir/changed").read_bytes() == b"upper"
    (root / "dir/mine").unlink()
    assert not (root / "dir/mine").exists(), "the lower one is hidden"
    prepared.unmount()
    prepared.mount()
    assert sorted(os.listdir(root / "dir")) == ["changed", "seen", "sub"]


def test_a_directory_that_a_new_one_merges_with(prepared: Mount, root: Path) -> None:
    (root / "mine").mkdir()
    (root / "mine/upper").write_bytes(b"upper")
    (prepared.lower / "mine").mkdir()
    (prepared.lower / "mine/lower").write_bytes(b"lower")
    eventually(lambda: sorted(os.listdir(root / "mine")), ["lower", "upper"])
    (root / "mine/lower").unlink()
    assert os.listdir(root / "mine") == ["upper"]


def test_trusted_layers_are_not_watched(prepared: Mount) -> None:
    (prepared.lower / "file").write_bytes(b"old")
    prepared.mount("--cache", "always")
    assert (prepared.merged / "file").read_bytes() == b"old"
    open_files = Path(f"/proc/{prepared.pid}/fd")
    assert not any("inotify" in os.readlink(descriptor) for descriptor in open_files.iterdir())


def test_nobody_waits_for_the_kernel_to_end_a_watch(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It takes so long that umount(8) of a layer, right after that of the union, would find it busy."""
    ended = threading.Event()
    close = Inotify.close

    def close_late(watch: Inotify) -> None:
        assert ended.wait(PATIENCE)
        close(watch)

    monkeypatch.setattr(Inotify, "close", close_late)
    store = HostStore(tmp_path)
    union = Union([Layer(store, OVERLAY)])
    with watched(union, [store], lambda change: None):
        union.readdir(union.root)
    union.close()
    ended.set()
