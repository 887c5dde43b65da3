"""Unpacking: attributes, what the layers beneath are asked for, and what a process may not set."""

from __future__ import annotations

import errno
import io
import logging
from pathlib import Path

import pytest
from archive_builder import (
    END,
    directory,
    file,
    hardlink,
    header,
    listing,
    octal,
    pax,
    pax_raw,
    record,
    symlink,
)

from unionfs.core.layer import Layer
from unionfs.core.store import WritableStore
from unionfs.core.union import Union
from unionfs.dialects.aufs import AufsDialect
from unionfs.errors import ArchiveError, error
from unionfs.images.limits import DEFAULT_LIMITS
from unionfs.images.unpack import unpack
from unionfs.layers.host import HostStore
from unionfs.layers.memory import MemoryStore
from unionfs.types import Stat, XattrFlags


def unpacked(*archives: bytes, last_wins: bool = False) -> list[Layer]:
    """The layers of these archives (lowest first), top-most first."""
    layers: list[Layer] = []
    for archive in archives:
        store = MemoryStore()
        limits = DEFAULT_LIMITS._replace(last_wins=last_wins)
        unpack(io.BytesIO(archive + END), "layer", store, below=layers, limits=limits)
        layers.insert(0, Layer(store, AufsDialect()))
    return layers


def store_of(*archives: bytes, last_wins: bool = False) -> WritableStore:
    """The top-most layer's store."""
    store = unpacked(*archives, last_wins=last_wins)[0].store
    assert isinstance(store, MemoryStore)
    return store


def merged(*archives: bytes) -> dict[bytes, str]:
    """What a reader of the union sees."""
    union = Union(unpacked(*archives))
    found: dict[bytes, str] = {}
    todo = [(b"", union.root)]
    while todo:
        path, node = todo.pop()
        for entry in union.readdir(node):
            here = path + b"/" + entry.name if path else entry.name
            found[here] = entry.kind.name.lower()
            child = union.lookup(node, entry.name)
            if child.is_dir:
                todo.append((here, child))
    return found


# Attributes


@pytest.mark.parametrize("in_memory", [True, False])
def test_attributes(tmp_path: Path, in_memory: bool) -> None:
    store = MemoryStore() if in_memory else HostStore(tmp_path, writable=True)
    ids = {"uid": octal(7), "gid": octal(8)}
    archive = (
        directory(b"./", mode=octal(0o750), mtime=octal(1, 12))
        + directory(b"d", mode=octal(0o2500), mtime=octal(2, 12), **ids)
        + pax_raw(record(b"SCHILY.xattr.user.empty", b"") + record(b"mtime", b"-1.5"))
        + file(b"d/f", b"data", mode=octal(0o4751), **ids)
        + header(b"d/p", b"6", mode=octal(0o1600), mtime=octal(4, 12))
    )
    unpack(io.BytesIO(archive + END), "layer", store)
    for path, mode, mtime_ns in (
        (b"", 0o40750, 10**9),
        (b"d", 0o42500, 2 * 10**9),
        (b"d/f", 0o104751, -1_500_000_000),
        (b"d/p", 0o11600, 4 * 10**9),
    ):
        stat = store.stat(path)
        assert (oct(stat.mode), stat.mtime_ns) == (oct(mode), mtime_ns)
    assert store.stat(b"d/f")[4:6] == (7, 8)
    assert store.listxattr(b"d/f") == [b"user.empty"]
    assert store.getxattr(b"d/f", b"user.empty") == b""
    store.close()


def test_hard_links_are_one_file() -> None:
    store = store_of(file(b"a", b"1") + hardlink(b"b", b"a"))
    assert store.stat(b"a").ino == store.stat(b"b").ino
    assert store.stat(b"a").nlink == 2


def test_overlay_marks_mean_nothing() -> None:
    lower = file(b"d/hidden", b"1") + file(b"gone", b"1")
    upper = (
        pax_raw(record(b"SCHILY.xattr.trusted.overlay.opaque", b"y"))
        + directory(b"d")
        + header(b"gone", b"3")
        + pax_raw(record(b"SCHILY.xattr.trusted.overlay.metacopy", b""))
        + file(b"f")
    )
    assert merged(lower, upper) == {b"d": "dir", b"d/hidden": "file", b"gone": "char", b"f": "file"}


# What the layers beneath are asked for


def test_missing_parents_are_those_beneath() -> None:
    lower = directory(b"a", mode=octal(0o700), uid=octal(5), mtime=octal(9, 12))
    store = store_of(directory(b"./", mode=octal(0o711)) + lower, file(b"a/b/f"))
    assert [oct(store.stat(path).mode) for path in (b"", b"a", b"a/b")] == ["0o40711", "0o40700", "0o40755"]
    assert store.stat(b"a").uid == 5
    assert [store.stat(path).mtime_ns for path in (b"a", b"a/b")] == [9 * 10**9, 0]


def test_a_lower_symlink_to_a_directory_is_followed() -> None:
    lower = directory(b"real") + symlink(b"link", b"/real")
    assert listing(store_of(lower, file(b"link/new"))) == {b"real": "d", b"real/new": "f "}
    assert merged(lower, file(b"link/new")) == {b"real": "dir", b"link": "symlink", b"real/new": "file"}


def test_a_lower_symlink_out_of_the_root_is_not() -> None:
    tree = listing(store_of(symlink(b"link", b"../../etc"), file(b"link/new")))
    assert tree == {b"etc": "d", b"etc/new": "f "}


def test_a_lower_symlink_that_the_layer_replaces_is_not_followed() -> None:
    lower = directory(b"real") + symlink(b"link", b"real")
    for before in (directory(b"link"), file(b".wh.link"), file(b".wh..wh..opq")):
        tree = merged(lower, before + file(b"link/new"))
        assert tree[b"link/new"] == "file"
        assert b"real/new" not in tree


def test_a_whiteout_and_then_an_entry_make_the_directory_opaque() -> None:
    tree = merged(file(b"a/old"), file(b".wh.a") + file(b"a/b/new"))
    assert tree == {b"a": "dir", b"a/b": "dir", b"a/b/new": "file"}


def test_a_whiteout_does_not_touch_its_own_layer() -> None:
    assert merged(file(b"a", b"1"), file(b"a", b"22") + file(b".wh.a")) == {b"a": "file"}


def test_the_directory_wins_over_a_lower_file() -> None:
    assert merged(file(b"a"), file(b"a/b")) == {b"a": "dir", b"a/b": "file"}


def test_a_hard_link_to_a_lower_file_copies_it() -> None:
    lower = pax_raw(record(b"SCHILY.xattr.user.x", b"y")) + file(b"d/f", b"data", mode=octal(0o600))
    store = store_of(lower, hardlink(b"one", b"d/f") + hardlink(b"two", b"one"))
    assert listing(store) == {b"one": "f data", b"two": "f data"}
    assert (store.stat(b"two").nlink, oct(store.stat(b"one").mode)) == (2, "0o100600")
    assert store.getxattr(b"one", b"user.x") == b"y"


def test_a_hard_link_to_a_lower_file_that_is_gone() -> None:
    with pytest.raises(ArchiveError, match="'new': hard link to 'f', which is no file"):
        unpacked(file(b"f"), file(b".wh.f") + hardlink(b"new", b"f"))


# Duplicates, where the last one counts


@pytest.mark.parametrize(
    ("archive", "tree"),
    [
        (file(b"a", b"1") + file(b"a", b"2"), {b"a": "f 2"}),
        (file(b"a", b"1") + directory(b"a"), {b"a": "d"}),
        (directory(b"a") + file(b"a/b") + directory(b"a"), {b"a": "d", b"a/b": "f "}),
        (directory(b"a") + file(b"a/b") + file(b"a", b"2"), {b"a": "f 2"}),
        (
            directory(b"a") + file(b"a/b") + symlink(b"a", b"x") + file(b"x/b"),
            {b"a": "l x", b"x": "d", b"x/b": "f "},
        ),
        (file(b"a", b"1") + hardlink(b"b", b"a") + file(b"a", b"2"), {b"a": "f 2", b"b": "f 1"}),
    ],
)
def test_the_last_one_wins(archive: bytes, tree: dict[bytes, str]) -> None:
    assert listing(store_of(archive, last_wins=True)) == tree


# What a process must not set


class UnprivilegedStore(MemoryStore):
    """Refuses what the kernel refuses to an ordinary user."""

    def chown(self, path: bytes, uid: int, gid: int) -> None:
        raise error(errno.EPERM, path)

    def mknod(self, path: bytes, mode: int, rdev: int) -> None:
        raise error(errno.EPERM, path)

    def setxattr(self, path: bytes, name: bytes, value: bytes, flags: XattrFlags = XattrFlags.NONE) -> None:
        raise error(errno.EOPNOTSUPP, path)


def test_what_is_refused_is_left_out_and_counted(caplog: pytest.LogCaptureFixture) -> None:
    archive = (
        pax(uid=b"1")
        + file(b"a", b"1")
        + directory(b"d", gid=octal(1))
        + header(b"c", b"3")
        + hardlink(b"also-c", b"c")
        + pax_raw(record(b"SCHILY.xattr.security.capability", b"x"))
        + file(b"f")
    )
    store = UnprivilegedStore()
    with caplog.at_level(logging.WARNING):
        unpack(io.BytesIO(archive + END), "layer", store)
    assert listing(store) == {b"a": "f 1", b"d": "d", b"f": "f "}
    assert caplog.messages == [
        "layer: left out, as this process or file system cannot have them:"
        " 1 devices, 1 extended attributes, 2 owners"
    ]


class CountingStore(MemoryStore):
    calls = 0

    def stat(self, path: bytes) -> Stat:
        self.calls += 1
        return super().stat(path)


def test_deep_names_are_cheap() -> None:
    """Every directory on the way is looked at once, not once for each that is in it."""
    store = CountingStore()
    path = b"d/" * 250
    unpack(
        io.BytesIO(b"".join(pax(path=path + b"%d" % n) + file(b"") for n in range(9)) + END), "layer", store
    )
    assert store.calls <= 2 * 250


class FullStore(MemoryStore):
    def mkdir(self, path: bytes, mode: int) -> None:
        raise error(errno.ENOSPC, path)


def test_a_full_disk_is_not_the_archives_fault() -> None:
    with pytest.raises(OSError, match="No space left"):
        unpack(io.BytesIO(directory(b"d") + END), "layer", FullStore())
