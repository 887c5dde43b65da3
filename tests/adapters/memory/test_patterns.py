"""`glob`: as pathlib's, on the same tree."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from comparison import Pair

from unionfs import UnionFS

PATTERNS = [
    "*", "*/*", "dir/*", "dir/*.txt", "**/*.txt", "**/c*", "dir/**/*.txt", "*/sub/*", "file", "missing",
    "dir/a.txt", "dir/../file", "to_dir/*", "*/a.txt", "d*/s?b", "dir/[ab].txt", "dir/[[]x]", "dir/[!a].txt",
    ".*", "dir/.*", "*/", "dir/*/", "dang*", "loop/*", "file/*", "**/**/c.txt", "**/sub/**/c.txt", "FILE",
    "**/up", "./dir/*", "dir//*", "**/.hidden/*",
]  # fmt: skip


@pytest.mark.parametrize("pattern", PATTERNS)
def test_like_pathlib(pattern: str, pair: Pair) -> None:
    ours = [str(path.relative_to("/")) for path in pair.fs.path().glob(pattern)]
    assert len(ours) == len(set(ours))
    assert sorted(ours) == sorted(str(path) for path in Path().glob(pattern))
    assert sorted(pair.fs.glob(pattern)) == sorted("/" + path for path in ours)


def test_rglob_and_globs_below_a_directory(pair: Pair) -> None:
    for top in ("dir", "dir/sub", "empty", "file", "missing"):
        ours = [str(path.relative_to("/")) for path in pair.fs.path(top).rglob("*.txt")]
        assert sorted(ours) == sorted(str(path) for path in Path(top).rglob("*.txt"))


def test_two_stars_at_the_end_are_everything_beneath(fs: UnionFS) -> None:
    """As pathlib does from Python 3.13 on; before, they were directories only."""
    ours = sorted(str(path.relative_to("/")) for path in fs.path("dir").glob("**"))
    assert ours == [
        "dir", "dir/.hidden", "dir/.hidden/d.txt", "dir/[x]", "dir/a.txt", "dir/b.txt", "dir/hard", "dir/sub",
        "dir/sub/c.txt", "dir/up",
    ]  # fmt: skip
    if sys.version_info >= (3, 13):
        assert sorted(fs.glob("/dir/**/")) == ["/dir", "/dir/.hidden", "/dir/sub"]


def test_bytes_patterns_give_bytes(fs: UnionFS) -> None:
    assert list(fs.glob(b"\xff*")) == [b"/\xff\xfe"]
    assert list(fs.glob("\udcff*")) == ["/\udcff\udcfe"]


def test_absolute_patterns(fs: UnionFS) -> None:
    assert list(fs.glob("/dir/a*")) == list(fs.glob("dir/a*")) == ["/dir/a.txt"]
    with pytest.raises(NotImplementedError):
        next(fs.path("dir").glob("/dir/a*"))


def test_an_empty_pattern_is_a_mistake(fs: UnionFS) -> None:
    with pytest.raises(ValueError, match="empty pattern"):
        next(fs.glob(""))


def test_trees_deeper_than_the_stack(fs: UnionFS) -> None:
    depth = 400
    parent = fs.union.root
    for _ in range(depth):
        parent = fs.union.mkdir(parent, b"d", 0o755)
    fs.union.mknod(parent, b"bottom", 0o100644)
    with recursion_limit(depth):
        assert len(list(fs.glob("d/**/bottom"))) == 1
        assert sum(1 for _ in fs.walk("d", topdown=False)) == depth


@contextmanager
def recursion_limit(limit: int) -> Iterator[None]:
    before = sys.getrecursionlimit()
    sys.setrecursionlimit(limit)
    try:
        yield
    finally:
        sys.setrecursionlimit(before)
