"""What the host's own directory cannot show: the root of the union is the end of the world."""

from __future__ import annotations

import errno
from functools import partial

import pytest
from comparison import Api, Pair, failure_of

from unionfs import MemoryStore, Symlink, UnionFS


@pytest.fixture
def inside() -> UnionFS:
    return UnionFS(
        MemoryStore.of(
            {
                "etc/passwd": b"ours",
                "tmp/passwd": b"another",
                "absolute": Symlink("/etc/passwd"),
                "etc/escape": Symlink("../../../../etc/passwd"),
                "root": Symlink("/"),
                "etc/absolute_dir": Symlink("/tmp/"),
                "self": Symlink("/self/x"),
            }
        )
    )


@pytest.mark.parametrize(
    "path",
    [
        "etc/passwd", "/etc/passwd", "//etc//passwd", "../etc/passwd", "/../../etc/passwd",
        "tmp/../../etc/passwd", "absolute", "etc/escape", "root/etc/passwd", "root/../absolute",
        "etc/absolute_dir/../etc/passwd", b"/etc/passwd",
    ],
)  # fmt: skip
def test_paths_to_one_file(path: str | bytes, inside: UnionFS) -> None:
    with inside.open(path, "rb") as file:
        assert file.read() == b"ours"


@pytest.mark.parametrize("path", ["/", "//", ".", "..", "/..", "../..", "root", "root/", "etc/../.."])
def test_paths_to_the_root(path: str, inside: UnionFS) -> None:
    assert inside.stat(path).st_ino == inside.stat("/").st_ino
    assert sorted(inside.listdir(path)) == ["absolute", "etc", "root", "self", "tmp"]


@pytest.mark.parametrize(
    ("call", "number"),
    [
        ("mkdir", errno.EEXIST), ("rmdir", errno.EBUSY), ("unlink", errno.EISDIR), ("mkfifo", errno.EEXIST),
        ("readlink", errno.EINVAL),
    ],
)  # fmt: skip
def test_the_root_cannot_be_made_or_removed(call: str, number: int, inside: UnionFS) -> None:
    failure = failure_of(lambda: getattr(inside, call)("/"))
    assert (failure.errno, failure.filename) == (number, "/")


def test_the_root_cannot_be_moved(inside: UnionFS) -> None:
    for old, new in [("/", "x"), ("etc", "/"), ("root/..", "x"), ("etc", "..")]:
        failure = failure_of(partial(inside.rename, old, new))
        assert (failure.errno, failure.filename, failure.filename2) == (errno.EBUSY, old, new)


def test_an_error_says_the_paths_that_were_given_and_no_others(inside: UnionFS) -> None:
    assert str(failure_of(lambda: inside.stat("none"))) == "[Errno 2] No such file or directory: 'none'"
    failure = failure_of(lambda: inside.rename("none", "some"))
    assert str(failure) == "[Errno 2] No such file or directory: 'none' -> 'some'"


def test_writing_through_an_absolute_link_stays_inside(inside: UnionFS) -> None:
    inside.symlink("/tmp/made", "etc/maker")
    with inside.open("etc/maker", "w") as file:
        file.write("x")
    assert inside.isfile("/tmp/made")


def test_a_link_through_itself_is_a_loop(inside: UnionFS) -> None:
    assert failure_of(lambda: inside.stat("self")).errno == errno.ELOOP


def test_forty_links_and_no_more(pair: Pair) -> None:
    for api in (pair.fs, pair.host):
        chain(api, "file", 41)
        api.stat("c40")
        api.open("c40", "a").close()
        assert failure_of(partial(api.stat, "c41")).errno == errno.ELOOP
        assert failure_of(partial(api.open, "c41", "a")).errno == errno.ELOOP


def test_forty_links_on_the_way_to_a_new_file(pair: Pair) -> None:
    for api in (pair.fs, pair.host):
        chain(api, "nothing_yet", 40)
        api.open("c40", "w").close()
        assert api.isfile("nothing_yet")


def chain(api: Api, target: str, length: int) -> None:
    """Symbolic links ``c1`` -> `target`, ``c2`` -> ``c1``, …"""
    for number in range(1, length + 1):
        api.symlink(f"c{number - 1}" if number > 1 else target, f"c{number}")


def test_names_that_are_not_utf8(inside: UnionFS) -> None:
    inside.mkdir(b"\xff")
    assert "\udcff" in inside.listdir("/")
    assert b"\xff" in inside.listdir(b"/")
    assert inside.isdir("\udcff")
    inside.path(b"\xff").joinpath("x").touch()
    assert inside.listdir(b"\xff") == [b"x"]
    assert str(inside.path(b"\xff")) == "/\udcff"
