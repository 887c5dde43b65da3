"""The memory store: the suite, and what only it has."""

from __future__ import annotations

import errno
from concurrent.futures import ThreadPoolExecutor

from unionfs.core.store import WritableStore
from unionfs.layers.fill import Symlink
from unionfs.layers.memory import MemoryStore
from unionfs.testing.store_suite import StoreSuite, raises
from unionfs.types import Access, Kind, RenameFlags


class TestMemoryStore(StoreSuite):
    privileged = True

    def make_store(self) -> WritableStore:
        return MemoryStore()


def test_trees_on_one_file_system_exchange_files() -> None:
    upper = MemoryStore("upper")
    work = MemoryStore("work", beside=upper)
    work.mkdir(b"temp", 0o755)
    work.create(b"temp/file", 0o644).close()
    work.rename(b"temp", upper, b"d", RenameFlags.NONE)
    upper.link(b"d/file", work, b"second")
    assert upper.stat(b"d/file") == work.stat(b"second")
    assert work.scan(b"") == [(b"second", Kind.FILE)]
    assert (upper.stat(b"").nlink, work.stat(b"").nlink) == (3, 2)


def test_trees_of_different_file_systems_do_not() -> None:
    one, other = MemoryStore.of({"a": b""}), MemoryStore()
    with raises(errno.EXDEV):
        one.rename(b"a", other, b"a", RenameFlags.NONE)
    with raises(errno.EXDEV):
        one.link(b"a", other, b"a")
    assert one.stat(b"").dev != other.stat(b"").dev
    assert one.handle(b"") != other.handle(b"")


def test_links_of_a_directory_count_its_subdirectories() -> None:
    store = MemoryStore.of({"a/b": None, "a/c": None, "a/file": b"", "d": None})
    assert store.stat(b"a").nlink == 4
    store.rename(b"a/b", store, b"d/b", RenameFlags.NONE)
    store.rmdir(b"a/c")
    assert (store.stat(b"a").nlink, store.stat(b"d").nlink) == (2, 3)


def test_filled_from_a_mapping() -> None:
    store = MemoryStore.of({"a/b": b"data", "a/link": Symlink("b"), "c": None, "c/d": b""}, name="lower")
    assert store.name == "lower"
    assert store.open(b"a/b").pread(9, 0) == b"data"
    assert store.readlink(b"a/link") == b"b"
    assert dict(store.scan(b"c")) == {b"d": Kind.FILE}


def test_writing_takes_capabilities_away() -> None:
    store = MemoryStore.of({"a": b""})
    store.setxattr(b"a", b"security.capability", b"x")
    store.open(b"a", Access.WRITE).pwrite(b"1", 0)
    assert store.listxattr(b"a") == []


def test_threads_see_one_file_system() -> None:
    store = MemoryStore()

    def make(number: int) -> None:
        store.create(b"%d" % number, 0o644).close()
        store.rename(b"%d" % number, store, b"same", RenameFlags.NONE)

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(make, range(2000)))
    assert store.scan(b"") == [(b"same", Kind.FILE)]
