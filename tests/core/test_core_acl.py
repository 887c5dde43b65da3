"""POSIX ACLs: as bytes, as arithmetic with modes, and as what is made in a directory inherits them."""

from __future__ import annotations

import errno
import os
import stat as _s
import struct
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from spies import Calls
from stands import DIALECTS, View, errno_of, lower, stand

from unionfs.core import acl
from unionfs.core.acl import Acl, Entry, Tag
from unionfs.core.dialect import Dialect
from unionfs.core.layer import Layer
from unionfs.layers.memory import MemoryStore
from unionfs.types import Owner, XattrFlags

NOBODY = 0xFFFF_FFFF

MINIMAL: Acl = (Entry(Tag.USER_OBJ, 7), Entry(Tag.GROUP_OBJ, 5), Entry(Tag.OTHER, 1))
FULL: Acl = (
    Entry(Tag.USER_OBJ, 7),
    Entry(Tag.USER, 6, 1000),
    Entry(Tag.GROUP_OBJ, 5),
    Entry(Tag.GROUP, 7, 50),
    Entry(Tag.MASK, 6),
    Entry(Tag.OTHER, 4),
)
FULL_BYTES = (
    "02000000" "01000700ffffffff" "02000600e8030000" "04000500ffffffff"
    "0800070032000000" "10000600ffffffff" "20000400ffffffff"
)  # fmt: skip
"""As Linux 6.18 gave it back for an ACL set by setfacl."""


def packed(*entries: tuple[int, int, int], version: int = 2) -> bytes:
    return struct.pack("<I", version) + b"".join(struct.pack("<HHI", *entry) for entry in entries)


# As bytes


def test_the_layout() -> None:
    assert acl.serialise(FULL).hex() == FULL_BYTES
    assert acl.parse(bytes.fromhex(FULL_BYTES)) == FULL
    assert acl.parse(b"") == acl.parse(packed()) == ()


OWNER, GROUP, OTHERS = (1, 6, NOBODY), (4, 4, NOBODY), (32, 0, NOBODY)
MASK, SOMEBODY = (16, 6, NOBODY), (2, 4, 1000)

MALFORMED = {
    "short": b"ab",
    "ragged": packed(OWNER, GROUP, OTHERS)[:-1],
    "no mask": packed(OWNER, SOMEBODY, GROUP, OTHERS),
    "out of order": packed(GROUP, OWNER, OTHERS),
    "more than rwx": packed((1, 9, NOBODY), GROUP, OTHERS),
    "unknown tag": packed(OWNER, GROUP, OTHERS, (64, 0, NOBODY)),
    "no others": packed(OWNER, GROUP),
    "user nobody": packed(OWNER, (2, 4, NOBODY), GROUP, MASK, OTHERS),
    "two masks": packed(OWNER, GROUP, MASK, MASK, OTHERS),
    "two owners": packed(OWNER, OWNER, GROUP, OTHERS),
}
VALID = {
    "minimal": packed(OWNER, GROUP, OTHERS),
    "one user twice": packed(OWNER, SOMEBODY, SOMEBODY, GROUP, MASK, OTHERS),
    "a mask alone": packed(OWNER, GROUP, MASK, OTHERS),
    "a number where none belongs": packed((1, 6, 5), GROUP, MASK, OTHERS),
    "header alone": packed(),
}


@pytest.mark.parametrize("value", MALFORMED.values(), ids=MALFORMED)
def test_malformed(value: bytes) -> None:
    assert errno_of(lambda: acl.parse(value)) == errno.EINVAL


@pytest.mark.parametrize("value", VALID.values(), ids=VALID)
def test_valid(value: bytes) -> None:
    acl.parse(value)


def test_another_version() -> None:
    assert errno_of(lambda: acl.parse(packed(version=1))) == errno.EOPNOTSUPP


@pytest.mark.parametrize("value", [*MALFORMED.values(), *VALID.values(), packed(version=1), b"nonsense"])
def test_linux_agrees(value: bytes, tmp_path: Path) -> None:
    set_it: Callable[[], object] = lambda: os.setxattr(tmp_path, acl.ACCESS, value)  # noqa: E731
    assert errno_of(lambda: acl.parse(value)) == errno_of(set_it)


# Modes

PERMISSIONS = st.integers(0, 7)
NAMED = st.tuples(st.sampled_from((Tag.USER, Tag.GROUP)), PERMISSIONS, st.integers(1, 4))


@st.composite
def acls(draw: st.DrawFn) -> Acl:
    named = {(tag, number): Entry(tag, perm, number) for tag, perm, number in draw(st.lists(NAMED))}
    always = [Entry(tag, draw(PERMISSIONS)) for tag in (Tag.USER_OBJ, Tag.GROUP_OBJ, Tag.OTHER)]
    mask = [Entry(Tag.MASK, draw(PERMISSIONS))] if named or draw(st.booleans()) else []
    return tuple(sorted([*always, *mask, *named.values()]))


@given(acls())
def test_what_is_written_is_read(entries: Acl) -> None:
    assert acl.parse(acl.serialise(entries)) == entries


@given(acls(), st.integers(0, 0o7777))
def test_chmod_and_the_mode_that_shows(entries: Acl, mode: int) -> None:
    assert acl.mode_of(acl.with_mode(entries, mode)) == mode & 0o777


@given(acls(), st.integers(0, 0o7777), st.booleans())
def test_linux_inherits_in_the_same_way(
    tmp_path_factory: pytest.TempPathFactory, entries: Acl, mode: int, is_dir: bool
) -> None:
    parent = tmp_path_factory.getbasetemp() / "inheriting"
    parent.mkdir(exist_ok=True)
    os.setxattr(parent, acl.DEFAULT, acl.serialise(entries))
    made = parent / "made"
    mode &= 0o1777  # set-id bits have rules of their own
    if is_dir:
        made.mkdir(mode)
    else:
        os.close(os.open(made, os.O_CREAT | os.O_EXCL, mode))
    try:
        shown = _s.S_IMODE(made.stat().st_mode)
        access = os.getxattr(made, acl.ACCESS) if acl.ACCESS.decode() in os.listxattr(made) else b""
        assert acl.inherit(entries, mode) == (shown, acl.parse(access))
    finally:
        made.rmdir() if is_dir else made.unlink()


# In a union


@pytest.fixture(params=list(DIALECTS))
def dialect(request: pytest.FixtureRequest) -> Dialect:
    return DIALECTS[request.param]


def inheriting(view: View, path: bytes = b"d", default: Acl = FULL) -> None:
    view.setxattr(path, acl.DEFAULT, acl.serialise(default))


def test_what_is_made_inherits(dialect: Dialect) -> None:
    one = stand({"d/f": b"low", "d/gone": b"low"}, dialect=dialect)
    view = one.view()
    inheriting(view)
    view.unlink(b"d/gone")
    directory = view.at(b"d")
    for name in (b"new", b"gone"):
        view.union.create(directory, name, 0o640, Owner(7, 8), umask=0o777)[1].close()
    view.union.mkdir(directory, b"sub", 0o3777, umask=0o777)
    view.union.mknod(directory, b"fifo", _s.S_IFIFO | 0o600)
    view.union.symlink(directory, b"link", b"to")
    node, handle = view.union.tmpfile(directory, 0o666, umask=0o777)
    view.union.link(node, directory, b"named")
    handle.close()
    access = acl.serialise(acl.with_mode(FULL, 0o640))
    for seen in (view, one.view()):
        for name in (b"d/new", b"d/gone"):
            assert seen.stat(name).mode == _s.S_IFREG | 0o640
            assert seen.xattrs(name) == {acl.ACCESS: access}
        assert seen.stat(b"d/sub").mode == _s.S_IFDIR | 0o3764
        assert seen.xattrs(b"d/sub") == {
            acl.ACCESS: acl.serialise(FULL),
            acl.DEFAULT: acl.serialise(FULL),
        }
        assert acl.parse(seen.xattrs(b"d/fifo")[acl.ACCESS]) == acl.with_mode(FULL, 0o600)
        assert seen.xattrs(b"d/link") == {}
        assert seen.stat(b"d/named").mode == _s.S_IFREG | 0o664
        assert acl.parse(seen.xattrs(b"d/named")[acl.ACCESS]) == acl.with_mode(FULL, 0o664)
    assert one.litter() == []


def test_a_new_directory_hands_on_what_it_has_inherited() -> None:
    view = stand({"d/f": b""}).view()
    inheriting(view)
    view.mkdir(b"d/one")
    view.mkdir(b"d/one/two", 0o700)
    assert acl.parse(view.xattrs(b"d/one/two")[acl.DEFAULT]) == FULL
    view.union.removexattr(view.at(b"d/one"), acl.DEFAULT)
    view.mkdir(b"d/one/three")
    assert view.xattrs(b"d/one/three") == {}


def test_a_default_acl_that_says_no_more_than_a_mode() -> None:
    view = stand({"d/f": b""}).view()
    inheriting(view, default=MINIMAL)
    view.make(b"d/new", mode=0o666)
    view.mkdir(b"d/sub", 0o777)
    assert (view.stat(b"d/new").mode, view.xattrs(b"d/new")) == (_s.S_IFREG | 0o640, {})
    assert view.stat(b"d/sub").mode == _s.S_IFDIR | 0o751
    assert view.xattrs(b"d/sub") == {acl.DEFAULT: acl.serialise(MINIMAL)}


def test_without_a_default_acl_the_umask_counts() -> None:
    view = stand({"d/f": b""}).view()
    root = view.union.root
    view.union.create(root, b"f", 0o666, umask=0o027)[1].close()
    view.union.mkdir(root, b"sub", 0o2777, umask=0o027)
    view.union.mknod(root, b"p", _s.S_IFIFO | 0o666, umask=0o777)
    view.union.symlink(root, b"l", b"to")
    modes = {name: _s.S_IMODE(view.stat(name).mode) for name in (b"f", b"sub", b"p", b"l")}
    assert modes == {b"f": 0o640, b"sub": 0o2750, b"p": 0, b"l": 0o777}


def test_a_lower_directory_hands_on_its_own(dialect: Dialect) -> None:
    layer = lower({"d/f": b"low"})
    assert isinstance(layer.store, MemoryStore)
    layer.store.setxattr(b"d", acl.DEFAULT, acl.serialise(FULL))
    layer.store.setxattr(b"d/f", acl.ACCESS, acl.serialise(FULL))
    view = stand(layer, dialect=dialect).view()
    view.make(b"d/new", mode=0o666)
    view.write(b"d/f", b"x")
    assert acl.parse(view.xattrs(b"d")[acl.DEFAULT]) == FULL
    assert acl.parse(view.xattrs(b"d/new")[acl.ACCESS]) == acl.with_mode(FULL, 0o664)
    assert acl.parse(view.xattrs(b"d/f")[acl.ACCESS]) == FULL
    assert view.stat(b"d/f").mode == _s.S_IFREG | 0o764


def test_mode_and_acl_follow_each_other() -> None:
    view = stand({"f": b""}).view()
    assert view.stat(b"f").mode == _s.S_IFREG | 0o644
    view.setxattr(b"f", acl.ACCESS, acl.serialise(FULL))
    assert view.stat(b"f").mode == _s.S_IFREG | 0o764
    view.set(b"f", mode=0o600)
    assert acl.parse(view.xattrs(b"f")[acl.ACCESS]) == acl.with_mode(FULL, 0o600)
    view.setxattr(b"f", acl.ACCESS, acl.serialise(MINIMAL))
    assert (view.stat(b"f").mode, view.xattrs(b"f")) == (_s.S_IFREG | 0o751, {})


def test_flags_do_not_apply_and_none_may_be_removed() -> None:
    one = stand({"f": b""})
    view = one.view()
    node = view.at(b"f")
    view.union.removexattr(node, acl.ACCESS)
    assert not node.upper
    for flags in (XattrFlags.REPLACE, XattrFlags.CREATE, XattrFlags.CREATE):
        view.union.setxattr(node, acl.ACCESS, acl.serialise(FULL), flags)
    view.union.removexattr(node, acl.ACCESS)
    view.union.removexattr(node, acl.ACCESS)
    assert view.xattrs(b"f") == {}


def test_only_directories_have_a_default_and_links_have_none() -> None:
    view = stand({"f": b"", "d/f": b""}).view()
    view.symlink(b"l", b"f")
    assert errno_of(lambda: view.setxattr(b"f", acl.DEFAULT, acl.serialise(FULL))) == errno.EACCES
    for act in (
        lambda: view.setxattr(b"l", acl.ACCESS, acl.serialise(FULL)),
        lambda: view.union.getxattr(view.at(b"l"), acl.ACCESS),
        lambda: view.union.removexattr(view.at(b"l"), acl.ACCESS),
    ):
        assert errno_of(act) in (errno.EOPNOTSUPP, errno.ENODATA)


class WithoutAcls(MemoryStore):
    """A file system that knows nothing of ACLs."""

    def getxattr(self, path: bytes, name: bytes) -> bytes:
        self._refuse(name)
        return super().getxattr(path, name)

    def setxattr(self, path: bytes, name: bytes, value: bytes, flags: XattrFlags = XattrFlags.NONE) -> None:
        self._refuse(name)
        super().setxattr(path, name, value, flags)

    def removexattr(self, path: bytes, name: bytes) -> None:
        self._refuse(name)
        super().removexattr(path, name)

    def _refuse(self, name: bytes) -> None:
        if name in acl.NAMES:
            raise OSError(errno.EOPNOTSUPP, os.strerror(errno.EOPNOTSUPP))


def test_file_systems_without_acls() -> None:
    plain = WithoutAcls()
    plain.mkdir(b"d", 0o755)
    one = stand(Layer(plain, DIALECTS["overlay"]))
    one.upper = WithoutAcls()
    one.work = WithoutAcls(beside=one.upper)
    view = one.view()
    view.make(b"d/new", mode=0o666)
    assert errno_of(lambda: view.union.getxattr(view.at(b"d"), acl.ACCESS)) == errno.ENODATA
    assert errno_of(lambda: view.setxattr(b"d", acl.ACCESS, acl.serialise(FULL))) == errno.EOPNOTSUPP
    view.union.removexattr(view.at(b"d"), acl.DEFAULT)


def test_a_work_directory_hands_nothing_on() -> None:
    one = stand({"f": b""})
    one.work.mkdir(b"work", 0o700)
    one.work.setxattr(b"work", acl.DEFAULT, acl.serialise(FULL))
    one.view()
    assert one.work.listxattr(b"work") == []


def test_a_directory_is_asked_about_its_default_once() -> None:
    calls = Calls()
    view = stand({"d/f": b""}).view(calls.spy)
    view.make(b"d/first")
    before = calls.count["getxattr"]
    for name in (b"d/second", b"d/third"):
        view.make(name)
    assert calls.count["getxattr"] == before
    inheriting(view)
    view.make(b"d/fourth")
    assert acl.ACCESS in view.xattrs(b"d/fourth")
