"""Several threads: a long copy holds up nobody but who needs that very file, and listings stay right."""

from __future__ import annotations

import errno
import random
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor, wait
from contextlib import contextmanager
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from spies import Spy
from stands import AUFS, OVERLAY, Stand, View, errno_of, lower, stand

from unionfs.core.attrs import Changes
from unionfs.core.dialect import Dialect
from unionfs.core.layer import Layer
from unionfs.types import Access, RenameFlags

READ_WRITE = Access.READ | Access.WRITE
DATA = b"0123456789"
PATIENCE = 20
BOTH = pytest.mark.parametrize("dialect", [OVERLAY, AUFS], ids=["overlay", "aufs"])


class Slow:
    """A union whose copies of data stop half-way until `go`."""

    def __init__(self, dialect: Dialect) -> None:
        layer = lower({"d/big": DATA, "d/other": b"other", "e/x": b"x"})
        self.started, self.go = threading.Event(), threading.Event()
        self.armed = False
        spied = Layer(Spy(layer.store, self._watch), OVERLAY)
        self.stand = Stand([spied], dialect)
        self.view = self.stand.view()
        self.view.tree()
        self.pool = ThreadPoolExecutor(8)
        self.armed = True

    def _watch(self, name: str, args: tuple[Any, ...]) -> None:
        if name == "pread" and self.armed and threading.current_thread() is not threading.main_thread():
            self.armed = False
            self.started.set()
            assert self.go.wait(PATIENCE)

    def submit(self, act: Callable[[], Any]) -> Future[Any]:
        return self.pool.submit(act)

    def start(self, act: Callable[[], Any]) -> Future[Any]:
        """Run `act` in a thread up to the middle of its copy."""
        future = self.submit(act)
        assert self.started.wait(PATIENCE)
        return future

    def done(self, *futures: Future[Any]) -> None:
        self.go.set()
        for future in futures:
            future.result(PATIENCE)


@contextmanager
def slow(dialect: Dialect = OVERLAY) -> Iterator[Slow]:
    union = Slow(dialect)
    try:
        yield union
    finally:
        union.go.set()
        union.pool.shutdown()


@BOTH
def test_a_copy_holds_up_nobody_else(dialect: Dialect) -> None:
    with slow(dialect) as union:
        view = union.view
        handle = view.open(b"d/big", READ_WRITE)
        copier = union.start(lambda: handle.write(b"X", 0))
        assert view.stat(b"d/big").size == len(DATA)
        assert handle.read(4, 0) == DATA[:4]
        view.write(b"d/other", b"O")
        view.make(b"d/new", b"new")
        view.mkdir(b"d/sub")
        view.rename(b"d/new", b"e/new")
        view.unlink(b"e/x")
        assert view.names(b"d") == [b"big", b"other", b"sub"]
        assert view.xattrs(b"d/big") == {}
        assert not copier.done()
        union.done(copier)
        assert view.read(b"d/big") == b"X" + DATA[1:]
        handle.close()
        assert union.stand.litter() == []


CHANGES_OF_BIG: dict[str, Callable[[View], object]] = {
    "write": lambda v: v.write(b"d/big", b"Y", 1),
    "truncate": lambda v: v.set(b"d/big", size=3),
    "chmod": lambda v: v.set(b"d/big", mode=0o600),
    "link": lambda v: v.link(b"d/big", b"e/link"),
    "rename": lambda v: v.rename(b"d/big", b"e/moved"),
    "exchange": lambda v: v.rename(b"d/big", b"e/x", RenameFlags.EXCHANGE),
}


@BOTH
@pytest.mark.parametrize("change", CHANGES_OF_BIG)
def test_who_needs_the_file_waits(change: str, dialect: Dialect) -> None:
    with slow(dialect) as union:
        handle = union.view.open(b"d/big", READ_WRITE)
        copier = union.start(lambda: handle.write(b"X", 0))
        second = union.submit(lambda: CHANGES_OF_BIG[change](union.view))
        assert not wait([second], 0.05).done
        assert union.view.stat(b"d/other").size == 5  # who waits holds nothing
        union.done(copier, second)
        expected = {"write": b"XY23456789", "truncate": b"X12"}.get(change, b"X" + DATA[1:])
        assert handle.read(20, 0) == expected
        handle.close()
        for view in (union.view, union.stand.view()):
            paths = {"rename": b"e/moved", "exchange": b"e/x"}
            assert view.read(paths.get(change, b"d/big")) == expected
        assert union.stand.litter() == []


def meanwhile_unlink(view: View) -> bytes:
    view.unlink(b"d/big")
    return b""


def meanwhile_unlink_and_recreate(view: View) -> bytes:
    view.unlink(b"d/big")
    view.make(b"d/big", b"new")
    return b""


def meanwhile_replace(view: View) -> bytes:
    view.rename(b"e/x", b"d/big")
    return b""


def meanwhile_rename_the_parent(view: View) -> bytes:
    view.rename(b"d", b"e/moved")
    return b"e/moved/big"


@pytest.mark.parametrize("prepared", ["lower", "metadata copy"])
@pytest.mark.parametrize(
    "meanwhile",
    [meanwhile_unlink, meanwhile_unlink_and_recreate, meanwhile_replace, meanwhile_rename_the_parent],
)
def test_change_of_names_during_a_copy(prepared: str, meanwhile: Callable[[View], bytes]) -> None:
    with slow() as union:
        view = union.view
        if prepared != "lower":
            view.set(b"d/big", mode=0o644)
        handle, other = view.open(b"d/big", READ_WRITE), view.open(b"d/big")
        copier = union.start(lambda: handle.write(b"X", 0))
        path = meanwhile(view)
        union.done(copier)
        assert handle.read(20, 0) == other.read(20, 0) == b"X" + DATA[1:]
        handle.write(b"Y", 1)
        assert other.read(2, 0) == b"XY"
        assert handle.stat().nlink == (1 if path else 0)
        tree = view.tree()
        handle.close()
        other.close()
        assert union.stand.litter() == []
        anew = union.stand.view()
        assert anew.tree() == tree
        if path:
            assert anew.read(path) == b"XY" + DATA[2:]


@pytest.mark.parametrize("prepared", ["lower", "metadata copy"])
def test_unlink_during_a_truncate_by_name(prepared: str) -> None:
    """Nobody has the file open: the truncate finds it gone, and nothing is left over."""
    with slow() as union:
        view = union.view
        if prepared != "lower":
            view.set(b"d/big", mode=0o644)
        node = view.at(b"d/big")
        copier = union.start(lambda: errno_of(lambda: view.union.setattr(node, Changes(size=5))))
        view.unlink(b"d/big")
        union.go.set()
        assert copier.result(PATIENCE) == errno.ENOENT
        assert not view.has(b"d/big")
        assert union.stand.litter() == []


def test_failed_copy_lets_the_next_one_try() -> None:
    with slow() as union:
        view = union.view
        union.armed = False
        failing = threading.Event()

        def watch(name: str, args: tuple[Any, ...]) -> None:
            if name == "copy_from" and not failing.is_set():
                failing.set()
                raise OSError(errno.EIO, "disk")

        view = union.stand.view(lambda store: Spy(store, watch))
        assert errno_of(lambda: view.write(b"d/big", b"X")) == errno.EIO
        assert view.read(b"d/big") == DATA
        view.write(b"d/big", b"X")
        assert view.read(b"d/big") == b"X" + DATA[1:]
        assert union.stand.litter() == []


def test_unlinks_in_a_directory_that_is_being_renamed() -> None:
    """AuFS has to copy a directory up to rename it: what is removed from it meanwhile is no error."""
    with slow(AUFS) as union:
        view = union.view
        renamer = union.start(lambda: view.rename(b"d", b"new"))
        for name in (b"d/other", b"d/big"):
            if view.has(name):
                view.unlink(name)
        union.done(renamer)
        assert view.names() == [b"e", b"new"]
        assert view.names(b"new") == []
        assert union.stand.litter() == []


# Many threads


@BOTH
def test_hammering(dialect: Dialect) -> None:
    """Creates, renames, removals and listings in a handful of directories; afterwards all agree."""
    one = Stand([lower({f"d{d}/f{n}": b"%d" % n for d in range(3) for n in range(10)})], dialect)
    view = one.view()
    failures: list[BaseException] = []

    def worker(seed: int) -> None:
        rng = random.Random(seed)
        try:
            for _ in range(150):
                self_path, other = (b"d%d/f%d" % (rng.randrange(3), rng.randrange(14)) for _ in range(2))
                try:
                    match rng.randrange(8):
                        case 0:
                            view.make(self_path, b"made")
                        case 1:
                            view.unlink(self_path)
                        case 2:
                            view.rename(self_path, other)
                        case 3:
                            view.write(self_path, b"W")
                        case 4:
                            names = view.names(self_path[:2])
                            assert len(names) == len(set(names))
                        case 5:
                            view.link(self_path, other)
                        case 6:
                            view.set(self_path, mode=0o600, size=rng.randrange(5))
                        case 7:
                            view.read(self_path)
                except (FileNotFoundError, FileExistsError):
                    pass
        except BaseException as failure:
            failures.append(failure)
            raise

    threads = [threading.Thread(target=worker, args=(seed,)) for seed in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
        assert not thread.is_alive()
    assert failures == []
    assert {path: row._replace(mtime_ns=0) for path, row in view.tree().items()} == {
        path: row._replace(mtime_ns=0) for path, row in one.view().tree().items()
    }
    assert one.litter() == []


# Listings with cookies

STEPS = st.lists(
    st.tuples(
        st.sampled_from(["create", "unlink", "rename", "replace", "read"]),
        st.integers(0, 9),
        st.integers(0, 9),
    ),
    max_size=25,
)


@settings(max_examples=80, deadline=None)
@given(STEPS, st.integers(1, 4))
def test_listing_while_the_directory_changes(steps: list[tuple[str, int, int]], page: int) -> None:
    view = stand({f"d/{n}": b"" for n in range(0, 10, 2)}).view()
    directory = view.at(b"d")
    stayed = set(view.names(b"d"))
    seen: list[bytes] = []
    cookie = 0

    def turn() -> bool:
        nonlocal cookie
        entries = view.union.readdir(directory, cookie)[:page]
        assert [entry.cookie for entry in entries] == sorted({entry.cookie for entry in entries})
        assert all(entry.cookie > max(cookie, 2) for entry in entries)
        seen.extend(entry.name for entry in entries)
        cookie = entries[-1].cookie if entries else cookie
        return bool(entries)

    touched: set[bytes] = set()
    for what, one, other in steps:
        name, new = b"%d" % one, b"%d" % other
        if what == "read":
            turn()
            continue
        there = view.has(b"d/" + name)
        match what:
            case "create" if not there:
                view.make(b"d/" + name)
            case "unlink" if there:
                view.unlink(b"d/" + name)
            case "rename" | "replace" if (
                there and view.has(b"d/" + new) == (what == "replace") and one != other
            ):
                view.rename(b"d/" + name, b"d/" + new)
                touched.add(new)
            case _:
                continue
        touched.add(name)
    while turn():
        pass
    stayed -= touched
    untouched = [name for name in seen if name not in touched]
    assert sorted(untouched) == sorted(set(untouched))
    assert stayed <= set(seen)


def test_cookies_go_on_behind_a_removed_entry() -> None:
    view = stand({f"d/{n}": b"" for n in range(6)}).view()
    directory = view.at(b"d")
    first = view.union.readdir(directory)
    for entry in first[:3]:
        view.unlink(b"d/" + entry.name)
    assert view.union.readdir(directory, first[2].cookie) == first[3:]
    assert view.union.readdir(directory, first[0].cookie) == first[3:]
