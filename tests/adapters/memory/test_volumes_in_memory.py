"""Volumes of a union in memory: the same calls with the same outcomes as on a mount with the same ones."""

from __future__ import annotations

import errno
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from unionfs import ConfigError, MemoryStore, UnionFS, commit_image, mounted, open_image, open_union

Calls = Callable[..., Any]
Outcome = object


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    for name in ("L/data", "L/etc", "L/way/in", "host/sub", "other"):
        (tmp_path / name).mkdir(parents=True)
    (tmp_path / "L/data/below").write_text("hidden")
    (tmp_path / "L/etc/conf").write_text("of the image")
    (tmp_path / "host/f").write_text("of the host")
    (tmp_path / "host/sub/g").write_text("deeper")
    (tmp_path / "host/to-root").symlink_to("/etc/conf")
    (tmp_path / "host/up").symlink_to("../etc/conf")
    (tmp_path / "other/o").write_text("other")
    (tmp_path / "file").write_text("a file")
    return tmp_path


VOLUMES = ["host:/data", "other:/new/deep:ro", "file:/etc/file", "other:/data/sub/nested"]


class Mounted:
    """The calls of `os` below a mountpoint."""

    def __init__(self, root: Path) -> None:
        self._root = root

    def at(self, path: str) -> str:
        return f"{self._root}{path}"

    def read(self, path: str) -> str:
        with open(self.at(path)) as opened:
            return opened.read()

    def write(self, path: str, text: str, mode: str = "w") -> None:
        with open(self.at(path), mode) as opened:
            opened.write(text)

    def call(self, name: str, *arguments: Any, **named: Any) -> Any:
        paths = 2 if name in ("rename", "link") else 1
        return getattr(os, name)(*map(self.at, arguments[:paths]), *arguments[paths:], **named)

    def symlink(self, target: str, path: str) -> None:
        os.symlink(target, self.at(path))


class InMemory:
    def __init__(self, fs: UnionFS) -> None:
        self._fs = fs

    def read(self, path: str) -> str:
        return self._fs.path(path).read_text()

    def write(self, path: str, text: str, mode: str = "w") -> None:
        with self._fs.open(path, mode) as opened:
            opened.write(text)

    def call(self, name: str, *arguments: Any, **named: Any) -> Any:
        return getattr(self._fs, name)(*arguments, **named)

    def symlink(self, target: str, path: str) -> None:
        self._fs.symlink(target, path)


@contextmanager
def on_a_mount() -> Iterator[Mounted]:
    with mounted("L", volumes=VOLUMES) as union:
        yield Mounted(union.path)


@contextmanager
def in_memory() -> Iterator[InMemory]:
    with UnionFS("L", volumes=VOLUMES) as fs:
        yield InMemory(fs)


def outcome(call: Callable[[], object]) -> Outcome:
    try:
        return call()
    except OSError as failure:
        return errno.errorcode[failure.errno or 0]


def told(union: Mounted | InMemory) -> list[Outcome]:
    """What a long list of calls gives."""
    steps: list[Callable[[], object]] = [
        lambda: sorted(union.call("listdir", "/")),
        lambda: sorted(union.call("listdir", "/data")),
        lambda: sorted(union.call("listdir", "/data/sub")),
        lambda: sorted(union.call("listdir", "/new/deep")),
        lambda: union.read("/data/f"),
        lambda: union.read("/data/below"),
        lambda: union.read("/data/sub/nested/o"),
        lambda: union.read("/etc/file"),
        # Whatever leads in and out
        lambda: union.read("/data/../etc/conf"),
        lambda: union.read("/data/sub/nested/../g"),
        lambda: union.read("/data/sub/../../etc/file"),
        lambda: union.call("readlink", "/data/up"),
        lambda: union.call("link", "/data/f", "/etc/linked"),
        lambda: union.call("link", "/etc/conf", "/data/linked"),
        lambda: union.call("link", "/data/f", "/data/linked"),
        lambda: union.call("stat", "/data/f").st_nlink,
        lambda: union.call("rename", "/data/f", "/etc/moved"),
        lambda: union.call("rename", "/etc/conf", "/data/moved"),
        lambda: union.call("rename", "/data/f", "/new/deep/f"),
        # What has a volume on it
        lambda: union.call("rmdir", "/data"),
        lambda: union.call("rename", "/data", "/elsewhere"),
        lambda: union.call("rename", "/way", "/data"),
        lambda: union.call("unlink", "/etc/file"),
        lambda: union.call("rename", "/etc/file", "/etc/moved"),
        lambda: union.call("rmdir", "/new"),
        # A directory above one, which takes it along
        lambda: union.call("rename", "/new", "/newer"),
        lambda: union.read("/newer/deep/o"),
        # Changes
        lambda: union.write("/data/new", "written"),
        lambda: union.write("/data/new", " and more", "a"),
        lambda: union.read("/data/new"),
        lambda: union.call("truncate", "/data/new", 3),
        lambda: union.read("/data/new"),
        lambda: union.call("chmod", "/data/new", 0o600),
        lambda: oct(union.call("stat", "/data/new").st_mode),
        lambda: union.call("utime", "/data/new", ns=(10**9, 2 * 10**9)),
        lambda: union.call("stat", "/data/new").st_mtime_ns,
        lambda: union.call("mkdir", "/data/dir", 0o750),
        lambda: union.call("mkdir", "/data/dir"),
        lambda: union.call("rename", "/data/new", "/data/dir/new"),
        lambda: union.call("listdir", "/data/dir"),
        lambda: union.call("rmdir", "/data/dir"),
        lambda: union.call("unlink", "/data/dir"),
        lambda: union.call("unlink", "/data/dir/new"),
        lambda: union.call("rmdir", "/data/dir"),
        lambda: union.symlink("/etc/conf", "/data/made"),
        lambda: union.call("readlink", "/data/made"),
        lambda: union.call("mkfifo", "/data/fifo"),
        lambda: union.call("setxattr", "/data/f", "user.a", b"v"),
        lambda: union.call("getxattr", "/data/f", "user.a"),
        lambda: union.call("listxattr", "/data/f"),
        lambda: union.call("removexattr", "/data/f", "user.a"),
        lambda: union.call("getxattr", "/data/f", "user.a"),
        lambda: union.write("/etc/file", "over"),
        lambda: union.read("/etc/file"),
        # A read-only one
        lambda: union.write("/newer/deep/o", "over"),
        lambda: union.write("/newer/deep/p", "new"),
        lambda: union.call("unlink", "/newer/deep/o"),
        lambda: union.call("mkdir", "/newer/deep/d"),
        lambda: union.call("chmod", "/newer/deep/o", 0o600),
        lambda: union.call("rename", "/newer/deep/o", "/newer/deep/p"),
        # Names that would be marks in a layer
        lambda: union.write("/data/.wh.f", "a name as any other"),
        lambda: union.read("/data/f"),
        lambda: union.call("stat", "/data/nothing/at/all"),
        lambda: union.call("stat", "/data/f/x"),
        lambda: sorted(union.call("listdir", "/data")),
    ]
    return [outcome(step) for step in steps]


def state(directory: Path) -> dict[str, tuple[int, bytes]]:
    return {
        str(path.relative_to(directory)): (path.lstat().st_mode, path.read_bytes() if path.is_file() else b"")
        for path in sorted(directory.rglob("*"))
        if not path.is_symlink()
    }


def test_the_same_as_on_a_mount(here: Path) -> None:
    if os.geteuid() != 0:
        pytest.fail("only root can mount volumes")
    kept = {path: path.read_text() for path in (here / "file", here / "other/o")}
    with in_memory() as union:
        ours = told(union)
    after = state(here / "host")
    everything = state(here).keys()
    for path, text in kept.items():
        path.write_text(text)
    for name in ("linked", "made", "fifo", ".wh.f"):
        (here / "host" / name).unlink()
    with on_a_mount() as there:
        theirs = told(there)
    assert ours == theirs
    assert state(here / "host") == after
    assert state(here).keys() == everything


def test_symbolic_links_in_a_volume_start_at_the_root_of_the_union(here: Path) -> None:
    with UnionFS("L", volumes=["host:/data"]) as fs:
        assert fs.path("/data/to-root").read_text() == "of the image"
        assert fs.path("/data/up").read_text() == "of the image"


def test_changes_of_others_are_seen_at_once(here: Path) -> None:
    with UnionFS("L", volumes=["host:/data"]) as fs:
        assert fs.path("/data/sub/g").read_text() == "deeper"
        (here / "host/sub").rename(here / "host/old")
        (here / "host/sub").mkdir()
        (here / "host/sub/h").write_text("another")
        assert fs.listdir("/data/sub") == ["h"]
        assert fs.path("/data/sub/h").read_text() == "another"
        fs.path("/data/sub/i").write_text("made")
        assert (here / "host/sub/i").read_text() == "made"
        (here / "host/sub/g").symlink_to(here / "file")
        with pytest.raises(FileNotFoundError):
            fs.path("/data/sub/g").read_text()  # it leads to that name in the union


def test_neither_diff_nor_commit_has_more_than_the_place(here: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("UNIONFS_STORE", str(here / "store"))
    with UnionFS(MemoryStore()) as fs:
        fs.mkdir("/data")
        commit_image(fs, None, "oci:layout:1")
    with open_image("oci:layout:1", volumes=["host:/data", "file:/etc/file"]) as fs:
        fs.path("/data/new").write_text("kept")
        fs.path("/b").write_text("2")
        found = {change.path for change in fs.diff()}
        assert found == {"/b", "/etc", "/etc/file"}
        commit_image(fs, "oci:layout:1", "oci:layout:2")
    assert (here / "host/new").read_text() == "kept"
    with open_image("oci:layout:2") as fs:
        assert fs.listdir("/data") == []
        assert fs.path("/etc/file").read_text() == ""


def test_an_open_file_that_is_removed(here: Path) -> None:
    with UnionFS("L", volumes=["host:/data"]) as fs, fs.open("/data/f", "r+") as opened:
        fs.unlink("/data/f")
        opened.write("OF")
        opened.seek(0)
        assert opened.read() == "OF the host"


def test_whose_layer(here: Path) -> None:
    with UnionFS("L", volumes=["host:/data"]) as fs:
        assert fs.layer_of("/etc/conf").name == "L"
        with pytest.raises(OSError, match="Invalid argument: '/data/f'"):
            fs.layer_of("/data/f")
        assert fs.statvfs("/data").f_blocks == os.statvfs(here / "host").f_blocks


def test_in_a_read_only_union(here: Path) -> None:
    """A volume may be written to; but a place cannot be made."""
    with UnionFS("L", read_only=True, volumes=["host:/data"]) as fs:
        fs.path("/data/new").write_text("written")
        with pytest.raises(OSError, match="Read-only"):
            fs.path("/etc/new").write_text("x")
    with pytest.raises(ConfigError, match=r"host:/nowhere: Read-only file system"):
        UnionFS("L", read_only=True, volumes=["host:/nowhere"])


def test_over_an_upper_directory(here: Path) -> None:
    for name in ("U", "W"):
        (here / name).mkdir()
    with open_union("L", upper="U", work="W", volumes=["host:/data", "other:/made/here"]) as fs:
        fs.path("/data/new").write_text("kept")
        assert sorted(fs.listdir("/made/here")) == ["o"]
    assert sorted(path.name for path in (here / "U").rglob("*")) == ["here", "made"]
    assert (here / "host/new").read_text() == "kept"


@pytest.mark.parametrize(
    ("volume", "words"),
    [
        ("host", "not HOST:PATH"),
        ("host:data", "not HOST:PATH"),
        ("host:/", "the path in the union is '/'"),
        ("host:/data/../..", "has '.', '..'"),
        ("nowhere:/data", "nowhere does not exist"),
        ("file:/data", "file:/data: Not a directory"),
        ("host:/etc/conf", "host:/etc/conf: Not a directory"),
        ("host:/etc/conf/x", "host:/etc/conf/x: Not a directory"),
        ("host:/out", "Too many levels of symbolic links"),
        ("host:/out/x", "Too many levels of symbolic links"),
    ],
)
def test_refusals(here: Path, volume: str, words: str) -> None:
    (here / "L/out").symlink_to(here / "other")
    with pytest.raises(ConfigError, match=words) as refused:
        UnionFS("L", volumes=["other:/first", volume])
    assert "\n" not in str(refused.value)
    assert sorted(os.listdir(here / "other")) == ["o"]


def test_a_mount_s_volumes_stay_when_it_ends(here: Path) -> None:
    if os.geteuid() != 0:
        pytest.fail("only root can mount volumes")
    with mounted("L", volumes=["host:/data"]) as union:
        (union.path / "data/new").write_text("kept")
        assert [change.path for change in union.diff()] == []
    assert (here / "host/new").read_text() == "kept"
    assert not union.path.exists()
