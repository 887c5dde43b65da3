"""Files without a name (O_TMPFILE), and copying from one open file to another."""

from __future__ import annotations

import errno

import pytest
from stands import DIALECTS, errno_of, read_only, stand

from unionfs.core.attrs import Changes
from unionfs.core.dialect import Dialect
from unionfs.core.handle import CHUNK
from unionfs.types import Access, Kind, Owner

READ_WRITE = Access.READ | Access.WRITE


@pytest.fixture(params=list(DIALECTS))
def dialect(request: pytest.FixtureRequest) -> Dialect:
    return DIALECTS[request.param]


def test_a_file_without_a_name_is_whole_and_goes_with_its_handle(dialect: Dialect) -> None:
    one = stand({"d/f": b"low"}, dialect=dialect)
    view = one.view()
    before = view.tree()
    node, handle = view.union.tmpfile(view.at(b"d"), 0o4751, Owner(7, 8))
    assert handle.write(b"data", 2) == 4
    assert handle.read(9, 0) == b"\0\0data"
    stat = view.union.getattr(node)
    assert (stat.mode, stat.uid, stat.gid, stat.nlink) == (0o104751, 7, 8, 0)
    assert stat.kind is Kind.FILE
    view.union.setxattr(node, b"user.a", b"b")
    assert view.union.getxattr(node, b"user.a") == b"b"
    assert errno_of(lambda: view.union.parent(node)) == errno.ENOENT
    assert view.tree() == before
    handle.close()
    assert one.litter() == []
    assert view.tree() == before


def test_it_can_be_given_a_name_and_then_more(dialect: Dialect) -> None:
    one = stand({"d/old": b"low"}, dialect=dialect)
    view = one.view()
    view.unlink(b"d/old")
    node, handle = view.union.tmpfile(view.union.root, 0o640)
    handle.write(b"data", 0)
    view.union.setxattr(node, b"user.a", b"b")
    view.union.link(node, view.at(b"d"), b"old")
    assert one.litter() == []
    view.union.link(node, view.union.root, b"second")
    assert (view.at(b"d/old"), view.stat(b"second").nlink) == (node, 2)
    handle.write(b"more", 4)
    handle.close()
    for seen in (view, one.view()):
        assert seen.names() == [b"d", b"second"]
        assert seen.names(b"d") == [b"old"]
        assert (seen.read(b"d/old"), seen.stat(b"second").nlink) == (b"datamore", 2)
        assert seen.xattrs(b"second") == {b"user.a": b"b"}
        assert seen.at(b"second") is seen.at(b"d/old")


def test_named_and_removed_again_it_is_an_ordinary_removed_file(dialect: Dialect) -> None:
    one = stand({}, dialect=dialect)
    view = one.view()
    node, handle = view.union.tmpfile(view.union.root, 0o600)
    view.union.link(node, view.union.root, b"f")
    view.unlink(b"f")
    assert errno_of(lambda: view.union.link(node, view.union.root, b"f")) == errno.ENOENT
    assert handle.write(b"x", 0) == 1
    handle.close()
    assert (view.names(), one.litter()) == ([], [])
    assert errno_of(lambda: view.union.link(node, view.union.root, b"f")) == errno.ENOENT


def test_all_its_handles_have_to_close(dialect: Dialect) -> None:
    one = stand({}, dialect=dialect)
    view = one.view()
    node, handle = view.union.tmpfile(view.union.root, 0o600)
    other = view.union.open(node, READ_WRITE)
    handle.close()
    other.write(b"x", 0)
    view.union.setattr(node, Changes(mode=0o444))
    view.union.link(node, view.union.root, b"f")
    other.close()
    assert (view.read(b"f"), view.stat(b"f").mode) == (b"x", 0o100444)


def test_a_setgid_directory_gives_it_its_group() -> None:
    view = stand({"d": None}).view()
    view.set(b"d", gid=5, mode=0o2755)
    node, handle = view.union.tmpfile(view.at(b"d"), 0o600, Owner(1, 2))
    assert view.union.getattr(node).gid == 5
    handle.close()


def test_where_it_cannot_be_made_or_named() -> None:
    view = stand({"d/taken": b"", "f": b""}).view()
    assert errno_of(lambda: view.union.tmpfile(view.at(b"f"), 0o600)) == errno.ENOTDIR
    node, handle = view.union.tmpfile(view.union.root, 0o600)
    assert errno_of(lambda: view.union.link(node, view.at(b"d"), b"taken")) == errno.EEXIST
    assert errno_of(lambda: view.union.link(node, view.union.root, b"n" * 256)) == errno.ENAMETOOLONG
    view.union.link(node, view.union.root, b"n" * 255)
    handle.close()
    none = read_only({"f": b""})
    assert errno_of(lambda: none.union.tmpfile(none.union.root, 0o600)) == errno.EROFS


def test_copying_between_files_copies_up_the_target_alone() -> None:
    view = stand({"from": b"0123456789", "to": b"abcdefghij"}).view()
    source, target = view.open(b"from"), view.open(b"to", READ_WRITE)
    assert target.copy_from(source, 2, 2, 3) == 3
    assert target.copy_from(source, 8, 0, 99) == 2
    assert target.copy_from(source, 10, 0, 99) == 0
    assert target.read(99, 0) == b"89234fghij"
    assert (view.at(b"from").upper, view.at(b"to").upper) == (False, True)
    assert view.stat(b"to").size == 10
    source.close()
    target.close()


def test_copying_within_a_file_from_before_its_copy_up() -> None:
    view = stand({"f": b"0123456789"}).view()
    source, target = view.open(b"f"), view.open(b"f", READ_WRITE)
    target.write(b"XY", 0)
    assert target.copy_from(source, 0, 8, 2) == 2
    assert source.read(99, 0) == b"XY234567XY"
    source.close()
    target.close()


def test_copying_much_takes_several_turns() -> None:
    view = stand({"from": b"x" * (CHUNK + 5), "to": b""}).view()
    source, target = view.open(b"from"), view.open(b"to", READ_WRITE)
    assert target.copy_from(source, 0, 1, CHUNK + 5) == CHUNK
    assert target.copy_from(source, CHUNK, 1 + CHUNK, 99) == 5
    assert view.stat(b"to").size == CHUNK + 6
    source.close()
    target.close()


def test_copying_needs_a_reader_and_a_writer() -> None:
    view = stand({"f": b"f", "g": b"g"}).view()
    source, target = view.open(b"f"), view.open(b"g", Access.WRITE)
    assert errno_of(lambda: source.copy_from(source, 0, 0, 1)) == errno.EBADF
    assert errno_of(lambda: target.copy_from(target, 0, 0, 1)) == errno.EBADF
    target.close()
    assert errno_of(lambda: target.copy_from(source, 0, 0, 1)) == errno.EBADF
    source.close()
