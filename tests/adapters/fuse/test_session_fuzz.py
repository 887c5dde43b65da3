"""A session that is asked anything at all: every request is answered once, and no answer is EIO.

EIO would mean that something else than an `OSError` came out of the union.
"""

from __future__ import annotations

import errno
import struct

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from kernel import Kernel, Reply, handle_in, nodeid_in
from unions import AUFS, OVERLAY, writable

from unionfs.adapters.fuse.protocol import Opcode
from unionfs.core.dialect import Dialect

UNKNOWN = 99_999

names = st.sampled_from(
    [b"a", b"b", b"c", b"dir", b"file", b"link", b"new", b".", b"..", b"", b"x/y", b"n" * 255, b"n" * 256]
)
numbers32 = st.one_of(
    st.sampled_from([0, 1, 2, 3, 4, 7, 0o644, 0o100644, 4096, 0xFFFFFFFF]), st.integers(0, 2**32 - 1)
)
sizes = st.sampled_from([0, 1, 100, 4096, 70_000])
numbers64 = st.one_of(
    st.sampled_from([0, 1, 5, 4096, 1 << 62, (1 << 63) - 1, 1 << 63, (1 << 64) - 1]), st.integers(0, 9000)
)
seconds = st.one_of(st.integers(0, 2_000_000_000), st.sampled_from([(1 << 64) - 1, 1 << 63, (1 << 63) - 1]))
modes = st.one_of(st.sampled_from([0o100644, 0o010600, 0o020600, 0o060600, 0o140777, 0o040755]), numbers32)
texts = st.sampled_from(
    [b"user.a", b"user.b", b"trusted.overlay.opaque", b"security.x", b"", b"user." + b"a" * 250]
)
values = st.binary(max_size=30)


class Known:
    """The numbers that a session has given out, and one of each kind that it has not."""

    def __init__(self, kernel: Kernel) -> None:
        self.nodes = [1, UNKNOWN, *map(kernel.lookup, (b"dir", b"file", b"link"))]
        opened = [
            kernel.ask(Opcode.OPEN, struct.pack("=II", mode, 0), nodeid=self.nodes[3]) for mode in (0, 2)
        ]
        self.handles = [UNKNOWN, *map(handle_in, opened)]

    def learn(self, opcode: Opcode, reply: Reply) -> None:
        if reply.error == 0 and opcode in OPENING:
            self.handles.append(handle_in(reply))
        if reply.error == 0 and opcode in NAMING:
            self.nodes.append(nodeid_in(reply))


@st.composite
def bodies(draw: st.DrawFn, known: Known, opcode: Opcode) -> bytes:
    def pack(layout: str, *strategies: st.SearchStrategy[int]) -> bytes:
        return struct.pack("=" + layout, *map(draw, strategies))

    def name() -> bytes:
        return draw(names) + b"\0"

    nodes, handles = st.sampled_from(known.nodes), st.sampled_from(known.handles)
    match opcode:
        case Opcode.LOOKUP | Opcode.UNLINK | Opcode.RMDIR:
            return name()
        case Opcode.SYMLINK:
            return name() + name()
        case Opcode.FORGET:
            return pack("Q", st.sampled_from([0, 1, 2, (1 << 64) - 1]))
        case Opcode.INTERRUPT:
            return pack("Q", numbers64)
        case Opcode.BATCH_FORGET:
            return struct.pack("=II", 2, 0) + pack("QQQQ", nodes, numbers32, nodes, numbers32)
        case Opcode.GETATTR:
            return pack("I4xQ", st.just(0), handles)
        case Opcode.SETATTR:
            valid = st.integers(0, 0xFFF)
            size = st.one_of(st.integers(0, 9000), st.sampled_from([1 << 63, (1 << 64) - 1]))
            times = pack("QQQIII", seconds, seconds, seconds, numbers32, numbers32, numbers32)
            return (
                pack("I4xQQ8x", valid, handles, size) + times + pack("I4xII4x", modes, numbers32, numbers32)
            )
        case Opcode.MKNOD:
            return pack("III4x", modes, numbers32, numbers32) + name()
        case Opcode.MKDIR:
            return pack("II", modes, numbers32) + name()
        case Opcode.RENAME:
            return pack("Q", nodes) + name() + name()
        case Opcode.RENAME2:
            return pack("QI4x", nodes, st.one_of(st.integers(0, 8), numbers32)) + name() + name()
        case Opcode.LINK:
            return pack("Q", nodes) + name()
        case Opcode.OPEN | Opcode.OPENDIR:
            return pack("II", numbers32, st.integers(0, 3))
        case Opcode.CREATE | Opcode.TMPFILE:
            return pack("IIII", numbers32, modes, numbers32, st.integers(0, 3)) + name()
        case Opcode.READ | Opcode.READDIR | Opcode.READDIRPLUS:
            return pack("QQI20x", handles, numbers64, sizes)
        case Opcode.WRITE:
            data = draw(values)
            offset = st.one_of(st.integers(0, 9000), st.sampled_from([1 << 63, (1 << 63) - 1, (1 << 64) - 1]))
            return pack("QQIII12x", handles, offset, st.just(len(data)), st.integers(0, 7), numbers32) + data
        case Opcode.RELEASE | Opcode.FLUSH:
            return pack("Q16x", handles)
        case Opcode.FSYNC | Opcode.FSYNCDIR:
            return pack("QI4x", handles, st.integers(0, 3))
        case Opcode.SETXATTR:
            value = draw(values)
            head = pack("III4x", st.just(len(value)), st.one_of(st.integers(0, 4), numbers32), numbers32)
            return head + draw(texts) + b"\0" + value
        case Opcode.GETXATTR:
            return pack("I4x", sizes) + draw(texts) + b"\0"
        case Opcode.LISTXATTR:
            return pack("I4x", sizes)
        case Opcode.REMOVEXATTR:
            return draw(texts) + b"\0"
        case Opcode.FALLOCATE:
            length = st.one_of(st.integers(0, 9000), st.sampled_from([1 << 63, (1 << 64) - 1]))
            return pack("QQQI4x", handles, length, length, st.one_of(st.integers(0, 4), numbers32))
        case Opcode.LSEEK:
            return pack("QQI4x", handles, numbers64, st.one_of(st.integers(3, 4), numbers32))
        case Opcode.COPY_FILE_RANGE | Opcode.COPY_FILE_RANGE_64:
            offset = st.one_of(st.integers(0, 9000), st.sampled_from([1 << 63]))
            return pack("QQQQQQQ", handles, offset, nodes, handles, offset, numbers64, numbers64)
    return draw(st.binary(max_size=64))


NO_ANSWER = (Opcode.FORGET, Opcode.BATCH_FORGET, Opcode.NOTIFY_REPLY, Opcode.INTERRUPT)
OPENING = (Opcode.OPEN, Opcode.CREATE, Opcode.TMPFILE)
NAMING = (Opcode.LOOKUP, Opcode.MKDIR, Opcode.MKNOD, Opcode.SYMLINK, Opcode.CREATE, Opcode.TMPFILE)
CHANGING = (Opcode.WRITE, Opcode.RENAME, Opcode.LINK, Opcode.OPEN, Opcode.SETATTR, Opcode.LOOKUP)

opcodes = st.one_of(
    st.sampled_from([opcode for opcode in Opcode if opcode is not Opcode.INIT]), st.sampled_from(CHANGING)
)


@settings(deadline=None, max_examples=150, suppress_health_check=[HealthCheck.too_slow])
@given(st.data(), st.sampled_from([OVERLAY, AUFS]))
def test_every_request_is_answered_once(data: st.DataObject, dialect: Dialect) -> None:
    with Kernel(writable(dialect=dialect)) as kernel:
        known = Known(kernel)
        asked = set(kernel.answers)
        for _ in range(data.draw(st.integers(1, 25))):
            opcode = data.draw(opcodes)
            body = data.draw(bodies(known, opcode))
            unique = kernel.tell(opcode, body, nodeid=data.draw(st.sampled_from(known.nodes)))
            if opcode in NO_ANSWER:
                continue
            asked.add(unique)
            reply = kernel.reply_to(unique)
            assert reply.error != errno.EIO, (opcode, body)
            known.learn(opcode, reply)
    assert kernel.answers == dict.fromkeys(asked, 1)


@settings(deadline=None, max_examples=50)
@given(st.lists(st.one_of(st.binary(max_size=100), st.binary(min_size=40, max_size=300)), max_size=10))
def test_noise_does_not_end_it(noise: list[bytes]) -> None:
    with Kernel(writable()) as kernel:
        for data in noise:
            kernel.send_raw(data)
        assert kernel.ask(Opcode.STATFS).error == 0
