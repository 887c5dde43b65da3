"""Files without a name, ranges copied between files, and what a writer who goes round a handle needs."""

from __future__ import annotations

import errno

import pytest
from spies import Calls, Faults
from stands import AUFS, LONG_AGO, OVERLAY, Stand, age, errno_of, lower, stand

from unionfs.core.dialect import Dialect
from unionfs.core.layer import Layer
from unionfs.layers.memory import MemoryStore
from unionfs.types import Access, Owner

BOTH = pytest.mark.parametrize("dialect", [OVERLAY, AUFS], ids=["overlay", "aufs"])
READ_WRITE = Access.READ | Access.WRITE


@BOTH
@pytest.mark.parametrize("over_whiteout", [False, True])
def test_unnamed_file_gets_a_name(dialect: Dialect, over_whiteout: bool) -> None:
    one = Stand([lower({"d/f": b"low"})], dialect)
    view = one.view()
    if over_whiteout:
        view.unlink(b"d/f")
    name = b"f" if over_whiteout else b"new"
    node, handle = view.union.tmpfile(view.at(b"d"), 0o4640, Owner(5, 6))
    handle.write(b"data", 0)
    stat = handle.stat()
    assert (stat.mode & 0o7777, stat.uid, stat.gid, stat.nlink, stat.size) == (0o4640, 5, 6, 0, 4)
    view.union.link(node, view.at(b"d"), name)
    assert handle.stat().nlink == 1
    handle.write(b"D", 0)
    handle.close()
    for again in (view, one.view()):
        assert (again.read(b"d/" + name), again.stat(b"d/" + name).nlink) == (b"Data", 1)
    view.link(b"d/" + name, b"second")
    assert view.stat(b"second").nlink == 2
    assert one.litter() == []


def test_unnamed_file_goes_with_its_handle() -> None:
    one = stand({"d/f": b"low"})
    view = one.view()
    node, handle = view.union.tmpfile(view.at(b"d"), 0o600)
    assert errno_of(lambda: view.union.link(node, view.at(b"d"), b"f")) == errno.EEXIST
    assert errno_of(lambda: view.union.tmpfile(view.at(b"d/f"), 0o600)) == errno.ENOTDIR
    assert len(one.litter()) == 1
    handle.close()
    assert one.litter() == []
    assert list(view.union.diff()) == []
    assert errno_of(lambda: view.union.link(node, view.at(b"d"), b"new")) == errno.ENOENT


def test_name_for_an_unnamed_file_refused() -> None:
    one = stand({"f": b""})
    faults = Faults()
    view = one.view(faults.spy)
    node, handle = view.union.tmpfile(view.at(b""), 0o600)
    handle.write(b"data", 0)
    faults.arm(0)
    assert errno_of(lambda: view.union.link(node, view.at(b""), b"new")) == errno.ENOSPC
    faults.disarm()
    assert handle.read(9, 0) == b"data"
    view.union.link(node, view.at(b""), b"new")
    handle.close()
    assert one.view().read(b"new") == b"data"


@BOTH
def test_copy_from_another_file(dialect: Dialect) -> None:
    view = Stand([lower({"source": b"0123456789", "target": b"abc"})], dialect).view()
    source, target = view.open(b"source"), view.open(b"target", READ_WRITE)
    assert target.copy_from(source, 0, 0, 2) == 2
    assert target.copy_from(source, 4, 1, 99) == 6
    assert target.copy_from(source, 10, 0, 5) == 0
    assert target.read(20, 0) == b"0456789"
    assert view.stat(b"target").size == 7
    assert errno_of(lambda: source.copy_from(target, 0, 0, 1)) == errno.EBADF
    source.close()
    target.close()


def test_copy_within_one_file() -> None:
    view = stand({"f": b"0123456789"}).view()
    handle = view.open(b"f", READ_WRITE)
    assert handle.copy_from(handle, 0, 8, 4) == 4
    assert handle.read(20, 0) == b"012345670123"
    handle.close()


def test_preparing_to_write_does_what_the_first_write_does() -> None:
    calls = Calls()
    view = Stand([lower({"f": b"data"})], OVERLAY).view(calls.spy)
    handle = view.open(b"f", READ_WRITE)
    handle.prepare_to_write()
    assert view.union.layer_of(handle.node) is view.union.upper
    copied = calls.data
    handle.write(b"D", 0)
    assert calls.data == copied + 1 == 5
    assert errno_of(view.open(b"f").prepare_to_write) == errno.EBADF
    handle.close()


def test_new_root_takes_the_attributes_of_the_one_beneath() -> None:
    store = MemoryStore.of({"f": b""})
    store.chown(b"", 5, 6)
    store.chmod(b"", 0o2711)
    store.setxattr(b"", b"user.a", b"b")
    age(store)
    one = Stand([Layer(store, AUFS)], OVERLAY)
    one.view().union.adopt_root()
    view = one.view()
    stat = view.stat(b"")
    assert (stat.mode & 0o7777, stat.uid, stat.gid, stat.mtime_ns) == (0o2711, 5, 6, LONG_AGO)
    assert view.xattrs(b"") == {b"user.a": b"b"}
    assert view.names() == [b"f"]
