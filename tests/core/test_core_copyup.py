"""Copy-up: what is copied, what is kept, and what those see who have the file open."""

from __future__ import annotations

import errno
from collections.abc import Callable

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from spies import CHANGING, CHANGING_DATA, Calls, Spy
from stands import (
    AUFS,
    BY_HAND,
    LONG_AGO,
    OVERLAY,
    Stand,
    Symlink,
    View,
    age,
    errno_of,
    lower,
    stand,
)

from unionfs.core.attrs import SAME, Changes
from unionfs.core.dialect import Dialect
from unionfs.core.layer import Layer
from unionfs.layers.memory import MemoryStore
from unionfs.types import SEEK_DATA, SEEK_HOLE, Access, Kind

BIG = b"0123456789" * 1000
READ_WRITE = Access.READ | Access.WRITE
BOTH = pytest.mark.parametrize("dialect", [OVERLAY, AUFS], ids=["overlay", "aufs"])


def big(**more: bytes) -> Layer:
    return lower({"d/big": BIG, "other": b"other", **more})


def changing(calls: Calls) -> int:
    return sum(count for name, count in calls.count.items() if name in CHANGING | CHANGING_DATA)


# How much is copied


@BOTH
def test_open_for_writing_copies_nothing(dialect: Dialect) -> None:
    calls = Calls()
    one = Stand([big()], dialect)
    view = one.view(calls.spy)
    view.tree()
    calls.clear()
    for access in (Access.WRITE, READ_WRITE, Access.WRITE | Access.APPEND):
        handle = view.open(b"d/big", access)
        view.union.getattr(handle.node)
        handle.sync()
        handle.close()
    assert changing(calls) == 0
    assert not one.upper.scan(b"")


def link_to_open(view: View) -> None:
    handle = view.open(b"d/big")
    view.unlink(b"d/big")
    handle.close()


WITHOUT_DATA: dict[str, Callable[[View], object]] = {
    "chmod": lambda v: v.set(b"d/big", mode=0o600),
    "chown": lambda v: v.set(b"d/big", uid=5, gid=6),
    "utimens": lambda v: v.set(b"d/big", mtime_ns=5),
    "setxattr": lambda v: v.setxattr(b"d/big", b"user.a", b"b"),
    "rename": lambda v: v.rename(b"d/big", b"new"),
    "rename over": lambda v: v.rename(b"other", b"d/big"),
    "rename its directory": lambda v: v.rename(b"d", b"new"),
    "link": lambda v: v.link(b"d/big", b"new"),
    "unlink": lambda v: v.unlink(b"d/big"),
    "unlink while open": link_to_open,
    "create beside it": lambda v: v.make(b"d/new"),
    "truncate to nothing": lambda v: v.set(b"d/big", size=0),
    "O_TRUNC": lambda v: v.open(b"d/big", Access.WRITE | Access.TRUNCATE).close(),
    "O_TRUNC after chmod": lambda v: (
        v.set(b"d/big", mode=0o600),
        v.open(b"d/big", Access.WRITE | Access.TRUNCATE).close(),
    ),
}


@pytest.mark.parametrize("dialect", [OVERLAY, BY_HAND], ids=["overlay", "by hand"])
@pytest.mark.parametrize("change", WITHOUT_DATA)
def test_no_data_is_copied(change: str, dialect: Dialect) -> None:
    calls = Calls()
    view = Stand([big()], dialect).view(calls.spy)
    WITHOUT_DATA[change](view)
    assert calls.data == 0


@pytest.mark.parametrize(
    "change", ["unlink", "unlink while open", "create beside it", "truncate to nothing", "O_TRUNC"]
)
def test_no_data_is_copied_by_aufs(change: str) -> None:
    calls = Calls()
    WITHOUT_DATA[change](Stand([big()], AUFS).view(calls.spy))
    assert calls.data == 0


@BOTH
def test_truncate_copies_what_stays(dialect: Dialect) -> None:
    calls = Calls()
    one = Stand([big()], dialect)
    view = one.view(calls.spy)
    assert view.set(b"d/big", size=1234).size == 1234
    assert calls.data == 1234
    for again in (view, one.view()):
        assert again.read(b"d/big") == BIG[:1234]


def test_truncate_after_a_metadata_copy_copies_what_stays() -> None:
    calls = Calls()
    one = Stand([big()], OVERLAY)
    view = one.view(calls.spy)
    view.set(b"d/big", mode=0o600)
    view.set(b"d/big", size=1234)
    assert calls.data == 1234
    view.set(b"d/big", size=2000)
    for again in (view, one.view()):
        assert again.read(b"d/big") == BIG[:1234] + bytes(2000 - 1234)


@BOTH
def test_data_is_copied_once(dialect: Dialect) -> None:
    calls = Calls()
    view = Stand([big()], dialect).view(calls.spy)
    for number in range(3):
        view.write(b"d/big", b"x", number)
    assert calls.data == len(BIG) + 3


def sparse() -> Layer:
    store = MemoryStore.of({})
    file = store.create(b"sparse", 0o644)
    file.pwrite(b"a", 8192)
    file.pwrite(b"b", 1 << 30)
    file.truncate(1 << 40)
    age(store)
    return Layer(store, OVERLAY)


@BOTH
def test_holes_stay_holes(dialect: Dialect) -> None:
    calls = Calls()
    view = Stand([sparse()], dialect).view(calls.spy)
    view.write(b"sparse", b"c", 0)
    view.union.sync()
    assert calls.data <= 3 * 4096
    stat = view.stat(b"sparse")
    assert (stat.size, stat.blocks) == (1 << 40, 3 * 8)
    handle = view.open(b"sparse")
    assert handle.seek(4096, SEEK_DATA) == 8192
    assert handle.seek(8192, SEEK_HOLE) == 12288
    assert handle.read(1, 1 << 30) == b"b"
    handle.close()


@BOTH
@pytest.mark.parametrize("call", ["seek", "pread", "open"])
def test_unreadable_lower_file_is_not_a_hole(call: str, dialect: Dialect) -> None:
    def watch(name: str, args: tuple[object, ...]) -> None:
        if name == call:
            raise OSError(errno.EIO, "disk")

    layer, path = (sparse(), b"sparse") if call == "seek" else (big(), b"d/big")
    one = Stand([Layer(Spy(layer.store, watch), OVERLAY)], dialect)
    view = one.view()
    before = view.stat(path).size
    assert errno_of(lambda: view.set(path, size=5000)) == errno.EIO
    assert view.stat(path).size == before
    assert one.litter() == []


def test_metadata_copy_shows_the_room_that_its_data_takes() -> None:
    view = Stand([big()], OVERLAY).view()
    before = view.stat(b"d/big").blocks
    assert view.set(b"d/big", mode=0o600).blocks == before > 0


# What is kept


def precious() -> Layer:
    store = MemoryStore.of({"a/b/f": b"data", "a/b/link": Symlink("to")})
    store.mknod(b"a/b/fifo", 0o010644, 0)
    store.mknod(b"a/b/null", 0o020666, 259)
    for path, uid, mode in ((b"a", 1, 0o1750), (b"a/b", 2, 0o2711), (b"a/b/f", 3, 0o6751)):
        store.chown(path, uid, uid + 10)
        store.chmod(path, mode)
        store.setxattr(path, b"user.name", path)
    store.chown(b"a/b/link", 4, 14)
    store.setxattr(b"a/b/f", b"security.capability", b"caps")
    store.setxattr(b"a/b/f", b"trusted.overlay.opaque", b"plain here")
    for number, path in enumerate((b"a", b"a/b", b"a/b/f", b"a/b/link", b"a/b/fifo", b"a/b/null", b"")):
        store.utimens(path, LONG_AGO + number, LONG_AGO + 100 + number)
    return Layer(store, AUFS)


def attributes(view: View, path: bytes) -> tuple[object, ...]:
    stat = view.stat(path)
    return (
        *stat[:2],
        *stat[4:8],
        stat.atime_ns,
        stat.mtime_ns,
        stat.nlink if stat.kind is not Kind.DIR else 0,
    )


@BOTH
@pytest.mark.parametrize("remount", [False, True])
def test_everything_is_kept(dialect: Dialect, remount: bool) -> None:
    one = Stand([precious()], dialect)
    view = one.view()
    paths = [b"a/b/f", b"a/b/link", b"a/b/fifo", b"a/b/null", b"a/b", b"a"]
    before = {path: (attributes(view, path), view.xattrs(path)) for path in paths}
    for path in paths:
        view.set(path, atime_ns=view.stat(path).atime_ns)
    view.open(b"a/b/f", READ_WRITE).fallocate(0, 0, 1)
    view.set(b"a/b/f", mtime_ns=before[b"a/b/f"][0][7])
    view.setxattr(b"a/b/f", b"security.capability", b"caps")
    assert all(one.upper.stat(path) for path in paths)
    again = one.view() if remount else view
    after = {path: (attributes(again, path), again.xattrs(path)) for path in paths}
    if remount and dialect is AUFS:  # it cannot write origins down
        before, after = ({p: (a[:1] + a[2:], x) for p, (a, x) in rows.items()} for rows in (before, after))
    assert after == before


@BOTH
def test_copy_up_of_data_keeps_set_id_bits_and_capabilities(dialect: Dialect) -> None:
    one = Stand([precious()], dialect)
    view = one.view()
    view.set(b"a/b/f", size=4)  # copies the data; a truncate takes capabilities away only after that
    assert view.stat(b"a/b/f").mode & 0o7777 == 0o6751
    other = Stand([precious()], dialect).view()
    other.link(b"a/b/f", b"new")
    assert other.xattrs(b"new")[b"security.capability"] == b"caps"
    assert other.stat(b"new").mode & 0o7777 == 0o6751


@BOTH
@pytest.mark.parametrize("size", [None, 2])
def test_parents_keep_their_times(dialect: Dialect, size: int | None) -> None:
    one = Stand([precious()], dialect)
    view = one.view()
    view.set(b"a/b/f", mode=0o600) if size is None else view.set(b"a/b/f", size=size)
    for again in (view, one.view()):
        assert again.stat(b"a").mtime_ns == LONG_AGO + 100
        assert again.stat(b"a/b").mtime_ns == LONG_AGO + 101
    assert one.litter() == []


def test_write_changes_the_time_and_nothing_else() -> None:
    view = Stand([precious()], OVERLAY).view()
    before = view.stat(b"a/b/f")
    view.write(b"a/b/f", b"X")
    after = view.stat(b"a/b/f")
    assert after.mtime_ns > before.mtime_ns
    assert after._replace(mtime_ns=0, ctime_ns=0, blocks=0) == before._replace(
        mtime_ns=0, ctime_ns=0, blocks=0
    )


@BOTH
def test_failed_xattr_change_copies_nothing(dialect: Dialect) -> None:
    one = Stand([precious()], dialect)
    view = one.view()
    assert errno_of(lambda: view.union.removexattr(view.at(b"a/b/f"), b"user.none")) == errno.ENODATA
    assert list(one.upper.scan(b"")) == []


# Open files


@BOTH
def test_reader_from_before_sees_later_writes(dialect: Dialect) -> None:
    view = Stand([big()], dialect).view()
    reader = view.open(b"d/big")
    writer = view.open(b"d/big", READ_WRITE)
    assert reader.read(4, 0) == b"0123"
    writer.write(b"XY", 1)
    assert reader.read(4, 0) == b"0XY3"
    writer.truncate(3)
    assert reader.read(10, 0) == b"0XY"
    view.set(b"d/big", size=5)
    assert reader.read(10, 0) == b"0XY\0\0"
    assert reader.stat().size == 5
    reader.close()
    writer.write(b"Z", 0)
    assert view.read(b"d/big") == b"ZXY\0\0"
    writer.close()


def test_reader_sees_writes_after_a_metadata_copy() -> None:
    view = Stand([big()], OVERLAY).view()
    reader = view.open(b"d/big")
    view.set(b"d/big", mode=0o600)
    assert reader.read(3, 0) == b"012"
    view.write(b"d/big", b"X")
    assert reader.read(3, 0) == b"X12"
    reader.close()


def test_appenders_do_not_overwrite_each_other() -> None:
    view = stand({"f": b"0"}).view()
    one, other = (view.open(b"f", Access.WRITE | Access.APPEND) for _ in range(2))
    for handle, text in ((one, b"1"), (other, b"2"), (one, b"3")):
        handle.write(text, 0)
        assert view.stat(b"f").size == int(text) + 1
    assert view.read(b"f") == b"0123"
    one.close()
    other.close()


def make_lower(view: View) -> None: ...


def make_upper(view: View) -> None:
    view.write(b"f", b"u")


def make_metadata(view: View) -> None:
    view.set(b"f", mode=0o600)


def unlink(view: View) -> None:
    view.unlink(b"f")


def rename_over(view: View) -> None:
    view.rename(b"over", b"f")


def recreate(view: View) -> None:
    view.unlink(b"f")
    view.make(b"f", b"new")


@BOTH
@pytest.mark.parametrize("remove", [unlink, rename_over, recreate])
@pytest.mark.parametrize("prepare", [make_lower, make_upper, make_metadata])
def test_unlinked_open_file(
    dialect: Dialect, prepare: Callable[[View], None], remove: Callable[[View], None]
) -> None:
    one = Stand([lower({"f": b"low", "over": b"over"})], dialect)
    view = one.view()
    prepare(view)
    content = view.read(b"f")
    handle, other = view.open(b"f", READ_WRITE), view.open(b"f")
    ino = view.stat(b"f").ino
    remove(view)
    assert handle.read(9, 0) == content
    assert (view.union.getattr(handle.node).nlink, handle.stat().ino) == (0, ino)
    assert handle.write(b"WR", 1) == 2
    assert other.read(9, 0) == content[:1] + b"WR"
    view.union.setattr(handle.node, Changes(mode=0o640, size=2))
    assert handle.stat().mode & 0o777 == 0o640
    view.union.setxattr(handle.node, b"user.a", b"b")
    assert view.union.getxattr(handle.node, b"user.a") == b"b"
    assert other.read(9, 0) == content[:1] + b"W"
    handle.close()
    assert other.read(9, 0) == content[:1] + b"W"
    assert one.litter() != []
    other.close()
    assert one.litter() == []
    assert view.has(b"f") == (remove is not unlink)
    assert errno_of(lambda: view.union.link(handle.node, view.at(b""), b"back")) == errno.ENOENT


def test_unlinked_file_that_nobody_has_open_leaves_nothing() -> None:
    one = stand({"f": b"low", "g": b"low"})
    view = one.view()
    node, other = view.at(b"f"), view.at(b"g")
    view.write(b"g", b"x")
    view.unlink(b"f")
    view.unlink(b"g")
    for gone in (node, other):
        assert errno_of(lambda gone=gone: view.union.setattr(gone, Changes(size=1))) == errno.ENOENT
        assert errno_of(lambda gone=gone: view.union.setattr(gone, Changes(mode=1))) == errno.ENOENT
    assert one.litter() == []


@pytest.mark.parametrize("kind", ["lower", "upper", "merged"])
def test_removed_directory_while_open(kind: str) -> None:
    one = stand({"lower": None, "merged/f": b""})
    view = one.view()
    view.mkdir(b"upper")
    if kind == "merged":
        view.unlink(b"merged/f")
    node = view.at(kind.encode())
    view.rmdir(kind.encode())
    assert view.union.readdir(node) == []
    stat = view.union.getattr(node)
    assert (stat.kind, stat.nlink, stat.ino) == (Kind.DIR, 0, node.ino)
    union = view.union
    gone: list[Callable[[], object]] = [
        lambda: union.lookup(node, b"x"),
        lambda: union.create(node, b"x", 0o644),
        lambda: union.mkdir(node, b"x", 0o755),
        lambda: union.symlink(node, b"x", b"y"),
        lambda: union.listxattr(node),
        lambda: union.path(node),
        lambda: union.parent(node),
        lambda: union.rename(view.at(b""), b"lower" if kind != "lower" else b"upper", node, b"x"),
    ]
    assert [errno_of(act) for act in gone] == [errno.ENOENT] * len(gone)
    view.mkdir(kind.encode())
    assert view.at(kind.encode()) is not node
    assert view.names(kind.encode()) == []


def test_handles_refuse_what_they_were_not_opened_for() -> None:
    view = stand({"f": b"data"}).view()
    reader, writer = view.open(b"f"), view.open(b"f", Access.WRITE)
    refused: list[Callable[[], object]] = [
        lambda: reader.write(b"x", 0),
        lambda: reader.truncate(0),
        lambda: reader.fallocate(0, 0, 1),
        lambda: writer.read(1, 0),
    ]
    assert [errno_of(act) for act in refused] == [errno.EBADF] * len(refused)
    reader.close()
    reader.close()
    assert errno_of(lambda: reader.read(1, 0)) == errno.EBADF
    assert errno_of(lambda: reader.seek(0, SEEK_DATA)) == errno.EBADF
    writer.close()
    assert errno_of(lambda: writer.write(b"x", 0)) == errno.EBADF


# Any history of one file is the history of a bytearray


@settings(max_examples=60, deadline=None)
@given(
    st.lists(
        st.one_of(
            st.tuples(st.just("write"), st.integers(0, 30), st.binary(min_size=1, max_size=8)),
            st.tuples(st.just("truncate"), st.integers(0, 30)),
            st.tuples(st.just("chmod")),
            st.tuples(st.just("rename")),
            st.tuples(st.just("remount")),
            st.tuples(st.just("reopen")),
        ),
        max_size=12,
    ),
    st.sampled_from([OVERLAY, AUFS]),
)
def test_content_history(steps: list[tuple[object, ...]], dialect: Dialect) -> None:
    one = Stand([lower({"f": b"lower data"})], dialect)
    model = bytearray(b"lower data")
    view, path = one.view(), b"f"
    early = view.open(path)
    for step in steps:
        match step:
            case ("write", int(offset), bytes(data)):
                view.write(path, data, offset)
                model[len(model) :] = bytes(max(0, offset - len(model)))
                model[offset : offset + len(data)] = data
            case ("truncate", int(size)):
                view.set(path, size=size)
                model[size:] = bytes(max(0, size - len(model)))
            case ("chmod",):
                view.set(path, mode=0o600)
            case ("rename",):
                view.rename(path, path + b"x")
                path += b"x"
            case ("remount",):
                view = one.view()
                early = view.open(path)
            case ("reopen",):
                early.close()
                early = view.open(path)
        assert early.read(100, 0) == bytes(model)
        assert view.stat(path).size == len(model)
    assert one.view().read(path) == bytes(model)


# What readers of the directories around it see


@BOTH
def test_a_directory_looks_as_before_when_something_in_it_is_copied_up(dialect: Dialect) -> None:
    view = Stand([big(), lower({"d/e/f": b"x"})], dialect).view()
    before = {path: view.stat(path) for path in (b"", b"d", b"d/e")}
    view.union.setattr(view.at(b"d/e/f"), Changes(mode=0o600))
    view.write(b"d/big", b"x", 0)
    assert {path: view.stat(path)._replace(blocks=0) for path in before} == {
        path: stat._replace(blocks=0) for path, stat in before.items()
    }


def test_a_directory_of_a_lower_counts_no_links_for_it_may_come_to_merge() -> None:
    view = stand({"d/e/f": b"x"}).view()
    assert view.stat(b"d").nlink == 1
    view.union.setattr(view.at(b"d"), Changes(mode=0o700))
    assert view.stat(b"d").nlink == 1


# chown(2) to nobody


@pytest.mark.parametrize(
    ("before", "after"), [(0o4755, 0o755), (0o2755, 0o755), (0o6644, 0o2644), (0o755, 0o755)]
)
def test_the_same_owner_again_is_a_change(before: int, after: int) -> None:
    view = stand({"f": b"x"}).view()
    view.union.setattr(view.at(b"f"), Changes(mode=before))
    old = view.stat(b"f")
    view.union.setattr(view.at(b"f"), Changes(uid=SAME))
    new = view.stat(b"f")
    assert (new.mode & 0o7777, new.uid, new.gid) == (after, old.uid, old.gid)
    assert new.ctime_ns > old.ctime_ns
