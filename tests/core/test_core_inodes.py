"""Inode numbers: one for each file, the same after copy-up, rename and remount, and shared by nobody."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from stands import AUFS, OVERLAY, Content, Stand, Symlink, View, lower

from unionfs.core.inodes import DEVICE_SHIFT, InodeNumbers
from unionfs.core.layer import Layer
from unionfs.layers.memory import MemoryStore
from unionfs.types import RenameFlags

TOP: dict[str, Content] = {"d/f": b"f", "d/sub/deep": b"x", "s": Symlink("d"), "other": b"o"}
BOTTOM: dict[str, Content] = {"d/g": b"g", "e/h": b"h", "d/f": b"hidden"}


def numbers(view: View) -> dict[bytes, int]:
    return {path: view.stat(path).ino for path in view.tree()}


def on_one_device() -> list[Layer]:
    top = MemoryStore.of(TOP)
    bottom = MemoryStore("bottom", beside=top)
    for path in (b"d", b"e"):
        bottom.mkdir(path, 0o755)
    for path in (b"d/g", b"e/h", b"d/f"):
        bottom.create(path, 0o644).close()
    return [Layer(top, OVERLAY), Layer(bottom, AUFS)]


@pytest.fixture(params=["devices", "one device"])
def one(request: pytest.FixtureRequest) -> Stand:
    if request.param == "one device":
        return Stand(on_one_device(), OVERLAY)
    return Stand([lower(TOP), lower(BOTTOM, AUFS)], OVERLAY)


def test_stable_through_copy_up_rename_and_remount(one: Stand) -> None:
    view = one.view()
    before = numbers(view)
    assert len(set(before.values())) == len(before)
    assert before == numbers(one.view())
    view.write(b"d/f", b"F")
    view.set(b"d/sub", mode=0o700)
    view.set(b"s", mtime_ns=1)
    view.set(b"e/h", uid=5)
    for again in (view, one.view()):
        assert numbers(again) == before
    view.rename(b"d", b"e/moved")
    view.rename(b"e/moved/f", b"f")
    view.rename(b"e/h", b"other", RenameFlags.EXCHANGE)
    for again in (view, one.view()):
        now = numbers(again)
        assert now[b"e/moved"] == before[b"d"]
        assert now[b"e/moved/sub/deep"] == before[b"d/sub/deep"]
        assert now[b"f"] == before[b"d/f"]
        assert (now[b"e/h"], now[b"other"]) == (before[b"other"], before[b"e/h"])
        assert len(set(now.values())) == len(now)


def test_listing_and_attributes_agree(one: Stand) -> None:
    view = one.view()
    view.make(b"d/new")
    view.tree()
    for directory in (b"", b"d", b"e"):
        for entry in view.union.readdir(view.at(directory)):
            path = directory + b"/" + entry.name if directory else entry.name
            assert entry.ino == view.stat(path).ino


def test_new_file_has_a_number_of_its_own(one: Stand) -> None:
    view = one.view()
    old = numbers(view)
    handle = view.open(b"d/f")
    view.unlink(b"d/f")
    view.make(b"d/f")
    assert view.stat(b"d/f").ino not in old.values()
    assert handle.node.ino == old[b"d/f"]
    handle.close()
    new = numbers(view)
    assert numbers(one.view()) == new
    assert len(set(new.values())) == len(new)


def test_a_layer_more_changes_no_number() -> None:
    lowers = [lower(TOP), lower(BOTTOM, AUFS)]
    before = numbers(Stand(lowers, OVERLAY).view())
    after = numbers(Stand([lower({"new": b""}), *lowers], OVERLAY).view())
    same = {b"d/f", b"d/g", b"e/h", b"s", b"d/sub/deep", b"d", b"e"}
    assert {path: after[path] for path in same} == {path: before[path] for path in same}


def test_a_copy_keeps_its_number_under_a_further_layer() -> None:
    lowers = [lower(BOTTOM)]
    one = Stand(lowers, OVERLAY)
    view = one.view()
    view.write(b"e/h", b"H")
    before = view.stat(b"e/h").ino
    more = Stand([lower({"new": b""}), *lowers], OVERLAY, one.upper)
    assert more.view().stat(b"e/h").ino == before


@settings(max_examples=200)
@given(st.lists(st.tuples(st.integers(0, 1 << 40), st.integers(1, (1 << 64) - 1)), max_size=30))
def test_numbers_are_never_shared(files: list[tuple[int, int]]) -> None:
    numbers = InodeNumbers()
    given_ = {file: numbers.number(*file) for file in files}
    assert len(set(given_.values())) == len(given_)
    assert all(0 < number < 1 << 64 for number in given_.values())
    assert {file: numbers.number(*file) for file in files} == given_


def test_files_of_the_first_device_keep_their_numbers() -> None:
    numbers = InodeNumbers()
    assert [numbers.register(dev) for dev in (77, 5, 77)] == [0, 1, 0]
    assert numbers.number(77, 12) == 12
    assert numbers.number(5, 12) == (1 << DEVICE_SHIFT) + 12
