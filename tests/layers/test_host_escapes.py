"""Nothing outside the root of a host store can be reached through symbolic links, not even in a race."""

from __future__ import annotations

import errno
import os
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from itertools import count
from pathlib import Path

import pytest

from unionfs.layers.fill import Symlink, fill
from unionfs.layers.host import HostStore, syscalls
from unionfs.layers.host.directories import Directory, open_beneath
from unionfs.testing.store_suite import raises
from unionfs.types import Access, RenameFlags

RACES = 1500


@pytest.fixture(params=["openat2", "walk"])
def outside(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A directory beside the store's, where nothing may change."""
    if request.param == "walk":
        monkeypatch.setattr(syscalls, "has_openat2", lambda: False)
    path = tmp_path / "outside"
    (path / "sub").mkdir(parents=True)
    (path / "secret").write_bytes(b"secret")
    (path / "sub" / "secret").write_bytes(b"secret")
    return path


@pytest.fixture
def store(tmp_path: Path) -> Iterator[HostStore]:
    (tmp_path / "root").mkdir()
    store = HostStore(tmp_path / "root", writable=True)
    yield store
    store.close()


@pytest.mark.parametrize("target", ["../outside", "{outside}", "inside/../../outside"])
def test_a_link_is_no_directory(target: str, outside: Path, store: HostStore) -> None:
    fill(store, {"inside/file": b"", "link": Symlink(target.format(outside=outside)), "file": b""})
    attempts: list[Callable[[], object]] = [
        lambda: store.stat(b"link/secret"),
        lambda: store.stat(b"link/sub/secret"),
        lambda: store.scan(b"link"),
        lambda: store.scan(b"link/sub"),
        lambda: store.open(b"link/secret"),
        lambda: store.create(b"link/new", 0o644),
        lambda: store.mkdir(b"link/new", 0o755),
        lambda: store.unlink(b"link/secret"),
        lambda: store.rename(b"file", store, b"link/new", RenameFlags.NONE),
        lambda: store.rename(b"link/secret", store, b"new", RenameFlags.NONE),
        lambda: store.link(b"link/secret", store, b"new"),
        lambda: store.chmod(b"link/secret", 0o777),
        lambda: store.getxattr(b"link/secret", b"user.a"),
    ]
    for attempt in attempts:
        with raises(errno.ELOOP, errno.ENOTDIR):
            attempt()
    assert sorted(os.listdir(outside)) == ["secret", "sub"]


def test_a_link_as_last_name_is_not_followed(outside: Path, store: HostStore) -> None:
    fill(store, {"link": Symlink(str(outside / "secret"))})
    before = os.stat(outside / "secret")
    with raises(errno.ELOOP):
        store.open(b"link", Access.WRITE | Access.TRUNCATE)
    with raises(errno.EOPNOTSUPP):
        store.chmod(b"link", 0o777)
    with raises(errno.EPERM):
        store.setxattr(b"link", b"user.a", b"")
    store.utimens(b"link", 1, 1)
    store.link(b"link", store, b"second")
    assert store.readlink(b"second") == os.fsencode(outside / "secret")
    assert os.stat(outside / "secret") == before


@pytest.mark.parametrize("path", [b"..", b"../outside/secret", b"inside/../../outside/secret", b"/etc"])
def test_dots_and_slashes_lead_nowhere(path: bytes, outside: Path, store: HostStore) -> None:
    fill(store, {"inside": None})
    with raises(errno.EINVAL, path=path):
        store.stat(path)


def test_a_directory_swapped_for_a_link_on_the_way(outside: Path, store: HostStore, tmp_path: Path) -> None:
    fill(store, {"a/sub": None, "b": Symlink("../outside")})
    allowed = store.stat(b"a/sub").ino
    root = Directory(os.open(tmp_path / "root", os.O_PATH))
    reached: set[int] = set()
    refusals: set[int | None] = set()
    with swapping(tmp_path / "root" / "a", tmp_path / "root" / "b"):
        for _ in races(lambda: bool(reached and refusals)):
            try:
                found = open_beneath(root, b"a/sub")
                reached.add(os.fstat(found.fd).st_ino)
            except OSError as failure:
                refusals.add(failure.errno)
    assert reached == {allowed}
    assert refusals
    assert refusals <= {errno.ELOOP, errno.ENOTDIR}


def test_a_file_swapped_for_a_link_is_not_changed(outside: Path, store: HostStore, tmp_path: Path) -> None:
    fill(store, {"a": b"", "b": Symlink("../outside/secret")})
    before = os.stat(outside / "secret")
    outcomes: set[int | None] = set()
    with swapping(tmp_path / "root" / "a", tmp_path / "root" / "b"):
        for _ in races(lambda: 0 in outcomes and len(outcomes) > 1):
            try:
                store.chmod(b"a", 0o777)
                store.open(b"a", Access.WRITE | Access.TRUNCATE).close()
                outcomes.add(0)
            except OSError as failure:
                outcomes.add(failure.errno)
    assert os.stat(outside / "secret") == before
    assert 0 in outcomes
    assert outcomes - {0}
    assert outcomes <= {0, errno.EOPNOTSUPP, errno.ELOOP}


def races(both_were_won: Callable[[], bool]) -> Iterator[int]:
    """So many rounds as are worth while, and on until each side has won one; a minute is enough for that."""
    give_up = time.monotonic() + 60
    for number in count():
        if number >= RACES and (both_were_won() or time.monotonic() > give_up):
            return
        yield number


@contextmanager
def swapping(one: Path, other: Path) -> Iterator[None]:
    """Exchange two names over and over in another thread."""
    stop = threading.Event()

    def swap() -> None:
        while not stop.is_set():
            syscalls.renameat2(-1, bytes(one), -1, bytes(other), RenameFlags.EXCHANGE)

    thread = threading.Thread(target=swap)
    thread.start()
    try:
        yield
    finally:
        stop.set()
        thread.join()
