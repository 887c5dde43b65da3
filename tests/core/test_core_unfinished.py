"""Files whose data is still coming: any history of one is the history of a byte array.

Nothing happens here behind a writer's back but what a step says: a chunk is copied, the
file is completed, the daemon is killed and the next union takes over, the machine goes down.
"""

from __future__ import annotations

import errno
import threading
import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from spies import Calls, Faults, Kill, Killed, Spy
from stands import OVERLAY, Stand, View, age, errno_of, stand

from unionfs.core import completion
from unionfs.core.layer import Layer, UpperLayer
from unionfs.core.union import Union
from unionfs.layers.memory import MemoryStore
from unionfs.types import SEEK_DATA, SEEK_HOLE, Access, CopyUp, StatFs

BLOCK = 4096
SIZE = 6 * BLOCK + 100
HOLE = (2 * BLOCK, 4 * BLOCK)
READ_WRITE = Access.READ | Access.WRITE


@pytest.fixture(autouse=True)
def _small_chunks(monkeypatch: pytest.MonkeyPatch) -> None:
    """So that a file of a few blocks takes several steps."""
    monkeypatch.setattr("unionfs.core.partial.CHUNK", BLOCK)
    monkeypatch.setattr("unionfs.core.plans.copyup.CHUNK", BLOCK)


def lower_data() -> bytearray:
    data = bytearray(at * 7 % 251 + 1 for at in range(SIZE))
    data[slice(*HOLE)] = bytes(HOLE[1] - HOLE[0])
    return data


def lower() -> Layer:
    """One file with data and a hole, and one with two names."""
    store = MemoryStore.of({"other": b"other"})
    data = lower_data()
    for name in (b"f", b"h1"):
        file = store.create(name, 0o644)
        file.pwrite(data[: HOLE[0]], 0)
        file.pwrite(data[HOLE[1] :], HOLE[1])
    store.link(b"h1", store, b"h2")
    age(store)
    return Layer(store, OVERLAY)


def lazy(mode: CopyUp = CopyUp.LAZY, layer: Layer | None = None) -> Stand:
    one = stand(layer or lower())
    one.copy_up = mode
    return one


MODES = pytest.mark.parametrize("mode", [CopyUp.LAZY, CopyUp.AUTO])
"""Copied piece by piece, or by its first writer at once; synced later in both."""


def copy_some(view: View, path: bytes) -> bool:
    """What the background does in one go."""
    partial = view.at(path).partial
    return partial is not None and partial.copy_some()


def marks(one: Stand, path: bytes) -> set[bytes]:
    return {name for name in one.upper.listxattr(path) if name.endswith((b".metacopy", b".redirect"))}


def written(model: bytearray, data: bytes, offset: int) -> None:
    model[len(model) :] = bytes(max(0, offset - len(model)))
    model[offset : offset + len(data)] = data


def eventually(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 20
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.001)


# How much is copied


def test_a_write_copies_the_blocks_that_it_touches() -> None:
    calls = Calls()
    one = lazy()
    view = one.view(calls.spy)
    view.write(b"f", b"!", 5 * BLOCK + 7)
    assert calls.data == BLOCK
    view.write(b"f", b"0123456789" * 1000, 100)
    assert calls.data == BLOCK + 3 * BLOCK
    view.write(b"f", b"appended", SIZE)
    assert calls.data == 4 * BLOCK + len(b"appended")
    view.union.close()
    assert marks(one, b"f") == set()


def test_a_shorter_length_copies_at_most_what_stays() -> None:
    calls = Calls()
    one = lazy()
    view = one.view(calls.spy)
    view.set(b"f", size=BLOCK + 10)
    assert calls.data == 0
    view.union.sync()
    assert calls.data == BLOCK + 10
    assert one.view().read(b"f") == lower_data()[: BLOCK + 10]


def test_no_length_copies_nothing_and_leaves_no_mark() -> None:
    for prepare in (lambda view: None, lambda view: view.set(b"f", mode=0o600), copy_of_one_byte):
        calls = Calls()
        one = lazy()
        view = one.view(calls.spy)
        prepare(view)
        calls.clear()
        view.open(b"f", Access.WRITE | Access.TRUNCATE).close()
        assert calls.data == 0
        assert marks(one, b"f") == set()
        assert one.view().read(b"f") == b""


def copy_of_one_byte(view: View) -> None:
    view.write(b"f", b"!", 0)


def test_a_tebibyte_of_hole_stays_one() -> None:
    store = MemoryStore.of({})
    file = store.create(b"sparse", 0o644)
    file.pwrite(b"data", 1 << 39)
    file.truncate(1 << 40)
    one = lazy(layer=Layer(store, OVERLAY))
    view = one.view()
    view.write(b"sparse", b"!", 5)
    view.union.sync()
    stat = one.upper.stat(b"sparse")
    assert (stat.size, stat.blocks) == (1 << 40, 2 * BLOCK // 512)


def test_unfinished_files_that_go_are_not_copied() -> None:
    calls = Calls()
    one = lazy()
    view = one.view(calls.spy)
    handle = view.open(b"f", READ_WRITE)
    handle.write(b"!", 0)
    view.unlink(b"f")
    view.write(b"h1", b"!", 0)
    view.unlink(b"h1")
    calls.clear()
    view.unlink(b"h2")
    handle.sync()
    assert handle.read(9, BLOCK) == lower_data()[BLOCK : BLOCK + 9]
    handle.write(b"?", 1)
    handle.close()
    view.union.close()
    assert calls.data == 1
    assert one.litter() == one.index() == []


# One truth


@pytest.mark.parametrize("names", [(b"f",), (b"h1", b"h2")])
def test_every_handle_and_name_sees_one_file(names: tuple[bytes, ...]) -> None:
    one = lazy()
    view = one.view()
    early = view.open(names[0])
    view.write(names[-1], b"new", BLOCK - 1)
    late = view.open(names[0])
    expected = lower_data()
    written(expected, b"new", BLOCK - 1)
    for _ in range(20):
        for handle in (early, late):
            assert handle.read(SIZE + 1, 0) == expected
        copy_some(view, names[0])
    view.union.sync()
    assert early.read(SIZE + 1, 0) == late.read(SIZE + 1, 0) == expected
    assert len({one.upper.stat(name).ino for name in names if name in dict(one.upper.scan(b""))}) == 1


def test_holes_and_data_are_found_where_they_are() -> None:
    view = lazy().view()
    handle = view.open(b"f", READ_WRITE)
    handle.write(b"!", 3 * BLOCK)
    for _ in range(20):
        assert handle.seek(0, SEEK_HOLE) == 2 * BLOCK
        assert handle.seek(2 * BLOCK, SEEK_DATA) == 3 * BLOCK
        assert handle.seek(3 * BLOCK, SEEK_HOLE) == SIZE
        assert errno_of(lambda: handle.seek(SIZE, SEEK_DATA)) == errno.ENXIO
        copy_some(view, b"f")
    assert handle.seek(0, SEEK_HOLE) == 2 * BLOCK


def test_time_is_that_of_the_last_change_whatever_is_copied() -> None:
    one = lazy()
    view = one.view()
    view.write(b"f", b"!", 0)
    told = view.stat(b"f").mtime_ns
    copy_some(view, b"f")
    assert view.stat(b"f").mtime_ns == told
    view.set(b"f", mtime_ns=5)
    copy_some(view, b"f")
    assert view.stat(b"f").mtime_ns == 5
    assert one.view().stat(b"f").mtime_ns == 5
    other = lazy()
    view = other.view()
    view.write(b"f", b"!", 0)
    view.set(b"f", mtime_ns=5, atime_ns=6)
    view.union.sync()
    assert (view.stat(b"f").mtime_ns, other.upper.stat(b"f").mtime_ns) == (5, 5)


def test_fsync_is_of_data_and_of_its_being_whole() -> None:
    """fdatasync(2) need not put on disk that the mark is gone, so that power loss would bring it back."""
    syncs: list[bool] = []

    def watch(name: str, args: tuple[Any, ...]) -> None:
        if name == "sync":
            syncs.append(bool(args and args[0]))

    view = lazy().view(lambda store: Spy(store, watch))
    handle = view.open(b"f", READ_WRITE)
    handle.write(b"!", 0)
    handle.sync(data_only=True)
    assert syncs == [False, False]  # the data, then that it is whole
    handle.sync(data_only=True)
    assert syncs == [False, False, False]
    view.make(b"new", b"data")
    new = view.open(b"new", READ_WRITE)
    new.sync(data_only=True)
    assert syncs[3:] == [True]


def test_bits_that_a_copy_would_take_away_wait_for_it() -> None:
    one = lazy()
    view = one.view()
    view.write(b"f", b"!", 0)
    view.setxattr(b"f", b"security.capability", b"caps")
    view.set(b"f", mode=0o4755)
    view.union.close()
    assert one.upper.getxattr(b"f", b"security.capability") == b"caps"
    assert one.upper.stat(b"f").mode & 0o7777 == 0o4755


def test_what_only_looks_sees_the_file_as_it_is() -> None:
    one = lazy()
    view = one.view()
    view.write(b"f", b"!", BLOCK)
    view.write(b"f", b"tail", SIZE)
    expected = lower_data()
    written(expected, b"!", BLOCK)
    written(expected, b"tail", SIZE)
    before = list(one.work.scan(b""))
    assert one.look().read(b"f") == expected
    assert list(one.work.scan(b"")) == before


# Any history


OFFSET = st.builds(
    lambda block, shift: max(0, block * BLOCK + shift),
    st.integers(0, 8),
    st.sampled_from([-1, 0, 1, 100, 2000]),
)
DATA = st.builds(
    lambda byte, size: bytes([byte]) * size,
    st.integers(1, 255),
    st.sampled_from([1, 100, BLOCK, 2 * BLOCK + 1]),
)
STEP = st.one_of(
    st.tuples(st.just("write"), OFFSET, DATA),
    st.tuples(st.just("write early"), OFFSET, DATA),
    st.tuples(st.just("append"), DATA),
    st.tuples(st.just("truncate"), OFFSET),
    st.tuples(st.just("punch"), OFFSET, st.sampled_from([1, 100, BLOCK])),
    st.tuples(st.just("copy")),
    st.tuples(st.just("copy")),
    st.tuples(st.just("fsync")),
    st.tuples(st.just("chmod")),
    st.tuples(st.just("touch"), st.integers(1, 9)),
    st.tuples(st.just("rename")),
    st.tuples(st.just("link")),
    st.tuples(st.just("reopen")),
    st.tuples(st.just("forget")),
    st.tuples(st.just("kill")),
    st.tuples(st.just("close")),
)


class History:
    """A file of a union, and the bytes that it ought to have."""

    def __init__(self, path: bytes, mode: CopyUp = CopyUp.LAZY) -> None:
        self.stand = lazy(mode)
        self.path = path
        self.model = lower_data()
        self.view = self.stand.view()
        self.handle = self.view.open(path, READ_WRITE)

    def run(self, step: tuple[Any, ...]) -> None:
        name, *arguments = step
        getattr(self, name.replace(" ", "_"))(*arguments)

    def check(self) -> None:
        size = len(self.model)
        assert self.handle.read(size + 10, 0) == self.model
        assert self.view.read(self.path) == self.model
        assert self.view.stat(self.path).size == self.handle.stat().size == size

    def write(self, offset: int, data: bytes) -> None:
        self.view.write(self.path, data, offset)
        written(self.model, data, offset)

    def write_early(self, offset: int, data: bytes) -> None:
        self.handle.write(data, offset)
        written(self.model, data, offset)

    def append(self, data: bytes) -> None:
        self.view.write(self.path, data, 0, Access.WRITE | Access.APPEND)
        self.model += data

    def truncate(self, size: int) -> None:
        self.view.set(self.path, size=size)
        self.model[size:] = bytes(max(0, size - len(self.model)))

    def punch(self, offset: int, length: int) -> None:
        self.handle.fallocate(0x02 | 0x01, offset, length)
        end = min(offset + length, len(self.model))
        self.model[offset:end] = bytes(max(0, end - offset))

    def copy(self) -> None:
        copy_some(self.view, self.path)

    def fsync(self) -> None:
        self.handle.sync()
        if self.view.at(self.path).upper:
            pending = self.view.at(self.path).partial
            assert pending is None

    def chmod(self) -> None:
        self.view.set(self.path, mode=0o600)

    def touch(self, time: int) -> None:
        self.view.set(self.path, mtime_ns=time)
        assert self.view.stat(self.path).mtime_ns == time

    def rename(self) -> None:
        self.view.rename(self.path, self.path + b"x")
        self.path += b"x"

    def link(self) -> None:
        self.view.link(self.path, self.path + b"l")
        self.view.unlink(self.path)
        self.path += b"l"

    def reopen(self) -> None:
        self.handle.close()
        self.handle = self.view.open(self.path, READ_WRITE)

    def forget(self) -> None:
        self.handle.close()
        self.view.union.forget(self.view.at(self.path))
        self.handle = self.view.open(self.path, READ_WRITE)

    def kill(self) -> None:
        self.view = self.stand.view()
        self.handle = self.view.open(self.path, READ_WRITE)

    def close(self) -> None:
        self.view.union.close()
        assert self.stand.litter() == []
        if self.path in dict(self.stand.upper.scan(b"")) and self.view.at(self.path).data is None:
            assert marks(self.stand, self.path) == set()
        self.kill()


@settings(max_examples=250, deadline=None)
@given(
    st.lists(STEP, max_size=14), st.sampled_from([b"f", b"h1"]), st.sampled_from([CopyUp.LAZY, CopyUp.AUTO])
)
def test_any_history(steps: list[tuple[Any, ...]], path: bytes, mode: CopyUp) -> None:
    history = History(path, mode)
    for step in steps:
        history.run(step)
        history.check()
    untouched = {step[0] for step in steps} <= {"copy", "fsync", "reopen", "forget", "kill", "close"}
    history.handle.close()
    history.view.union.close()
    assert (list(history.stand.upper.scan(b"")) == []) == untouched
    assert b"pending" not in dict(history.stand.work.scan(b""))
    assert history.stand.view().read(history.path) == history.model
    plain = {step[0] for step in steps} & {"write", "write early", "append", "truncate", "punch"}
    if plain:  # then everything is there without the lower layer
        file = history.stand.upper.open(history.path)
        assert file.pread(len(history.model) + 1, 0) == history.model


# Killed, refused, switched off


def long_life(view: View) -> Iterator[bytes]:
    """All that can happen to an unfinished file: its content after each step."""
    model = lower_data()

    def write(data: bytes, offset: int) -> bytes:
        view.write(b"f", data, offset)
        written(model, data, offset)
        return bytes(model)

    yield bytes(model)
    yield write(b"one", 10)
    copy_some(view, b"f")
    yield bytes(model)
    yield write(b"two" * BLOCK, BLOCK - 5)
    view.set(b"f", mode=0o640)
    yield bytes(model)
    view.set(b"f", size=5 * BLOCK + 7)
    del model[5 * BLOCK + 7 :]
    yield bytes(model)
    view.set(b"f", size=6 * BLOCK)
    model[len(model) :] = bytes(6 * BLOCK - len(model))
    yield bytes(model)
    yield write(b"tail", 6 * BLOCK)
    yield write(b"hole", HOLE[0] + 20)
    while copy_some(view, b"f"):
        pass
    yield write(b"last", 3)
    view.union.sync()
    yield bytes(model)
    yield write(b"after", 4)


LIFE = list(long_life(lazy().view()))


def is_between(content: bytes, before: bytes, after: bytes) -> bool:
    """Whether each block is that from before a change or that from after it, as after any crash."""
    blocks = range(0, max(len(before), len(after)), BLOCK)
    return len(content) in (len(before), len(after)) and all(
        content[at : at + BLOCK]
        in (before[at : at + BLOCK], after[at : at + BLOCK], _padded(before, after)[at : at + BLOCK])
        for at in blocks
    )


def _padded(before: bytes, after: bytes) -> bytes:
    return before + after[len(before) :]


def lives(view: View, told: list[bytes]) -> None:
    for content in long_life(view):
        told.append(content)  # noqa: PERF402 - what was told before it died


@MODES
def test_killed_at_every_step(mode: CopyUp) -> None:
    """Nothing that had returned is lost, and the next union has finished the file before it answers."""
    for at in range(1 << 30):
        one, kill = lazy(mode), Kill()
        view = one.view(kill.spy)
        kill.arm(at)
        told: list[bytes] = []
        try:
            lives(view, told)
        except Killed:
            pass
        again = one.view()
        assert again.at(b"f").partial is None
        assert is_between(again.read(b"f"), told[-1], LIFE[min(len(told), len(LIFE) - 1)]), at
        again.union.close()
        assert one.litter() == []
        assert b"pending" not in dict(one.work.scan(b""))
        if not kill.dead:
            assert at > 30
            return


def test_killed_while_finishing_what_was_killed() -> None:
    for at in range(1 << 30):
        one = lazy()
        for content in long_life(one.view()):
            if content == LIFE[3]:
                break
        kill = Kill()
        kill.arm(at)
        try:
            one.view(kill.spy)
        except Killed:
            pass
        assert one.view().read(b"f") == LIFE[3]
        if not kill.dead:
            assert at > 10
            return


def test_killed_after_a_whole_file_was_cut() -> None:
    """It is not settled yet, and whoever cuts it then writes nothing down."""
    one = lazy()
    view = one.view()
    view.write(b"f", b"!", 0)
    while copy_some(view, b"f"):
        pass
    completion.fill(view.union._state, view.at(b"f"))
    view.set(b"f", size=BLOCK + 1)
    assert marks(one, b"f")
    assert one.view().read(b"f") == b"!" + lower_data()[1 : BLOCK + 1]
    assert marks(one, b"f") == set()


@MODES
@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EIO])
def test_refused_at_every_step(number: int, mode: CopyUp) -> None:
    """Who was refused is told so; the same again works, and nothing that was acknowledged is lost."""
    for at in range(1 << 30):
        one, faults = lazy(mode), Faults(number)
        view = one.view(faults.spy)
        faults.arm(at)
        told: list[bytes] = []
        failure = errno_of(lambda view=view, told=told: lives(view, told))
        faults.disarm()
        assert failure in (0, number)
        if failure:
            assert is_between(view.read(b"f"), told[-1], LIFE[len(told)]), at
            assert is_between(one.look().read(b"f"), told[-1], LIFE[len(told)]), at
            view.write(b"f", b"again", 1)
            content = bytearray(view.read(b"f"))
            view.union.close()
            assert one.view().read(b"f") == content
        assert one.litter() == []
        if faults.seen < at:
            assert at > 30
            return


@settings(max_examples=150, deadline=None)
@given(
    st.lists(st.one_of(st.tuples(st.just("write"), OFFSET, DATA), st.tuples(st.just("copy"))), max_size=8),
    st.sets(st.integers(0, 9)),
    st.integers(0, 10),
    st.sampled_from([CopyUp.LAZY, CopyUp.AUTO]),
)
def test_power_loss_leaves_old_or_new(
    steps: list[tuple[Any, ...]], lost: set[int], forgotten: int, mode: CopyUp
) -> None:
    """The machine goes down: blocks never reached the disk, nor did the end of the journal."""
    history = History(b"f", mode)
    versions = [bytes(history.model)]
    for step in steps:
        history.run(step)
        versions.append(bytes(history.model))
    one = history.stand
    if b"f" in dict(one.upper.scan(b"")):
        file = one.upper.open(b"f", READ_WRITE)
        for block in lost:
            file.fallocate(0x02 | 0x01, block * BLOCK, BLOCK)
    if b"pending" in dict(one.work.scan(b"")):
        journal = one.work.open(b"pending", READ_WRITE)
        journal.truncate(max(0, journal.stat().size - forgotten * 30))
    one.work.epoch = b"after the next start"
    content = one.view().read(b"f")
    for at in range(0, min(SIZE, len(content)) - BLOCK, BLOCK):  # beyond, it is like any file's end
        assert content[at : at + BLOCK] in {version[at : at + BLOCK] for version in versions}


@pytest.mark.parametrize(("room", "fits"), [(3, False), (5, True)])
def test_the_background_does_not_begin_what_there_is_no_room_for(
    room: int, fits: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Who writes needs the room that there is; the hole of the lower file takes none."""
    one = lazy()
    view = one.view()
    view.write(b"f", b"!", 0)
    node = view.at(b"f")
    partial = node.partial
    assert partial is not None
    missing = partial.missing
    monkeypatch.setattr(one.upper, "statfs", lambda: StatFs(frsize=BLOCK, bavail=room))
    for _ in range(2):
        completion._complete(view.union._state, node)
    assert (partial.missing == missing, partial.missing == 0) == (not fits, fits)
    assert errno_of(lambda: view.write(b"f", b"!", 1)) == (0 if fits else errno.ENOSPC)
    assert errno_of(lambda: view.write(b"f", b"!", 1)) == 0
    view.union.close()


def test_what_fails_behind_a_writer_is_told_to_the_next_and_tried_again() -> None:
    """With the background at work: no room, then room again."""
    one, faults = lazy(), Faults(once=False)
    upper = UpperLayer(faults.spy(one.upper), OVERLAY, faults.spy(one.work))
    tasks: list[Callable[[], None]] = []
    view = View(Union(one.lowers, upper, copy_up=CopyUp.LAZY, background=tasks.append))
    handle = view.open(b"f", READ_WRITE)
    handle.write(b"!", 0)
    faults.arm(0)
    worker = threading.Thread(target=tasks.pop())
    worker.start()
    eventually(lambda: bool(view.union._state.pending.failures))
    assert one.upper.stat(b"f").blocks == BLOCK // 512  # the room of what was copied is given back
    assert errno_of(lambda: handle.write(b"?", 1)) == errno.ENOSPC
    assert errno_of(handle.flush) == 0
    faults.disarm()
    handle.write(b"?", 1)
    assert view.read(b"f") == b"!?" + lower_data()[2:]
    assert errno_of(lambda: view.write(b"other", b"usable")) == 0
    handle.sync()
    assert marks(one, b"f") == set()
    view.union.close()
    worker.join(20)
    assert not worker.is_alive()
