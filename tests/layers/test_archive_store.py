"""The store over an index answers as the memory store does, for what is there and for what is not."""

from __future__ import annotations

import stat
from collections.abc import Callable
from typing import Any

import pytest
from questions import QUESTIONS, Question, assert_alike, outcome

from unionfs.layers.archive import ArchiveStore, BrokenIndexError, Index, Node, Stored, encode
from unionfs.layers.memory import MemoryStore
from unionfs.layers.read_only import ReadOnlyFile
from unionfs.types import SEEK_DATA, SEEK_HOLE, Access, Stat

DATA = b"0123456789"


class _Contents:
    identity = b"contents"

    def open(self, stored: Stored, stat: Stat) -> ReadOnlyFile:
        def read(size: int, offset: int) -> bytes:
            return DATA[stored.offset : stored.offset + stored.size][offset : offset + size]

        return ReadOnlyFile(stat, read, close=lambda: None)

    def close(self) -> None:
        pass


@pytest.fixture
def memory() -> MemoryStore:
    store = MemoryStore()
    store.chmod(b"", 0o755)
    store.mkdir(b"d", 0o750)
    file = store.create(b"d/f", 0o4640)
    file.pwrite(DATA[3:8], 0)
    store.link(b"d/f", store, b"g")
    store.setxattr(b"d/f", b"user.empty", b"")
    store.setxattr(b"d/f", b"user.full", b"x" * 300)
    store.symlink(b"l", b"d")
    store.mknod(b"c", stat.S_IFCHR | 0o600, 0x103)
    store.mknod(b"p", stat.S_IFIFO | 0o600, 0)
    store.mkdir(b"\xff", 0o700)
    for path in (b"d/f", b"l", b"c", b"p", b"\xff", b"d", b""):
        store.chown(path, 3, 4)
        store.utimens(path, -5, -5)
    store.chmod(b"d/f", 0o4640)
    return store


@pytest.fixture
def archive() -> ArchiveStore:
    owned: dict[str, Any] = {"uid": 3, "gid": 4, "mtime_ns": -5}
    xattrs = {b"user.empty": b"", b"user.full": b"x" * 300}
    file = Node(stat.S_IFREG | 0o4640, **owned, xattrs=xattrs, stored=Stored(0, 3, 5, bytes(16)))
    children = {
        b"d": Node(stat.S_IFDIR | 0o750, **owned, children={b"f": file}),
        b"g": file,
        b"l": Node(stat.S_IFLNK | 0o777, **owned, target=b"d"),
        b"c": Node(stat.S_IFCHR | 0o600, **owned, rdev=0x103),
        b"p": Node(stat.S_IFIFO | 0o600, **owned),
        b"\xff": Node(stat.S_IFDIR | 0o700, **owned),
    }
    root = Node(stat.S_IFDIR | 0o755, **owned, children=children)
    return ArchiveStore(Index(encode(root)), [_Contents()], "archive", bytes(16))


_QUESTIONS = QUESTIONS | {
    "stat": lambda store, path: store.stat(path)._replace(ino=0, dev=0, blocks=0, atime_ns=0, ctime_ns=0),
    "getxattr": lambda store, path: store.getxattr(path, b"user.full"),
}

PATHS = [
    b"",
    b"d",
    b"d/f",
    b"g",
    b"l",
    b"l/f",
    b"c",
    b"p",
    b"\xff",
    b"no",
    b"d/no",
    b"no/no",
    b"g/x",
    b"n" * 256,
]
PATHS += [b"d/f/x", b"c/x", b".", b"..", b"d/..", b"d/.", b"d//f", b"/d", b"d/", b"a\0b"]


@pytest.mark.parametrize("question", _QUESTIONS.values(), ids=_QUESTIONS.keys())
def test_it_answers_as_the_memory_store(
    memory: MemoryStore, archive: ArchiveStore, question: Question
) -> None:
    assert_alike(question, memory, archive, PATHS)


def test_nothing_is_opened_for_writing(archive: ArchiveStore) -> None:
    for access in (Access.WRITE, Access.READ | Access.WRITE, Access.READ | Access.TRUNCATE):
        assert outcome(lambda: archive.open(b"g", access)) == ("EROFS", b"g")  # noqa: B023


def test_an_open_file(archive: ArchiveStore) -> None:
    file = archive.open(b"g")
    assert [file.pread(size, offset) for size, offset in ((2, 0), (9, 3), (9, 9))] == [b"34", b"67", b""]
    assert [file.seek(at, how) for at, how in ((2, SEEK_DATA), (2, SEEK_HOLE))] == [2, 5]
    assert outcome(lambda: file.seek(5, SEEK_DATA))[0] == "ENXIO"  # type: ignore[index]
    for refused in (
        lambda: file.pwrite(b"x", 0),
        lambda: file.truncate(0),
        lambda: file.fallocate(0, 0, 1),
        lambda: file.copy_from(file, 0, 1),
    ):
        assert outcome(refused) == ("EBADF", None)
    file.sync()
    file.close()
    file.close()
    assert outcome(lambda: file.pread(1, 0)) == ("EBADF", None)


def test_hard_links(archive: ArchiveStore) -> None:
    (paths,) = archive.hard_links().values()
    assert sorted(paths) == [b"d/f", b"g"]
    assert archive.stat(b"g").ino == archive.stat(b"d/f").ino


@pytest.mark.parametrize(
    "damage",
    [lambda data: b"", lambda data: data[:40], lambda data: b"other" + data[5:], lambda data: data + b"x"],
)
def test_what_is_no_index(damage: Callable[[bytes], bytes]) -> None:
    with pytest.raises(BrokenIndexError):
        Index(damage(encode(Node(stat.S_IFDIR))))
