"""Whiteouts that share one device."""

from __future__ import annotations

import errno

import pytest

from unionfs.core.store import WritableStore
from unionfs.core.whiteout import WhiteoutDevice
from unionfs.errors import error
from unionfs.layers.memory import MemoryStore
from unionfs.types import Kind, Stat


class FewLinks(MemoryStore):
    """A file system on which a file may have three names."""

    def link(self, path: bytes, to: WritableStore, new: bytes) -> None:
        if self.stat(path).nlink == 3:
            raise error(errno.EMLINK)
        super().link(path, to, new)


def whiteouts(work: MemoryStore, count: int) -> list[Stat]:
    upper = MemoryStore("upper", beside=work)
    device = WhiteoutDevice(work, b"first")
    for number in range(count):
        device.make(upper, b"%d" % number)
    return [upper.stat(b"%d" % number) for number in range(count)]


def test_they_are_one_file() -> None:
    stats = whiteouts(MemoryStore("work"), 5)
    assert {(stat.kind, stat.rdev, stat.ino) for stat in stats} == {(Kind.CHAR, 0, stats[0].ino)}


def test_another_file_follows_where_links_end() -> None:
    stats = whiteouts(FewLinks("work"), 9)
    assert {(stat.kind, stat.rdev) for stat in stats} == {(Kind.CHAR, 0)}
    assert max(stat.nlink for stat in stats) <= 3


def test_a_work_directory_that_somebody_empties_does_no_harm() -> None:
    work = MemoryStore("work")
    upper = MemoryStore("upper", beside=work)
    device = WhiteoutDevice(work, b"first")
    device.make(upper, b"a")
    work.unlink(b"first")
    device.make(upper, b"b")
    device.make(upper, b"c")
    assert {upper.stat(name).rdev for name in (b"a", b"b", b"c")} == {0}


def test_a_taken_name_stays_as_it_is() -> None:
    work = MemoryStore("work")
    upper = MemoryStore("upper", beside=work)
    upper.create(b"a", 0o600).close()
    with pytest.raises(FileExistsError):
        WhiteoutDevice(work, b"first").make(upper, b"a")
    assert upper.stat(b"a").kind is Kind.FILE
