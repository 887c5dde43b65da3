"""What a diff lists, and that it costs what changed and not what there is."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from spies import Calls
from stands import AUFS, OVERLAY, Content, Stand, Symlink, View, lower, read_only

from unionfs.core.dialect import Dialect
from unionfs.core.layer import Layer
from unionfs.layers.memory import MemoryStore
from unionfs.types import Access, Kind, RenameFlags

TREE: dict[str, Content] = {
    "a/f": b"four",
    "a/g": b"g",
    "a/sub/x": b"xx",
    "b/h": b"hh",
    "empty": None,
    "s": Symlink("a"),
}

HISTORIES: dict[str, tuple[Callable[[View], object], list[str]]] = {
    "nothing": (lambda v: v.tree(), []),
    "open for writing": (lambda v: v.open(b"a/f", Access.WRITE).close(), []),
    "write": (lambda v: v.write(b"a/f", b"longer"), ["C a DIR 0", "C a/f FILE 6"]),
    "chmod": (lambda v: v.set(b"a/f", mode=0o600), ["C a DIR 0", "C a/f FILE 4"]),
    "chmod a directory": (lambda v: v.set(b"a/sub", mode=0o700), ["C a DIR 0", "C a/sub DIR 0"]),
    "create": (lambda v: v.make(b"b/n", b"123"), ["C b DIR 0", "A b/n FILE 3"]),
    "create and remove": (lambda v: (v.make(b"n"), v.unlink(b"n")), []),
    "mkdir and below": (lambda v: (v.mkdir(b"n"), v.make(b"n/m")), ["A n DIR 0", "A n/m FILE 0"]),
    "unlink": (lambda v: v.unlink(b"a/f"), ["C a DIR 0", "D a/f FILE 4"]),
    "unlink a symbolic link": (lambda v: v.unlink(b"s"), ["D s SYMLINK 0"]),
    "rmdir": (lambda v: v.rmdir(b"empty"), ["D empty DIR 0"]),
    "remove with all below": (lambda v: (v.unlink(b"b/h"), v.rmdir(b"b")), ["D b DIR 0"]),
    "recreate a file": (lambda v: (v.unlink(b"a/f"), v.make(b"a/f")), ["C a DIR 0", "C a/f FILE 0"]),
    "recreate a directory": (
        lambda v: (v.unlink(b"b/h"), v.rmdir(b"b"), v.mkdir(b"b"), v.make(b"b/n")),
        ["C b DIR 0", "D b/h FILE 2", "A b/n FILE 0"],
    ),
    "directory for a file": (
        lambda v: (v.unlink(b"a/g"), v.mkdir(b"a/g"), v.make(b"a/g/n")),
        ["C a DIR 0", "C a/g DIR 0", "A a/g/n FILE 0"],
    ),
    "file for a directory": (lambda v: (v.unlink(b"b/h"), v.rmdir(b"b"), v.make(b"b")), ["C b FILE 0"]),
    "rename a file": (
        lambda v: v.rename(b"a/f", b"b/n"),
        ["C a DIR 0", "D a/f FILE 4", "C b DIR 0", "A b/n FILE 4"],
    ),
    "rename a directory": (
        lambda v: v.rename(b"a", b"n"),
        ["D a DIR 0", "A n DIR 0", "A n/f FILE 4", "A n/g FILE 1", "A n/sub DIR 0", "A n/sub/x FILE 2"],
    ),
    "rename a directory within its parent": (
        lambda v: v.rename(b"a/sub", b"a/bus"),
        ["C a DIR 0", "A a/bus DIR 0", "A a/bus/x FILE 2", "D a/sub DIR 0"],
    ),
    "rename over a directory": (
        lambda v: v.rename(b"b", b"empty"),
        ["D b DIR 0", "C empty DIR 0", "A empty/h FILE 2"],
    ),
    "exchange directories": (
        lambda v: v.rename(b"a", b"b", RenameFlags.EXCHANGE),
        [
            *("C a DIR 0", "D a/f FILE 4", "D a/g FILE 1", "A a/h FILE 2", "D a/sub DIR 0"),
            *(
                "C b DIR 0",
                "A b/f FILE 4",
                "A b/g FILE 1",
                "D b/h FILE 2",
                "A b/sub DIR 0",
                "A b/sub/x FILE 2",
            ),
        ],
    ),
    "byte order": (
        lambda v: [v.make(name) for name in (b"\xff", b"Z", b"z", b"\xc3\xa4", b"A")],
        ["A A FILE 0", "A Z FILE 0", "A z FILE 0", "A \u00e4 FILE 0", "A \udcff FILE 0"],
    ),
}


def lines(view: View) -> list[str]:
    return [
        f"{change.letter} {change.path.decode(errors='surrogateescape')} {change.kind.name} {change.size}"
        for change in view.union.diff()
    ]


@pytest.mark.parametrize("dialect", [OVERLAY, AUFS], ids=["overlay", "aufs"])
@pytest.mark.parametrize("history", HISTORIES)
def test_history(history: str, dialect: Dialect) -> None:
    one = Stand([lower(TREE)], dialect)
    view = one.view()
    act, expected = HISTORIES[history]
    act(view)
    for again in (view, one.view()):
        assert lines(again) == expected


def test_rename_there_and_back() -> None:
    """What was renamed back is there as it was, in the upper layer now."""
    one = Stand([lower(TREE)], OVERLAY)
    view = one.view()
    view.rename(b"a", b"n")
    view.rename(b"n", b"a")
    for again in (view, one.view()):
        assert lines(again) == ["C a DIR 0"]


def test_read_only_union_has_no_changes() -> None:
    assert lines(read_only(TREE)) == []


def test_linked_files_changed_under_all_their_names() -> None:
    store = MemoryStore.of({"a/one": b"1", "b/three": b""})
    store.link(b"a/one", store, b"b/two")
    one = Stand([Layer(store, OVERLAY)], OVERLAY)
    view = one.view()
    view.write(b"a/one", b"22")
    for again in (view, one.view()):
        assert lines(again) == ["C a DIR 0", "C a/one FILE 2", "C b/two FILE 2"]
    view.unlink(b"b/two")
    assert lines(one.view()) == ["C a DIR 0", "C a/one FILE 2", "C b DIR 0", "D b/two FILE 1"]


def test_other_linked_files_have_not_changed() -> None:
    """Looked at under one name, still the same file under the other."""
    store = MemoryStore.of({"a": b"", "c": b""})
    store.link(b"a", store, b"b")
    store.link(b"c", store, b"d")
    view = Stand([Layer(store, OVERLAY)], OVERLAY).view()
    view.tree()
    view.write(b"c", b"x")
    assert lines(view) == ["C c FILE 1", "C d FILE 1"]


@pytest.mark.parametrize("dialect", [OVERLAY, AUFS], ids=["overlay", "aufs"])
def test_cost_is_that_of_the_change(dialect: Dialect) -> None:
    entries: dict[str, Content] = {
        f"d{d:02}/s{s}/f{f}": b"x" for d in range(20) for s in range(10) for f in range(10)
    }
    calls = Calls()
    one = Stand([Layer(calls.spy(lower(entries).store), OVERLAY)], dialect)
    view = one.view(calls.spy)
    view.write(b"d03/s1/f1", b"yy")
    view.unlink(b"d07/s2/f2")
    view.make(b"d07/s2/new")
    view = one.view(calls.spy)
    calls.clear()
    assert lines(view) == [
        *("C d03 DIR 0", "C d03/s1 DIR 0", "C d03/s1/f1 FILE 2"),
        *("C d07 DIR 0", "C d07/s2 DIR 0", "D d07/s2/f2 FILE 1", "A d07/s2/new FILE 0"),
    ]
    assert calls.count["scan"] <= 5 * 3
    assert calls.total < 150


def test_kinds() -> None:
    view = Stand([lower(TREE)], OVERLAY).view()
    view.union.mknod(view.at(b""), b"fifo", 0o010644)
    view.symlink(b"link", b"to")
    assert [(change.kind, change.path) for change in view.union.diff()] == [
        (Kind.FIFO, b"fifo"),
        (Kind.SYMLINK, b"link"),
    ]
