"""What layers can be given as, and what is refused."""

from __future__ import annotations

import gc
import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from comparison import failure_of

from unionfs import AufsDialect, ConfigError, Kind, Layer, MemoryStore, OverlayDialect, UnionFS, UpperLayer


@pytest.fixture
def below(tmp_path: Path) -> Path:
    """A directory with ``etc/{motd,passwd}``, its root with a mode of its own."""
    below = tmp_path / "below"
    (below / "etc").mkdir(parents=True)
    (below / "etc/motd").write_text("hello")
    (below / "etc/passwd").write_text("root")
    below.chmod(0o751)
    return below


def files_of(directory: Path) -> Iterator[tuple[str, bytes]]:
    for path in sorted(directory.rglob("*")):
        yield str(path), path.read_bytes() if path.is_file() else b""


def test_changes_in_memory_leave_the_disk_alone(below: Path) -> None:
    before = list(files_of(below))
    with UnionFS(below) as fs:
        fs.path("etc/motd").write_text("changed")
        fs.unlink("etc/passwd")
        fs.mkdir("new")
        assert [(change.letter, change.path, change.kind, change.size) for change in fs.diff()] == [
            ("C", "/etc", Kind.DIR, 0),
            ("C", "/etc/motd", Kind.FILE, 7),
            ("D", "/etc/passwd", Kind.FILE, 4),
            ("A", "/new", Kind.DIR, 0),
        ]
    assert list(files_of(below)) == before


@pytest.mark.parametrize("form", [str, os.fsencode, Path])
def test_directories_in_every_form(form: type, below: Path) -> None:
    with UnionFS(form(below)) as fs:
        assert fs.path("etc/motd").read_text() == "hello"


def test_the_root_looks_like_that_of_the_lower(below: Path) -> None:
    with UnionFS(below) as fs:
        assert fs.stat("/").st_mode == below.stat().st_mode
        assert fs.stat("/").st_mtime_ns == below.stat().st_mtime_ns


def test_changes_on_disk_are_there_the_next_time(below: Path, tmp_path: Path) -> None:
    upper, work = tmp_path / "upper", tmp_path / "work"
    upper.mkdir()
    work.mkdir()
    with UnionFS(below, upper=upper, work=work) as fs:
        fs.path("etc/motd").write_text("kept")
        fs.unlink("etc/passwd")
    assert (upper / "etc/motd").read_text() == "kept"
    with UnionFS(below, upper=upper, work=work) as fs:
        assert fs.listdir("etc") == ["motd"]
        assert fs.path("etc/motd").read_text() == "kept"
        assert fs.layer_of("etc/motd").name == str(upper)


def test_an_upper_in_use_is_refused_until_it_is_closed(below: Path, tmp_path: Path) -> None:
    upper, work = tmp_path / "upper", tmp_path / "work"
    upper.mkdir()
    work.mkdir()
    first = UnionFS(below, upper=upper, work=work)
    with pytest.raises(ConfigError, match="in use"):
        UnionFS(below, upper=upper, work=work)
    first.close()
    UnionFS(below, upper=upper, work=work).close()


def test_an_open_file_keeps_its_file_system(below: Path, tmp_path: Path) -> None:
    upper, work = tmp_path / "upper", tmp_path / "work"
    upper.mkdir()
    work.mkdir()
    file = UnionFS(below, upper=upper, work=work).open("etc/motd", "a")
    gc.collect()
    with file:
        file.write("!")
    assert (upper / "etc/motd").read_text() == "hello!"


def test_read_only(below: Path) -> None:
    with UnionFS(below, read_only=True) as fs:
        assert fs.path("etc/motd").read_text() == "hello"
        assert fs.statvfs("/").f_flag & os.ST_RDONLY
        for call in (lambda: fs.mkdir("x"), lambda: fs.unlink("etc/motd"), lambda: fs.open("etc/motd", "w")):
            assert failure_of(call).strerror == "Read-only file system"


def test_stores_and_layers_in_any_mixture(below: Path) -> None:
    middle = MemoryStore.of({"etc/motd": b"middle", "etc/.wh.passwd": b"", "only": b"middle"}, name="middle")
    top = MemoryStore.of({"only": b"top"}, name="top")
    with UnionFS(top, Layer(middle, AufsDialect()), below) as fs:
        assert fs.listdir("etc") == ["motd"]
        assert fs.path("only").read_text() == "top"
        assert [fs.layer_of(path).name for path in ("only", "etc/motd")] == ["top", "middle"]
        fs.symlink("only", "link")
        assert fs.layer_of("link").name == "top"
        assert fs.layer_of("link", follow_symlinks=False).name == "changes"


def test_aufs_marks_are_found(below: Path) -> None:
    with UnionFS(MemoryStore.of({".wh.etc": b""}), below) as fs:
        assert fs.listdir("/") == []


def test_a_store_as_upper_keeps_the_changes(below: Path) -> None:
    changes = MemoryStore("kept")
    with UnionFS(below, upper=changes) as fs:
        fs.unlink("etc/motd")
    with UnionFS(changes, below, read_only=True) as fs:
        assert fs.listdir("etc") == ["passwd"]


def test_an_upper_layer_as_upper() -> None:
    store = MemoryStore()
    with UnionFS(upper=UpperLayer(store, OverlayDialect(), MemoryStore(beside=store))) as fs:
        fs.mkdir("a")
    assert [name for name, _ in store.scan(b"")] == [b"a"]


def test_owner() -> None:
    with UnionFS() as fs:
        fs.mkdir("a")
        assert (fs.stat("a").st_uid, fs.stat("a").st_gid) == (os.geteuid(), os.getegid())
    with UnionFS(owner=(7, 8)) as fs:
        fs.mkdir("a")
        fs.symlink("a", "b")
        fs.open("c", "w").close()
        assert {(fs.lstat(name).st_uid, fs.lstat(name).st_gid) for name in "abc"} == {(7, 8)}


def test_over_a_union_that_is_there() -> None:
    with UnionFS(MemoryStore()) as fs:
        fs.mkdir("a")
        assert UnionFS.over(fs.union, owner=(1, 1)).listdir("/") == ["a"]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"upper": "up"}, "upperdir=.*up needs a workdir"),
        ({"work": "work"}, "only an upper directory has a work directory"),
        ({"upper": MemoryStore(), "work": "work"}, "only an upper directory"),
        ({"upper": MemoryStore(), "read_only": True}, "no upper layer"),
        ({"upper": "up", "work": "missing"}, "workdir=.*missing"),
        ({"upper": "missing", "work": "work"}, "upperdir=.*missing"),
        ({"upper": "below/etc", "work": "work"}, "overlaps"),
    ],
)
def test_refused(
    arguments: dict[str, object], message: str, below: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(below.parent)
    Path("up").mkdir()
    Path("work").mkdir()
    before = list(files_of(below.parent))
    with pytest.raises(ConfigError, match=message):
        UnionFS(below, **arguments)  # type: ignore[arg-type]
    assert list(files_of(below.parent)) == before


@pytest.mark.parametrize("name", ["missing", "below/etc/motd"])
def test_a_lower_that_is_no_directory(name: str, below: Path) -> None:
    with pytest.raises(ConfigError, match=name):
        UnionFS(below.parent / name)


def test_layers_are_told_from_the_top(below: Path) -> None:
    memory = Layer(MemoryStore("memory"), OverlayDialect())
    with UnionFS(memory, below) as fs:
        assert [layer.name for layer in fs.layers] == ["changes", "memory", str(below)]
        assert fs.layers[1] == memory
        assert fs.layer_of("etc/motd") == fs.layers[2]
        fs.chmod("etc/motd", 0o600)
        assert fs.layer_of("etc/motd") == fs.layers[0]
    with UnionFS(below, read_only=True) as fs:
        assert [layer.name for layer in fs.layers] == [str(below)]
