"""The host store: the suite, also without privileges and without openat2(2), and what only it has."""

from __future__ import annotations

import errno
import os
import stat
import traceback
from collections.abc import Callable, Iterator
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest

from unionfs.core.store import WritableStore
from unionfs.layers.fill import Symlink, fill
from unionfs.layers.host import HostStore, syscalls
from unionfs.layers.memory import MemoryStore
from unionfs.testing.store_suite import StoreSuite, raises
from unionfs.types import Access, Kind, RenameFlags

NOBODY = 65534
SHM = "/dev/shm"


class TestHostStore(StoreSuite):
    def make_store(self) -> WritableStore:
        return HostStore(self.cleanup.enter_context(TemporaryDirectory()), writable=True)


class TestHostStoreWithoutOpenat2(TestHostStore):
    @pytest.fixture(autouse=True)
    def _walking(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(syscalls, "has_openat2", lambda: False)


# Python warns that a child may inherit locks of other threads; ours only makes files and exits.
@pytest.mark.filterwarnings("ignore:.*fork.*:DeprecationWarning")
@pytest.mark.parametrize("test", [name for name in vars(StoreSuite) if name.startswith("test_")])
def test_without_privileges(test: str) -> None:
    suite = TestHostStore()

    def run() -> None:
        if os.geteuid() == 0:
            os.setgroups([])
            os.setresgid(NOBODY, NOBODY, NOBODY)
            os.setresuid(NOBODY, NOBODY, NOBODY)
        suite.setup_method()
        try:
            getattr(suite, test)()
        finally:
            suite.teardown_method()

    assert succeeds_in_child(run)


def succeeds_in_child(run: Callable[[], None]) -> bool:
    if child := os.fork():
        return os.waitpid(child, 0)[1] == 0
    try:
        run()
        os._exit(0)
    except BaseException:  # noqa: BLE001 - whatever it is, the child must not return into pytest
        traceback.print_exc()
    finally:
        os._exit(1)


@pytest.fixture
def store(tmp_path: Path) -> Iterator[HostStore]:
    store = HostStore(tmp_path, writable=True)
    yield store
    store.close()


def test_the_root_must_be_a_directory(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    for name, number in (("no", errno.ENOENT), ("file", errno.ENOTDIR)):
        with raises(number):
            HostStore(tmp_path / name)


def test_the_way_to_the_root_may_be_a_link(store: HostStore, tmp_path: Path) -> None:
    fill(store, {"real/file": b"", "link": Symlink("real")})
    other = HostStore(tmp_path / "link")
    assert other.scan(b"") == [(b"file", Kind.FILE)]
    assert other.name == str(tmp_path / "link")
    other.close()


def test_what_is_not_writable_is_read_only(store: HostStore, tmp_path: Path) -> None:
    fill(store, {"file": b"data"})
    reader = HostStore(tmp_path)
    none = RenameFlags.NONE
    changes: list[Callable[[], object]] = [
        lambda: reader.open(b"file", Access.WRITE),
        lambda: reader.open(b"file", Access.READ | Access.TRUNCATE),
        lambda: reader.create(b"new", 0o644),
        lambda: reader.mkdir(b"new", 0o755),
        lambda: reader.mknod(b"new", stat.S_IFIFO, 0),
        lambda: reader.symlink(b"new", b"x"),
        lambda: reader.link(b"file", store, b"new"),
        lambda: store.link(b"file", reader, b"new"),
        lambda: reader.rename(b"file", store, b"new", none),
        lambda: store.rename(b"file", reader, b"new", none),
        lambda: reader.unlink(b"file"),
        lambda: reader.rmdir(b"file"),
        lambda: reader.chmod(b"file", 0),
        lambda: reader.chown(b"file", 1, 1),
        lambda: reader.utimens(b"file", 0, 0),
        lambda: reader.setxattr(b"file", b"user.a", b""),
        lambda: reader.removexattr(b"file", b"user.a"),
    ]
    for change in changes:
        with raises(errno.EROFS):
            change()
    assert reader.open(b"file").pread(9, 0) == b"data"
    assert reader.scan(b"") == [(b"file", Kind.FILE)]
    reader.close()


def test_files_move_between_stores_of_one_file_system_only(store: HostStore, tmp_path: Path) -> None:
    fill(store, {"upper": None, "work/dir/file": b"data"})
    upper, work = (HostStore(tmp_path / name, writable=True) for name in ("upper", "work"))
    assert work.scan(b"dir") == [(b"file", Kind.FILE)]
    work.rename(b"dir", upper, b"moved", RenameFlags.NONE)
    upper.link(b"moved/file", work, b"second")
    assert upper.stat(b"moved/file") == work.stat(b"second")
    with raises(errno.ENOENT):
        work.scan(b"dir")
    with TemporaryDirectory(dir=SHM) as directory:
        elsewhere = HostStore(directory, writable=True)
        for other in (elsewhere, MemoryStore()):
            with raises(errno.EXDEV, path=b"second"):
                work.rename(b"second", other, b"x", RenameFlags.NONE)
            with raises(errno.EXDEV, path=b"second"):
                work.link(b"second", other, b"x")
        elsewhere.close()
    upper.close()
    work.close()


def test_data_is_copied_across_file_systems_and_from_memory(store: HostStore) -> None:
    data = os.urandom(3 << 20)
    with TemporaryDirectory(dir=SHM) as directory:
        elsewhere = HostStore(directory, writable=True)
        sources: tuple[WritableStore, ...] = (elsewhere, MemoryStore())
        for number, source in enumerate(sources):
            fill(source, {"file": data})
            assert copied(source, store, b"%d" % number) == data
        elsewhere.close()


def copied(source: WritableStore, target: WritableStore, name: bytes) -> bytes:
    given, made = source.open(b"file"), target.create(name, 0o644)
    at = 0
    while count := made.copy_from(given, at, 1 << 30):
        at += count
    data = made.pread(1 << 30, 0)
    given.close()
    made.close()
    return data


def test_reading_leaves_access_times_alone(store: HostStore) -> None:
    fill(store, {"dir/file": b"data"})
    for path in (b"dir", b"dir/file"):
        store.utimens(path, 1, 2)
    store.open(b"dir/file").pread(9, 0)
    store.scan(b"dir")
    assert [store.stat(path).atime_ns for path in (b"dir", b"dir/file")] == [1, 1]


def test_statfs_tells_the_room_of_the_host(store: HostStore, tmp_path: Path) -> None:
    assert store.statfs().blocks == os.statvfs(tmp_path).f_blocks


@pytest.mark.parametrize("number", [errno.ENOSYS, errno.EPERM])
def test_a_missing_or_forbidden_openat2_is_found_out(number: int, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(dir_fd: int, path: bytes) -> int:
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr(syscalls, "openat2_directory", refuse)
    assert not syscalls.has_openat2.__wrapped__()
    monkeypatch.undo()
    assert syscalls.has_openat2.__wrapped__()
