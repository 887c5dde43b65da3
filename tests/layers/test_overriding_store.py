"""Owners and modes in an extended attribute: all that a store promises, and what is on disk."""

from __future__ import annotations

import errno
import os
import stat
import time
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from hypothesis import given
from hypothesis import strategies as st

from unionfs.core import acl, capabilities
from unionfs.core.acl import Entry, Tag
from unionfs.core.store import WritableStore
from unionfs.layers.host import HostStore
from unionfs.layers.host.override import CONTAINERS, PRIVILEGED, USER, Override, parse, serialise
from unionfs.layers.host.overriding import OverridingStore, VolatileOverridingStore
from unionfs.testing.store_suite import StoreSuite, raises
from unionfs.types import Kind, Stat

ACL = (
    Entry(Tag.USER_OBJ, 6),
    Entry(Tag.USER, 6, 1),
    Entry(Tag.GROUP_OBJ, 4),
    Entry(Tag.MASK, 6),
    Entry(Tag.OTHER, 0),
)
IDS = st.integers(0, 2**32 - 2)
MODES = st.integers(0, 0o7777)


class TestOverridingStore(StoreSuite):
    def make_store(self) -> WritableStore:
        directory = self.cleanup.enter_context(TemporaryDirectory())
        return OverridingStore(directory, xattr=USER, writable=True)

    def test_a_mode_follows_its_acl_and_the_acl_its_mode(self) -> None:
        """There are none: the mode is kept elsewhere."""
        self.write(b"file")
        for name in acl.NAMES:
            with raises(errno.EOPNOTSUPP, path=b"file"):
                self.store.setxattr(b"file", name, acl.serialise(()))
            with raises(errno.EOPNOTSUPP, path=b"file"):
                self.store.getxattr(b"file", name)

    test_an_acl_that_says_no_more_than_a_mode_is_the_mode = test_a_mode_follows_its_acl_and_the_acl_its_mode
    test_only_directories_have_default_acls = test_a_mode_follows_its_acl_and_the_acl_its_mode


class TestVolatileOverridingStore(TestOverridingStore):
    def make_store(self) -> WritableStore:
        directory = self.cleanup.enter_context(TemporaryDirectory())
        return VolatileOverridingStore(directory, xattr=USER, writable=True)


# The form


@pytest.mark.parametrize(
    ("value", "override"),
    [
        (b"0:0:755", Override(0, 0, 0o755)),
        (b"1000:50:0100640", Override(1000, 50, 0o640)),  # as fuse-overlayfs 1.10 and libkrun have it
        (b"-2:-16:40700", Override(2**32 - 2, 2**32 - 16, 0o700)),
        (b"1:2:04711:file", Override(1, 2, 0o4711)),
        (b"1:2:1777:dir", Override(1, 2, 0o1777)),
        (b"1:2:777:symlink", Override(1, 2, 0o777)),
        (b"1:2:600:pipe", Override(1, 2, 0o600, stat.S_IFIFO)),
        (b"1:2:600:socket", Override(1, 2, 0o600, stat.S_IFSOCK)),
        (b"1:2:0660:block-7-300", Override(1, 2, 0o660, stat.S_IFBLK, os.makedev(7, 300))),
        (b"1:2:666:char-1-3", Override(1, 2, 0o666, stat.S_IFCHR, os.makedev(1, 3))),
    ],
)
def test_what_others_write_is_read(value: bytes, override: Override) -> None:
    assert parse(value) == override


@pytest.mark.parametrize(
    "value",
    [b"", b"0:0", b"0:0:", b"0:0:8", b"a:0:7", b"0:0:7:", b"0:0:7:char", b"0:0:7:pipe-1-2", b" 0:0:7"],
)
def test_what_nobody_writes_is_an_error(value: bytes) -> None:
    with raises(errno.EIO):
        parse(value)


NOTHING = st.just(0)
STANDS_FOR = (
    st.tuples(NOTHING, NOTHING)
    | st.tuples(st.sampled_from([stat.S_IFIFO, stat.S_IFSOCK]), NOTHING)
    | st.tuples(st.sampled_from([stat.S_IFCHR, stat.S_IFBLK]), st.integers(0, 2**20))
)


@given(st.builds(lambda format, *of: Override(*of, *format), STANDS_FOR, IDS, IDS, MODES))
def test_what_is_written_is_read(override: Override) -> None:
    assert parse(serialise(override)) == override
    regular = Stat(stat.S_IFREG | 0o755, uid=7, gid=7, size=0)
    assert Override.of(override.over(regular)) == override


# On disk


@pytest.fixture
def store(tmp_path: Path) -> Iterator[OverridingStore]:
    with closing(OverridingStore(tmp_path, xattr=CONTAINERS, writable=True)) as store:
        yield store


def own(path: Path) -> tuple[int, int, int]:
    status = path.lstat()
    return status.st_uid, status.st_gid, status.st_mode


def test_the_file_itself_is_its_makers_and_others_can_use_it(store: OverridingStore, tmp_path: Path) -> None:
    with closing(store.create(b"f", 0o600)) as file:
        store.mkdir(b"d", 0o1770)
        for name in (b"f", b"d"):
            store.chown(name, 7, 8)
            store.chmod(name, 0o4600)
        assert own(tmp_path / "f") == (os.geteuid(), os.getegid(), stat.S_IFREG | 0o755)
        assert own(tmp_path / "d") == (os.geteuid(), os.getegid(), stat.S_IFDIR | 0o755)
        assert os.getxattr(tmp_path / "f", CONTAINERS) == b"7:8:4600"
        shown = Stat(stat.S_IFREG | 0o4600, uid=7, gid=8)
        assert file.stat()[:1] + file.stat()[4:6] == shown[:1] + shown[4:6] == (shown.mode, 7, 8)
        file.chmod(0o640)
        file.chown(-1, 9)
        file.setxattr(b"user.a", b"b")
        assert file.xattrs() == store.listxattr(b"f") == [b"user.a"]
        assert file.stat() == store.stat(b"f")
    assert os.getxattr(tmp_path / "f", CONTAINERS) == b"7:9:640"


def test_what_lacks_the_attribute_has_its_own_owner(store: OverridingStore, tmp_path: Path) -> None:
    (tmp_path / "f").touch()
    (tmp_path / "f").chmod(0o640)
    os.setxattr(tmp_path / "f", acl.ACCESS, acl.serialise(ACL))
    assert store.stat(b"f") == HostStore(tmp_path).stat(b"f")
    assert store.getxattr(b"f", acl.ACCESS) == acl.serialise(ACL)
    store.chmod(b"f", 0o600)
    assert (store.stat(b"f").mode & 0o777, own(tmp_path / "f")[2] & 0o777) == (0o600, 0o755)
    assert store.listxattr(b"f") == []


def test_what_is_spoilt_is_an_error(store: OverridingStore, tmp_path: Path) -> None:
    (tmp_path / "f").touch()
    os.setxattr(tmp_path / "f", CONTAINERS, b"root:root:755")
    with raises(errno.EIO, path=b"f"):
        store.stat(b"f")


def test_files_that_stand_for_others(store: OverridingStore, tmp_path: Path) -> None:
    for name, value in (
        ("null", b"0:0:666:char-1-3"),
        ("pipe", b"5:6:600:pipe"),
        ("dir", b"0:0:700:char-1-3"),
    ):
        path = tmp_path / name
        path.mkdir() if name == "dir" else path.touch()
        os.setxattr(path, CONTAINERS, value)
    assert sorted(store.scan(b"")) == [(b"dir", Kind.DIR), (b"null", Kind.CHAR), (b"pipe", Kind.FIFO)]
    null = store.stat_in(b"")(b"null")
    assert (null.mode, null.rdev) == (stat.S_IFCHR | 0o666, os.makedev(1, 3))
    store.chmod(b"null", 0o600)
    store.chown(b"pipe", 7, -1)
    assert os.getxattr(tmp_path / "null", CONTAINERS) == b"0:0:600:char-1-3"
    assert os.getxattr(tmp_path / "pipe", CONTAINERS) == b"7:6:600:pipe"


def test_a_device_that_cannot_be_made(
    store: OverridingStore, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise PermissionError(errno.EPERM, "not permitted")

    monkeypatch.setattr(os, "mknod", refuse)
    store.mknod(b"loop", stat.S_IFBLK | 0o660, os.makedev(7, 5))
    assert (store.stat(b"loop").mode, store.stat(b"loop").rdev) == (stat.S_IFBLK | 0o660, os.makedev(7, 5))
    assert os.getxattr(tmp_path / "loop", CONTAINERS).endswith(b":660:block-7-5")
    with raises(errno.EPERM):
        store.mknod(b"whiteout", stat.S_IFCHR, 0)


def test_the_attributes_own_name_is_as_good_as_any(store: OverridingStore, tmp_path: Path) -> None:
    store.create(b"f", 0o600).close()
    for name in (CONTAINERS, CONTAINERS + b".", PRIVILEGED):
        with raises(errno.ENODATA):
            store.getxattr(b"f", name)
        store.setxattr(b"f", name, b"mine " + name)
    assert sorted(store.listxattr(b"f")) == sorted((CONTAINERS, CONTAINERS + b".", PRIVILEGED))
    assert store.getxattr(b"f", CONTAINERS) == b"mine " + CONTAINERS
    assert store.stat(b"f").mode == stat.S_IFREG | 0o600
    store.removexattr(b"f", CONTAINERS)
    assert sorted(store.listxattr(b"f")) == sorted((CONTAINERS + b".", PRIVILEGED))


def test_links_are_given_away_where_that_can_be(
    store: OverridingStore, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    store.symlink(b"link", b"target")
    store.chown(b"link", 7, 8)
    assert own(tmp_path / "link")[:2] == store.stat(b"link")[4:6] == (7, 8)

    def refuse(*_: object, **__: object) -> None:
        raise PermissionError(errno.EPERM, "not permitted")

    monkeypatch.setattr(os, "chown", refuse)
    store.chown(b"link", 9, 9)
    assert store.stat(b"link")[4:6] == (7, 8)


def test_capabilities_go_with_the_owner_alone(store: OverridingStore) -> None:
    value = bytes.fromhex("0100000200040000000000000000000000000000")
    for change in (lambda file: file.chown(7, -1), lambda _: store.chown(b"f", 8, -1)):
        with closing(store.open(b"f") if store.scan(b"") else store.create(b"f", 0o600)) as file:
            store.setxattr(b"f", capabilities.XATTR, value)
            store.chmod(b"f", 0o640)
            file.chmod(0o640)
            assert store.getxattr(b"f", capabilities.XATTR) == value
            change(file)
            assert store.listxattr(b"f") == []


def test_a_change_that_changes_nothing_is_dated(store: OverridingStore) -> None:
    with closing(store.create(b"f", 0o600)) as file:
        changes = (
            lambda: store.chmod(b"f", 0o600),
            lambda: store.chown(b"f", -1, -1),
            lambda: file.chmod(0o600),
            lambda: file.chown(-1, -1),
        )
        for change in changes:
            before = store.stat(b"f").ctime_ns
            time.sleep(0.02)
            change()
            assert store.stat(b"f").ctime_ns > before
