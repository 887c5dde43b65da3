"""The journal: what was said before a crash is what is read after it, however it was cut off."""

from __future__ import annotations

import errno

import pytest
from hypothesis import given
from hypothesis import strategies as st
from spies import Faults
from stands import errno_of

from unionfs.core.journal import PENDING, Entry, Journal
from unionfs.layers.memory import MemoryStore
from unionfs.types import Access

LIMIT = 100
RECORD = 48
HEADER = 64


def said(entry: Entry) -> tuple[object, ...]:
    return entry.ino, entry.tag, entry.limit, list(entry.written), entry.mtime_ns


def content(store: MemoryStore) -> bytes:
    file = store.open(PENDING)
    return file.pread(file.stat().size, 0)


NUMBER = st.integers(0, LIMIT + 10)
STEPS = st.lists(
    st.one_of(
        st.tuples(st.just("wrote"), st.integers(1, 3), NUMBER, NUMBER),
        st.tuples(st.just("cut"), st.integers(1, 3), NUMBER),
        st.tuples(st.just("timed"), st.integers(1, 3), st.integers(-5, 5)),
        st.tuples(st.just("done"), st.integers(1, 3)),
    )
)


@given(STEPS, st.integers(0, RECORD - 1))
def test_what_was_said_is_read(steps: list[tuple[object, ...]], torn: int) -> None:
    store = MemoryStore()
    journal = Journal(store)
    entries = {ino: journal.begin(ino, ino * 7, LIMIT) for ino in (1, 2, 3)}
    touched: set[int] = set()
    for step in steps:
        entry = entries[int(step[1])]  # type: ignore[call-overload]
        touched.add(entry.ino)
        match step:
            case ("wrote", _, int(start), int(end)):
                entry.wrote(min(start, end), end)
            case ("cut", _, int(limit)):
                entry.cut(limit)
            case ("timed", _, int(time)):
                entry.timed(time)
            case ("done", _):
                entry.done()
                touched.discard(entry.ino)
                entries[entry.ino] = journal.begin(entry.ino, entry.ino * 7, LIMIT)
    if touched:
        store.open(PENDING, Access.WRITE).pwrite(b"\xff" * torn, len(content(store)))
    again = Journal(store)
    assert sorted(map(said, again.load())) == [said(entries[ino]) for ino in sorted(touched)]


def test_nothing_is_left_once_everything_is_done() -> None:
    store = MemoryStore()
    journal = Journal(store)
    entry = journal.begin(1, 2, LIMIT)
    journal.close()
    entry.wrote(0, 1)
    journal.close()
    assert content(store)
    entry.done()
    journal.close()
    assert list(store.scan(b"")) == []


def test_another_epoch_is_seen() -> None:
    store = MemoryStore()
    Journal(store).begin(1, 2, LIMIT).wrote(0, 1)
    same = Journal(store)
    same.load()
    assert same.same_epoch
    store.epoch = b"another"
    other = Journal(store)
    assert len(other.load()) == 1
    assert not other.same_epoch


def test_it_does_not_grow_for_ever(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("unionfs.core.journal._LARGE", 1000)
    store = MemoryStore()
    journal = Journal(store)
    lasting = journal.begin(1, 2, LIMIT)
    lasting.wrote(5, 9)
    for ino in range(2, 500):
        entry = journal.begin(ino, 2, LIMIT)
        entry.wrote(0, 1)
        entry.done()
    assert len(content(store)) < 3 * 1000
    assert list(map(said, Journal(store).load())) == [said(lasting)]


def test_what_is_refused_was_not_said() -> None:
    store, faults = MemoryStore(), Faults()
    journal = Journal(faults.spy(store))
    entry = journal.begin(1, 2, LIMIT)
    entry.wrote(0, 1)
    faults.arm(0)
    assert errno_of(lambda: entry.wrote(10, 20)) == errno.ENOSPC
    faults.disarm()
    assert list(entry.written) == [(0, 1)]
    assert list(map(said, Journal(store).load())) == [said(entry)]
