"""The host store's cache of directories: right after every change, bounded, and safe under threads."""

from __future__ import annotations

import errno
import gc
import os
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from unionfs.layers.fill import fill
from unionfs.layers.host import HostStore
from unionfs.layers.host import directories as directories_module
from unionfs.layers.host import store as store_module
from unionfs.layers.host.directories import Directory, DirectoryCache, open_beneath
from unionfs.testing.store_suite import raises
from unionfs.types import Kind, RenameFlags


@pytest.fixture
def store(tmp_path: Path) -> Iterator[HostStore]:
    store = HostStore(tmp_path, writable=True)
    yield store
    store.close()


@pytest.fixture
def small(monkeypatch: pytest.MonkeyPatch) -> DirectoryCache:
    cache = DirectoryCache(4)
    monkeypatch.setattr(store_module, "directories", cache)
    return cache


def open_descriptors() -> int:
    gc.collect()
    return len(os.listdir("/proc/self/fd"))


def test_exchanged_directories_are_looked_up_anew(store: HostStore) -> None:
    fill(store, {"a/sub/in_a": b"", "b/sub/in_b": b"", "ab/x": b""})
    for name in (b"a", b"b"):
        store.stat(name + b"/sub/in_" + name)
    store.stat(b"ab/x")
    store.rename(b"a", store, b"b", RenameFlags.EXCHANGE)
    assert store.scan(b"a/sub") == [(b"in_b", Kind.FILE)]
    assert store.stat(b"b/sub/in_a").kind is Kind.FILE
    assert store.stat(b"ab/x").kind is Kind.FILE


def test_a_removed_directory_is_looked_up_anew(store: HostStore) -> None:
    fill(store, {"d/file": b""})
    store.unlink(b"d/file")
    store.rmdir(b"d")
    with raises(errno.ENOENT):
        store.create(b"d/file", 0o644)
    fill(store, {"d/file": b"new"})
    assert store.open(b"d/file").pread(9, 0) == b"new"


def test_a_replaced_directory_is_looked_up_anew(store: HostStore) -> None:
    fill(store, {"empty": None, "full/file": b""})
    with raises(errno.ENOENT):
        store.stat(b"empty/file")
    store.rename(b"full", store, b"empty", RenameFlags.NONE)
    assert store.stat(b"empty/file").kind is Kind.FILE


@pytest.mark.parametrize(("path", "new"), [(b"place", b"file"), (b"file", b"place")])
def test_a_directory_that_changes_places_with_a_file_is_looked_up_anew(
    store: HostStore, path: bytes, new: bytes
) -> None:
    fill(store, {"place/in": b"", "file": b"", "other/in": b""})
    store.stat(b"place/in")
    store.rename(path, store, new, RenameFlags.EXCHANGE)
    assert store.stat(b"file/in").kind is Kind.FILE
    store.rename(b"place", store, b"gone", RenameFlags.NONE)
    store.rename(b"other", store, b"place", RenameFlags.NONE)
    assert store.stat(b"place/in").kind is Kind.FILE


def test_a_directory_made_anew_is_not_the_one_that_was_removed(store: HostStore) -> None:
    fill(store, {"place/sub/in": b""})
    store.stat(b"place/sub/in")
    store.unlink(b"place/sub/in")
    store.rmdir(b"place/sub")
    store.rmdir(b"place")
    fill(store, {"place/sub/new": b""})
    assert store.stat(b"place/sub/new").kind is Kind.FILE


def test_descriptors_are_bounded_and_all_come_back(tmp_path: Path, small: DirectoryCache) -> None:
    before = open_descriptors()
    store = HostStore(tmp_path, writable=True)
    for number in range(50):
        fill(store, {f"{number}/file": b"data"})
        store.open(b"%d/file" % number).close()
        with raises(errno.ENOENT):
            store.open(b"%d/no" % number)
        with raises(errno.EISDIR):
            store.open(b"%d" % number)
        with raises(errno.EEXIST):
            store.create(b"%d/file" % number, 0o644)
        store.scan(b"%d" % number)
    assert open_descriptors() <= before + 1 + 4
    store.close()
    assert open_descriptors() == before


def test_a_descriptor_in_use_is_not_closed_under_its_user(store: HostStore, small: DirectoryCache) -> None:
    """More directories than the cache holds, many threads: a reused descriptor would tell the wrong name."""
    count = 32
    fill(store, {f"{number}/is{number}": b"" for number in range(count)})

    def look(turn: int) -> None:
        number = turn % count
        assert store.stat(b"%d/is%d" % (number, number)).kind is Kind.FILE

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(look, range(8000)))


def test_renaming_beside_looking_up(store: HostStore, small: DirectoryCache) -> None:
    """Two directories change places over and over: whoever looks afterwards sees where they are."""
    fill(store, {"a/sub/one": b"", "b/sub/two": b""})

    def look(turn: int) -> None:
        for name in (b"one", b"two"):
            try:
                store.stat(b"a/sub/" + name)
            except FileNotFoundError:
                pass

    with ThreadPoolExecutor(4) as pool:
        for turn in range(300):
            looks = [pool.submit(look, turn) for _ in range(4)]
            store.rename(b"a", store, b"b", RenameFlags.EXCHANGE)
            for done in looks:
                done.result()
            expected = b"two" if turn % 2 == 0 else b"one"
            assert store.scan(b"a/sub") == [(expected, Kind.FILE)]
            assert store.stat(b"a/sub/" + expected).kind is Kind.FILE


def test_a_directory_opened_during_a_rename_is_not_kept(
    store: HostStore, small: DirectoryCache, monkeypatch: pytest.MonkeyPatch
) -> None:
    fill(store, {"a/sub/in_a": b"", "b/sub/in_b": b""})
    small.forget_all(store._root)

    def open_then_rename(root: Directory, path: bytes) -> Directory:
        directory = open_beneath(root, path)
        store.rename(b"a", store, b"b", RenameFlags.EXCHANGE)
        return directory

    with monkeypatch.context() as patch:
        patch.setattr(directories_module, "open_beneath", open_then_rename)
        store.stat(b"a/sub/in_a")
    assert store.stat(b"a/sub/in_b").kind is Kind.FILE
