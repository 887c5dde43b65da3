"""Hard links in the lower layers stay links, whatever is done to one of their names."""

from __future__ import annotations

import gc
import itertools
from collections.abc import Callable

import pytest
from spies import Faults
from stands import AUFS, OVERLAY, Stand, View, age, errno_of

from unionfs.core.dialect import Dialect
from unionfs.core.layer import Layer
from unionfs.layers.memory import MemoryStore
from unionfs.types import Access


def linked(count: int = 3, dialect: Dialect = OVERLAY) -> Stand:
    """Files a, b, c, … that are one, and d, which is not."""
    store = MemoryStore.of({"a": b"data", "d": b"other", "dir": None})
    for name in (b"b", b"c", b"dir/e")[: count - 1]:
        store.link(b"a", store, name)
    age(store)
    return Stand([Layer(store, OVERLAY)], dialect)


def nlinks(view: View, *names: bytes) -> list[int]:
    return [view.stat(name).nlink for name in names]


CHANGES: dict[str, Callable[[View, bytes], object]] = {
    "chmod": lambda v, name: v.set(name, mode=0o600),
    "write": lambda v, name: v.write(name, b"D"),
    "truncate": lambda v, name: v.set(name, size=2),
    "chmod and write": lambda v, name: (v.set(name, mode=0o600), v.write(name, b"D")),
}


@pytest.mark.parametrize("first", [b"a", b"b", b"c"])
@pytest.mark.parametrize("change", CHANGES)
@pytest.mark.parametrize("remount", [False, True])
def test_a_change_is_seen_under_every_name(change: str, first: bytes, remount: bool) -> None:
    one = linked()
    view = one.view()
    ino = view.stat(b"a").ino
    CHANGES[change](view, first)
    view = one.view() if remount else view
    rows = [view.stat(name) for name in (b"a", b"b", b"c")]
    assert len(set(rows)) == 1
    assert (rows[0].nlink, rows[0].ino) == (3, ino)
    assert len({view.read(name) for name in (b"a", b"b", b"c")}) == 1
    assert len({view.at(name) for name in (b"a", b"b", b"c")}) == 1
    view.write(b"b", b"later")
    assert view.read(b"a") == view.read(b"c") == b"later"
    assert (view.stat(b"d").nlink, view.read(b"d")) == (1, b"other")


@pytest.mark.parametrize("names", list(itertools.permutations([b"a", b"b", b"c"])))
@pytest.mark.parametrize("remount", [False, True])
@pytest.mark.parametrize("changed", [None, b"a", b"b"])
def test_unlink_one_after_the_other(names: tuple[bytes, ...], remount: bool, changed: bytes | None) -> None:
    one = linked()
    view = one.view()
    if changed:
        view.write(changed, b"D")
    content = view.read(b"a")
    left = list(names)
    for name in names:
        view = one.view() if remount else view
        assert nlinks(view, *left) == [len(left)] * len(left)
        view.unlink(name)
        left.remove(name)
        assert nlinks(view, *left) == [len(left)] * len(left)
        assert [view.read(other) for other in left] == [content] * len(left)
    assert one.index() == one.litter() == []
    assert one.view().names() == [b"d", b"dir"]


@pytest.mark.parametrize("remount", [False, True])
@pytest.mark.parametrize("changed", [None, b"a", b"b"])
def test_rename_the_name_that_was_not_copied(changed: bytes | None, remount: bool) -> None:
    one = linked()
    view = one.view()
    if changed:
        view.write(changed, b"D")
    content = view.read(b"a")
    view = one.view() if remount else view
    view.rename(b"c", b"dir/new")
    view = one.view() if remount else view
    assert nlinks(view, b"a", b"b", b"dir/new") == [3, 3, 3]
    view.write(b"dir/new", b"XY")
    assert view.read(b"a") == view.read(b"b") == b"XY" + content[2:]
    for name in (b"a", b"dir/new", b"b"):
        view.unlink(name)
    assert one.index() == one.litter() == []


@pytest.mark.parametrize("remount", [False, True])
def test_rename_over_one_of_them(remount: bool) -> None:
    one = linked()
    view = one.view()
    view.rename(b"d", b"b")
    view = one.view() if remount else view
    assert (view.read(b"b"), view.stat(b"b").nlink) == (b"other", 1)
    assert nlinks(view, b"a", b"c") == [2, 2]
    view.rename(b"a", b"b")
    view = one.view() if remount else view
    assert nlinks(view, b"b", b"c") == [2, 2]
    view.rename(b"b", b"c")  # one file: nothing happens
    assert view.names() == [b"b", b"c", b"dir"]


@pytest.mark.parametrize("remount", [False, True])
@pytest.mark.parametrize("source", [b"a", b"d"])
def test_link_to_a_lower_file(source: bytes, remount: bool) -> None:
    one = linked()
    view = one.view()
    before = view.stat(source).nlink
    view.link(source, b"dir/more")
    view = one.view() if remount else view
    assert nlinks(view, source, b"dir/more") == [before + 1] * 2
    view.write(b"dir/more", b"XX")
    assert view.read(source)[:2] == b"XX"
    view.unlink(source)
    view = one.view() if remount else view
    assert nlinks(view, b"dir/more") == [before]
    assert one.litter() == []


def test_exchange_of_two_names_of_one_file_changes_nothing() -> None:
    view = linked().view()
    view.set(b"a", mode=0o600)
    before = view.tree()
    view.rename(b"a", b"b")
    assert view.tree() == before


@pytest.mark.parametrize("close_first", [False, True])
def test_open_linked_file_outlives_its_names(close_first: bool) -> None:
    one = linked(2)
    view = one.view()
    handle = view.open(b"a", Access.READ | Access.WRITE)
    view.unlink(b"a")
    handle.write(b"D", 0)
    assert view.read(b"b") == b"Data"
    if close_first:
        handle.close()
    view.unlink(b"b")
    if not close_first:
        assert (handle.read(9, 0), handle.stat().nlink) == (b"Data", 0)
        handle.close()
    assert one.index() == one.litter() == []


def test_upper_links_that_were_not_looked_at() -> None:
    """A file opened and removed under one name keeps its count under another that nobody has seen yet."""
    one = linked()
    view = one.view()
    view.make(b"new", b"new")
    view.link(b"new", b"dir/new2")
    again = one.view()
    handle = again.open(b"new")
    again.unlink(b"new")
    handle.close()
    del handle
    gc.collect()
    assert again.stat(b"dir/new2").nlink == 1
    again.unlink(b"dir/new2")
    assert one.litter() == []


@pytest.mark.parametrize("unlinked", list(itertools.permutations([b"a", b"b", b"c"], 2)))
@pytest.mark.parametrize("remount", [False, True])
def test_aufs_keeps_content_and_never_counts_below_the_names(
    unlinked: tuple[bytes, ...], remount: bool
) -> None:
    """AuFS cannot write link counts down: after a remount they are a guess, but nothing is lost for it."""
    one = linked(4, AUFS)
    view = one.view()
    view.write(b"a", b"D")
    left = [b"a", b"b", b"c", b"dir/e"]
    for name in unlinked:
        view = one.view() if remount else view
        view.unlink(name)
        left.remove(name)
        for other in left if remount else reversed(left):
            assert view.read(other) == b"Data"
            assert view.stat(other).nlink >= (1 if remount else len(left))
    view.write(left[0], b"XX")
    assert one.view().read(left[1]) == view.read(left[1]) == b"XXta"


@pytest.mark.parametrize("kind", ["symlink", "fifo"])
@pytest.mark.parametrize("remount", [False, True])
def test_links_of_what_is_no_file(kind: str, remount: bool) -> None:
    store = MemoryStore()
    if kind == "symlink":
        store.symlink(b"a", b"to")
    else:
        store.mknod(b"a", 0o010644, 0)
    store.link(b"a", store, b"b")
    one = Stand([Layer(store, OVERLAY)], OVERLAY)
    view = one.view()
    ino = view.stat(b"a").ino
    view.set(b"b", uid=7)
    view = one.view() if remount else view
    assert [(stat.uid, stat.nlink, stat.ino) for stat in map(view.stat, (b"a", b"b"))] == [(7, 2, ino)] * 2
    view.unlink(b"b")
    assert nlinks(view, b"a") == [1]
    view.unlink(b"a")
    assert one.index() == []


def test_failed_copy_leaves_the_index_usable() -> None:
    one = linked()
    faults = Faults()
    view = one.view(faults.spy)
    view.at(b"a")
    for at in range(20):
        faults.arm(at)
        if errno_of(lambda: view.set(b"a", mode=0o600)) == 0:
            break
    faults.disarm()
    assert nlinks(view, b"b", b"c") == [3, 3]
