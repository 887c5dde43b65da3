"""Listings: what is shown, what is hidden, what it costs."""

from __future__ import annotations

import stat as _s
from collections import Counter
from collections.abc import Mapping

import pytest
from dialect_cases import AUFS, DEVICE, FORMS, XATTR
from hypothesis import given
from hypothesis import strategies as st

from unionfs.core.dialect import Listing, Marks
from unionfs.dialects.overlay import TRUSTED, USER, OverlayDialect
from unionfs.layers.memory import MemoryStore
from unionfs.types import Kind, Stat


class CountingStore(MemoryStore):
    """Counts the calls that a dialect makes."""

    def __init__(self) -> None:
        super().__init__()
        self.calls: Counter[str] = Counter()

    def stat(self, path: bytes) -> Stat:
        self.calls["stat"] += 1
        return super().stat(path)

    def scan(self, path: bytes) -> list[tuple[bytes, Kind]]:
        self.calls["scan"] += 1
        return super().scan(path)

    def getxattr(self, path: bytes, name: bytes) -> bytes:
        self.calls["getxattr"] += 1
        return super().getxattr(path, name)

    def listxattr(self, path: bytes) -> list[bytes]:
        self.calls["listxattr"] += 1
        return super().listxattr(path)


def add(store: MemoryStore, path: bytes, content: bytes = b"", **xattrs: bytes) -> None:
    file = store.create(path, 0o644)
    file.pwrite(content, 0)
    for name, value in xattrs.items():
        store.setxattr(path, TRUSTED + name.encode(), value)


def directory(**marks: bytes) -> CountingStore:
    store = CountingStore()
    store.mkdir(b"d", 0o755)
    for name, value in marks.items():
        store.setxattr(b"d", TRUSTED + name.encode(), value)
    return store


def test_overlay_listing_takes_devices_out() -> None:
    store = directory()
    add(store, b"d/file")
    store.mknod(b"d/gone", _s.S_IFCHR, 0)
    store.mknod(b"d/null", _s.S_IFCHR | 0o666, 0x103)
    assert DEVICE.listing(store, b"d") == Listing(
        {b"file": Kind.FILE, b"null": Kind.CHAR}, frozenset({b"gone"})
    )
    assert DEVICE.is_whiteout(store, b"d/gone")
    assert not DEVICE.is_whiteout(store, b"d/null")


@pytest.mark.parametrize(("opaque", "read"), [(b"x", True), (b"y", False), (b"", False)])
def test_xattr_whiteouts_are_looked_for_where_announced(opaque: bytes, read: bool) -> None:
    store = directory(opaque=opaque) if opaque else directory()
    add(store, b"d/gone", whiteout=b"")
    add(store, b"d/full", b"not empty", whiteout=b"")
    add(store, b"d/empty")
    hidden = {b"gone"} if read else set()
    listing = DEVICE.listing(store, b"d")
    assert listing.whiteouts == hidden
    assert set(listing.entries) == {b"gone", b"full", b"empty"} - hidden
    assert DEVICE.is_whiteout(store, b"d/gone") is read
    assert not DEVICE.is_whiteout(store, b"d/full")


def test_what_an_overlay_listing_costs() -> None:
    store = directory()
    for number in range(100):
        add(store, b"d/%d" % number)
    DEVICE.listing(store, b"d")
    assert store.calls == {"scan": 1, "getxattr": 1}


@pytest.mark.parametrize("path", [b"d", b"f"])
def test_what_unmarked_entries_cost(path: bytes) -> None:
    store = directory()
    add(store, b"f", b"content")
    stat = store.stat(path)
    store.calls.clear()
    DEVICE.marks(store, path, stat)
    assert store.calls == {"listxattr": 1}


def test_user_marks_are_not_looked_for_where_none_can_be() -> None:
    store = CountingStore()
    store.symlink(b"s", b"t")
    stat = store.stat(b"s")
    store.calls.clear()
    OverlayDialect(USER).marks(store, b"s", stat)
    assert not store.calls


def test_aufs_listing() -> None:
    store = MemoryStore()
    for name in (
        b".wh.",
        b".wh.gone",
        b".wh.both",
        b"both",
        b".wh..hidden",
        b".wh..wh..opq",
        b".wh..wh.aufs",
        b".wh..wh.orph",
        b".wh..wh.new",
        b".whisper",
    ):
        add(store, name)
    listing = AUFS.listing(store, b"")
    assert listing.entries == {b"both": Kind.FILE, b".whisper": Kind.FILE}
    assert listing.whiteouts == {b"gone", b"both", b".hidden"}
    assert AUFS.marks(store, b"", store.stat(b"")) == Marks(opaque=True)


def test_aufs_takes_nothing_of_overlayfs_for_a_mark() -> None:
    store = directory(opaque=b"y", redirect=b"elsewhere")
    store.mknod(b"d/device", _s.S_IFCHR, 0)
    assert AUFS.listing(store, b"d") == Listing({b"device": Kind.CHAR}, frozenset())
    assert AUFS.marks(store, b"d", store.stat(b"d")) == Marks()
    assert not AUFS.is_whiteout(store, b"d/device")


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("path", [b"absent", b"absent/name", b"file/name", b"d/" + b"n" * 255])
def test_nothing_is_no_whiteout(form: str, path: bytes) -> None:
    store = directory()
    add(store, b"file")
    assert not FORMS[form].is_whiteout(store, path)


def test_what_a_user_may_make() -> None:
    assert DEVICE.allows_name(b".wh.name")
    assert not DEVICE.allows_node(_s.S_IFCHR | 0o600, 0)
    assert DEVICE.allows_node(_s.S_IFCHR | 0o600, 0x103)
    assert DEVICE.allows_node(_s.S_IFBLK | 0o600, 0)
    assert DEVICE.allows_node(_s.S_IFIFO | 0o600, 0)
    assert not AUFS.allows_name(b".wh.name")
    assert AUFS.allows_name(b".whisper")
    assert AUFS.allows_node(_s.S_IFCHR | 0o600, 0)


NAMES = st.sampled_from([b"a", b".wh.a", b".wh.b", b".wh.", b".wh..wh.a", b".wh..wh..opq", b"b"])
WHAT = st.sampled_from(["file", "full", "device", "null", "xattr"])


def fill(what: Mapping[bytes, str], opaque: bytes) -> MemoryStore:
    store = directory(opaque=opaque)
    store.setxattr(b"d", USER + b"opaque", opaque)
    for name, kind in what.items():
        path = b"d/" + name
        if kind in ("device", "null"):
            store.mknod(path, _s.S_IFCHR, 0 if kind == "device" else 0x103)
            continue
        add(store, path, b"x" if kind == "full" else b"")
        if kind == "xattr":
            store.setxattr(path, TRUSTED + b"whiteout", b"")
            store.setxattr(path, USER + b"whiteout", b"")
    return store


@pytest.mark.parametrize("form", FORMS)
@given(what=st.dictionaries(NAMES, WHAT), opaque=st.sampled_from([b"x", b"y", b"n"]))
def test_listing_and_look_up_agree(form: str, what: dict[bytes, str], opaque: bytes) -> None:
    dialect = FORMS[form]
    store = fill(what, opaque)
    listing = dialect.listing(store, b"d")
    for name in (b"a", b"b", b".wh.a", b".wh..opq", *what):
        assert dialect.is_whiteout(store, b"d/" + name) is (name in listing.whiteouts)
    assert set(listing.entries) <= set(what)
    assert all(dialect.allows_name(name) for name in listing.entries)


def test_a_file_system_without_xattrs_has_no_marks() -> None:
    class Plain(MemoryStore):
        def listxattr(self, path: bytes) -> list[bytes]:
            raise OSError(95, "Operation not supported")

        def getxattr(self, path: bytes, name: bytes) -> bytes:
            raise OSError(95, "Operation not supported")

    store = Plain()
    store.mkdir(b"d", 0o755)
    add(store, b"d/f")
    assert XATTR.listing(store, b"d").entries == {b"f": Kind.FILE}
    assert DEVICE.marks(store, b"d", store.stat(b"d")) == Marks()
