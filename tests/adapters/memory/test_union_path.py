"""`UnionPath` against `pathlib.Path`, and as a `Traversable`."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from importlib.resources.abc import Traversable
from pathlib import Path, PurePosixPath
from typing import Any

import pytest
from comparison import Pair, outcome, snapshot

from unionfs import MemoryStore, UnionFS, UnionPath

CALLS: list[Callable[[Any], Any]] = [
    lambda top: (top / "dir" / "a.txt").read_text(),
    lambda top: (top / "file").read_bytes(),
    lambda top: (top / "missing").read_bytes(),
    lambda top: (top / "dir").read_text(),
    lambda top: (top / "new").write_text("ä\n", encoding="utf-8", newline="\r\n"),
    lambda top: (top / "new").write_bytes(b"12"),
    lambda top: (top / "dir").write_bytes(b"12"),
    lambda top: (top / "file").exists(),
    lambda top: (top / "dangling").exists(),
    lambda top: (top / "nul\0").exists(),
    lambda top: (top / "to_dir").is_dir(),
    lambda top: (top / "link").is_file(),
    lambda top: (top / "link").is_symlink(),
    lambda top: str((top / "dir/up").readlink()),
    lambda top: (top / "file").readlink(),
    lambda top: sorted(path.name for path in (top / "dir").iterdir()),
    lambda top: list((top / "file").iterdir()),
    lambda top: (top / "new").touch(),
    lambda top: (top / "new").touch(0o600),
    lambda top: (top / "file").touch(),
    lambda top: (top / "file").touch(exist_ok=False),
    lambda top: (top / "new").mkdir(),
    lambda top: (top / "new").mkdir(0o700),
    lambda top: (top / "new/deep/er").mkdir(),
    lambda top: (top / "new/deep/er").mkdir(parents=True),
    lambda top: (top / "dir").mkdir(),
    lambda top: (top / "dir").mkdir(exist_ok=True),
    lambda top: (top / "dir").mkdir(parents=True, exist_ok=True),
    lambda top: (top / "file").mkdir(exist_ok=True),
    lambda top: (top / "file").mkdir(parents=True, exist_ok=True),
    lambda top: (top / "file").unlink(),
    lambda top: (top / "missing").unlink(),
    lambda top: (top / "missing").unlink(missing_ok=True),
    lambda top: (top / "empty").rmdir(),
    lambda top: (top / "dir").rmdir(),
    lambda top: (top / "file").rename(top / "moved").name,
    lambda top: (top / "file").replace(top / "dir/a.txt").read_bytes(),
    lambda top: (top / "file").rename(top / "dir"),
    lambda top: (top / "file").chmod(0o600),
    lambda top: (top / "link").chmod(0o600),
    lambda top: (top / "new").symlink_to("dir"),
    lambda top: (top / "file").symlink_to("dir"),
    lambda top: (top / "new").hardlink_to(top / "file"),
    lambda top: (top / "new").hardlink_to(top / "missing"),
    lambda top: (top / "link").stat(),
    lambda top: (top / "link").lstat(),
    lambda top: (top / "link").stat(follow_symlinks=False),
]

TEXTS: list[Callable[[Any], Any]] = [
    lambda path: path.name,
    lambda path: path.stem,
    lambda path: path.suffix,
    lambda path: path.suffixes,
    lambda path: path.parts,
    lambda path: str(path.parent),
    lambda path: [str(parent) for parent in path.parents],
    lambda path: str(path.joinpath("x", "y/z")),
    lambda path: str(path / "x" / "/absolute"),
    lambda path: str(path.with_name("other")),
    lambda path: str(path.with_stem("other")),
    lambda path: str(path.with_suffix(".py")),
    lambda path: path.relative_to("/a"),
    lambda path: path.is_relative_to("/a"),
    lambda path: path.match("*.gz"),
    str,
]


def source(call: Callable[..., object]) -> str:
    return inspect.getsource(call).partition(": ")[2].strip().rstrip(",") if call is not str else "str"


def without_root(found: tuple[Any, ...], root: Path) -> tuple[Any, ...]:
    """An outcome with the filenames that the other side gives."""
    return tuple(part.replace(str(root), "") if isinstance(part, str) else part for part in found)


@pytest.mark.parametrize("call", CALLS, ids=source)
def test_calls_like_pathlib(call: Callable[[Any], Any], pair: Pair) -> None:
    ours, theirs = outcome(call, pair.fs.path()), outcome(call, Path.cwd())
    theirs = without_root(theirs, Path.cwd())
    assert ours == theirs or (ours[:2] == theirs[:2] and theirs[2:] == (None, None))
    assert snapshot(pair.fs) == snapshot(pair.host)


@pytest.mark.parametrize("text", ["/", "/a", "/a/b.tar.gz", "/a/.hidden", "/a/../b"])
@pytest.mark.parametrize("call", TEXTS, ids=source)
def test_texts_like_pathlib(call: Callable[[Any], Any], text: str, fs: UnionFS) -> None:
    assert outcome(call, fs.path(text)) == outcome(call, PurePosixPath(text))


def test_walk_like_pathlib(fs: UnionFS) -> None:
    found = {str(path): (sorted(dirs), sorted(others)) for path, dirs, others in fs.path("dir").walk()}
    assert found == {
        "/dir": ([".hidden", "sub"], ["[x]", "a.txt", "b.txt", "hard", "up"]),
        "/dir/.hidden": ([], ["d.txt"]),
        "/dir/sub": ([], ["c.txt"]),
    }


def test_it_is_a_traversable(fs: UnionFS) -> None:
    top: Traversable = fs.path("dir")
    assert isinstance(top, Traversable)
    assert sum(len(file.read_bytes()) for file in top.iterdir() if file.is_file()) == 39
    assert top.joinpath("sub", "c.txt").read_text() == "ccc"
    with (top / "a.txt").open() as text, (top / "a.txt").open("rb") as data:
        assert (text.read(), data.read()) == ("a", b"a")


def test_one_file_has_one_path(fs: UnionFS) -> None:
    same = [
        fs.path("dir", "a.txt"),
        fs.path("/dir/a.txt"),
        fs.path("//dir//a.txt"),
        fs.path(b"dir") / "./a.txt",
    ]
    assert len(set(same)) == 1
    assert {repr(path) for path in same} == {"UnionPath('/dir/a.txt')"}
    assert fs.path(Path("dir/a.txt")) in same
    assert fs.path("dir") / "//a" == fs.path("a")
    assert same[0].fs is fs


def test_paths_are_ordered_within_their_union(fs: UnionFS) -> None:
    paths = [fs.path(name) for name in ("b", "a/c", "a")]
    assert [str(path) for path in sorted(paths)] == ["/a", "/a/c", "/b"]
    with UnionFS(MemoryStore()) as other:
        assert fs.path("a") != other.path("a")
        with pytest.raises(TypeError):
            assert fs.path("a") < other.path("b")
    assert fs.path("a") != PurePosixPath("/a")


def test_the_host_cannot_take_it_for_its_own_path(fs: UnionFS) -> None:
    with pytest.raises(TypeError):
        open(fs.path("file"))  # type: ignore[call-overload]  # noqa: SIM115


def test_targets_may_be_of_this_class_or_text(fs: UnionFS) -> None:
    moved = fs.path("file").rename("dir/moved")
    assert isinstance(moved, UnionPath)
    assert moved.rename(fs.path("back")).read_text().startswith("one")
    fs.path("l").symlink_to(fs.path("back"))
    assert str(fs.path("l").readlink()) == "/back"
    assert fs.path("dir/sub").relative_to(fs.path("dir")) == PurePosixPath("sub")
