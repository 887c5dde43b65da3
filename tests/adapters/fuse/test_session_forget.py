"""What the kernel is told of counts until it says FORGET as often."""

from __future__ import annotations

import errno
import struct
from collections.abc import Iterator

import pytest
from kernel import Kernel, handle_in, nodeid_in
from unions import TREE, writable

from unionfs.adapters.fuse import nodeids
from unionfs.adapters.fuse.protocol import ROOT_ID, Opcode
from unionfs.layers.memory import MemoryStore


@pytest.fixture
def kernel() -> Iterator[Kernel]:
    with Kernel(writable()) as kernel:
        yield kernel


def forget(kernel: Kernel, nodeid: int, count: int = 1) -> None:
    kernel.tell(Opcode.FORGET, struct.pack("=Q", count), nodeid=nodeid)


def forget_all(kernel: Kernel, *counts: tuple[int, int]) -> None:
    packed = b"".join(struct.pack("=QQ", *one) for one in counts)
    kernel.tell(Opcode.BATCH_FORGET, struct.pack("=II", len(counts), 0) + packed, nodeid=0)


def is_known(kernel: Kernel, nodeid: int) -> bool:
    error = kernel.ask(Opcode.GETATTR, bytes(16), nodeid=nodeid).error
    assert error in (0, errno.ESTALE)
    return error == 0


def known(kernel: Kernel) -> int:
    """How many nodes are kept for the kernel, when it has been answered."""
    kernel.ask(Opcode.STATFS)
    return len(kernel.dispatcher._ids)


def list_plus(kernel: Kernel, nodeid: int) -> None:
    assert kernel.ask(Opcode.READDIRPLUS, struct.pack("=QQI20x", 0, 0, 65536), nodeid=nodeid).error == 0


def test_a_node_is_known_for_as_often_as_it_was_told(kernel: Kernel) -> None:
    file = kernel.lookup(b"file")
    assert kernel.lookup(b"file") == file
    list_plus(kernel, ROOT_ID)
    forget(kernel, file, 2)
    assert is_known(kernel, file)
    forget(kernel, file)
    assert not is_known(kernel, file)
    assert kernel.lookup(b"file")


def test_everything_that_makes_tells_too(kernel: Kernel) -> None:
    made = [
        kernel.ask(Opcode.MKDIR, bytes(8) + b"d\0"),
        kernel.ask(Opcode.MKNOD, struct.pack("=III4x", 0o100600, 0, 0) + b"n\0"),
        kernel.ask(Opcode.SYMLINK, b"s\0target\0"),
        kernel.ask(Opcode.CREATE, bytes(16) + b"c\0"),
    ]
    node = nodeid_in(made[1])
    made.append(kernel.ask(Opcode.LINK, struct.pack("=Q", node) + b"l\0"))
    assert known(kernel) == 5
    for reply in made[:1] + made[2:]:
        forget(kernel, nodeid_in(reply))
    assert known(kernel) == 2
    forget(kernel, node)
    assert known(kernel) == 1


def test_what_does_not_tell_does_not_count(kernel: Kernel) -> None:
    assert kernel.ask(Opcode.LOOKUP, b"missing\0").error == 0
    kernel.ask(Opcode.READDIR, struct.pack("=QQI20x", 0, 0, 4096))
    kernel.ask(Opcode.GETATTR, bytes(16))
    assert known(kernel) == 1


def test_a_listing_that_has_no_room_tells_of_nothing(kernel: Kernel) -> None:
    kernel.ask(Opcode.READDIRPLUS, struct.pack("=QQI20x", 0, 2, 100))
    assert known(kernel) == 1
    kernel.ask(Opcode.READDIRPLUS, struct.pack("=QQI20x", 0, 2, 160))
    assert known(kernel) == 2


def test_many_at_once_in_any_order(kernel: Kernel) -> None:
    directory = kernel.lookup(b"dir")
    inner = kernel.lookup(b"a", nodeid=directory)
    forget_all(kernel, (directory, 1), (inner, 1))
    assert (known(kernel), is_known(kernel, inner)) == (1, False)
    directory = kernel.lookup(b"dir")
    assert kernel.lookup(b"a", nodeid=directory)


def test_a_directory_is_forgotten_before_what_it_holds(kernel: Kernel) -> None:
    directory = kernel.lookup(b"dir")
    inner = kernel.lookup(b"a", nodeid=directory)
    forget(kernel, directory)
    assert not is_known(kernel, directory)
    fh = handle_in(kernel.ask(Opcode.OPEN, struct.pack("=II", 2, 0), nodeid=inner))
    assert kernel.ask(Opcode.WRITE, struct.pack("=QQI20x", fh, 0, 2) + b"IN").error == 0
    assert kernel.lookup(b"a", nodeid=kernel.lookup(b"dir")) == inner
    assert kernel.ask(Opcode.READ, struct.pack("=QQI20x", fh, 0, 4)).body == b"IN a"


def test_an_open_file_can_be_forgotten_and_closed(kernel: Kernel) -> None:
    file = kernel.lookup(b"file")
    fh = handle_in(kernel.ask(Opcode.OPEN, struct.pack("=II", 2, 0), nodeid=file))
    forget(kernel, file)
    assert not is_known(kernel, file)
    assert kernel.ask(Opcode.WRITE, struct.pack("=QQI20x", fh, 0, 4) + b"SOME").error == 0
    assert kernel.ask(Opcode.RELEASE, struct.pack("=Q16x", fh)).error == 0
    again = handle_in(kernel.ask(Opcode.OPEN, bytes(8), nodeid=kernel.lookup(b"file")))
    assert kernel.ask(Opcode.READ, struct.pack("=QQI20x", again, 0, 4)).body == b"SOME"


def test_more_than_was_told_and_what_never_was(kernel: Kernel) -> None:
    forget(kernel, ROOT_ID, 1 << 63)
    forget(kernel, 99_999, 3)
    file = kernel.lookup(b"file")
    forget(kernel, file, (1 << 64) - 1)
    assert (known(kernel), is_known(kernel, ROOT_ID)) == (1, True)
    assert kernel.lookup(b"file")
    assert known(kernel) == 2


def test_a_number_that_is_given_out_again_stands_for_the_new_node(
    kernel: Kernel, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(nodeids, "id", lambda node: 1000, raising=False)
    inos = set()
    for name in (b"file", b"dir", b"link"):
        assert kernel.lookup(name) == 1000
        inos.add(ino(kernel, 1000))
        forget(kernel, 1000)
        assert not is_known(kernel, 1000)
    assert len(inos) == 3


def ino(kernel: Kernel, nodeid: int) -> int:
    number: int = struct.unpack_from("=Q", kernel.ask(Opcode.GETATTR, bytes(16), nodeid=nodeid).body, 16)[0]
    return number


def test_what_remains_takes_little_room() -> None:
    many = {f"f{number}": b"" for number in range(5000)}
    with Kernel(writable(MemoryStore.of({**TREE, **many}))) as kernel:
        nodes = [kernel.lookup(name.encode()) for name in many]
        room = kernel.dispatcher._ids._nodes.__sizeof__()
        forget_all(kernel, *((nodeid, 1) for nodeid in nodes))
        assert known(kernel) == 1
        assert kernel.dispatcher._ids._nodes.__sizeof__() < room / 20
