"""Requests as bytes: what kernels send, and what is read from it.

`SIZES` and the samples that are not marked as captured come from a C program over
Linux's own include/uapi/linux/fuse.h; the captured ones were sent by Linux 6.18.
"""

from __future__ import annotations

import struct

import pytest
from kernel import EVERYTHING, init, request

from unionfs.adapters.fuse import protocol
from unionfs.adapters.fuse.protocol import InitFlags, MalformedError, Opcode, Request, SetAttr

SIZES = {
    Opcode.LOOKUP: 0,
    Opcode.FORGET: 8,
    Opcode.GETATTR: 16,
    Opcode.SETATTR: 88,
    Opcode.READLINK: 0,
    Opcode.SYMLINK: 0,
    Opcode.MKNOD: 16,
    Opcode.MKDIR: 8,
    Opcode.UNLINK: 0,
    Opcode.RMDIR: 0,
    Opcode.RENAME: 8,
    Opcode.LINK: 8,
    Opcode.OPEN: 8,
    Opcode.READ: 40,
    Opcode.WRITE: 40,
    Opcode.STATFS: 0,
    Opcode.RELEASE: 24,
    Opcode.FSYNC: 16,
    Opcode.SETXATTR: 16,
    Opcode.GETXATTR: 8,
    Opcode.LISTXATTR: 8,
    Opcode.REMOVEXATTR: 0,
    Opcode.FLUSH: 24,
    Opcode.INIT: 16,  # as far as it goes without INIT_EXT
    Opcode.OPENDIR: 8,
    Opcode.READDIR: 40,
    Opcode.RELEASEDIR: 24,
    Opcode.FSYNCDIR: 16,
    Opcode.ACCESS: 8,
    Opcode.CREATE: 16,
    Opcode.INTERRUPT: 8,
    Opcode.DESTROY: 0,
    Opcode.BATCH_FORGET: 8,
    Opcode.FALLOCATE: 32,
    Opcode.READDIRPLUS: 40,
    Opcode.RENAME2: 16,
    Opcode.LSEEK: 24,
    Opcode.COPY_FILE_RANGE: 56,
    Opcode.SYNCFS: 8,
    Opcode.TMPFILE: 16,
    Opcode.STATX: 24,
    Opcode.IOCTL: 32,
    Opcode.COPY_FILE_RANGE_64: 56,
}
"""The fixed part of each request's arguments, in bytes."""

NAMES = {
    Opcode.LOOKUP: 1,
    Opcode.SYMLINK: 2,
    Opcode.MKNOD: 1,
    Opcode.MKDIR: 1,
    Opcode.UNLINK: 1,
    Opcode.RMDIR: 1,
    Opcode.RENAME: 2,
    Opcode.LINK: 1,
    Opcode.SETXATTR: 1,
    Opcode.GETXATTR: 1,
    Opcode.REMOVEXATTR: 1,
    Opcode.CREATE: 1,
    Opcode.RENAME2: 2,
    Opcode.TMPFILE: 1,
}


def parsed(data: bytes) -> Request:
    return protocol.parse(memoryview(data))


def arguments_of(data: str | bytes) -> tuple[object, ...]:
    request = parsed(bytes.fromhex(data) if isinstance(data, str) else data)
    return tuple(bytes(one) if isinstance(one, memoryview) else one for one in request.arguments)


@pytest.mark.parametrize("opcode", SIZES)
def test_no_argument_may_be_cut_short(opcode: Opcode) -> None:
    body = bytes(SIZES[opcode]) + b"name\0" * NAMES.get(opcode, 0)
    parsed(request(opcode, body))
    for length in range(len(body)):
        with pytest.raises(MalformedError):
            parsed(request(opcode, body[:length]))


def test_the_table_of_sizes_is_complete() -> None:
    # The others are refused whatever they say, and NOTIFY_REPLY answers what is never asked.
    unread = {"POLL", "BMAP", "GETLK", "SETLK", "SETLKW", "NOTIFY_REPLY"}
    assert {opcode.name for opcode in Opcode} - {opcode.name for opcode in SIZES} == unread


CAPTURED = {
    "LOOKUP": (
        "2d000000010000000e000000000000000100000000000000000000000000000073290000000000006e6f706500",
        Request(Opcode.LOOKUP, 14, 1, 0, 0, 0x2973, (b"nope",)),
    ),
    "FORGET": (
        "3000000002000000be00000000000000804b1cbdc97f0000000000000000000000000000000000000100000000000000",
        Request(Opcode.FORGET, 190, 0x7FC9BD1C4B80, 0, 0, 0, (1,)),
    ),
    "SETATTR": (
        "8000000004000000560000000000000040491cbdc97f0000000000000000000073290000000000000608000000000000"
        "000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000"
        "0000000000000000000000000000000000000000010000000200000000000000",
        Request(Opcode.SETATTR, 86, 0x7FC9BD1C4940, 0, 0, 0x2973, (SetAttr(0x806, 0, 0, 0, 0, 0, 1, 2),)),
    ),
    "READLINK": (
        "28000000050000000c00000000000000e0451cbdc97f000000000000000000007329000000000000",
        Request(Opcode.READLINK, 12, 0x7FC9BD1C45E0, 0, 0, 0x2973, ()),
    ),
    "SYMLINK": (
        "2e000000060000003200000000000000010000000000000000000000000000007329000000000000730074677400",
        Request(Opcode.SYMLINK, 50, 1, 0, 0, 0x2973, (b"s", b"tgt")),
    ),
    "MKNOD": (
        "3c0000000800000026000000000000000100000000000000000000000000000073290000000000008021000070031111"
        "000000000000000064657600",
        Request(Opcode.MKNOD, 38, 1, 0, 0, 0x2973, (0o020600, 0x11110370, 0, b"dev")),
    ),
    "MKDIR": (
        "33000000090000002000000000000000010000000000000000000000000000007329000000000000ff01000000000000"
        "6e6400",
        Request(Opcode.MKDIR, 32, 1, 0, 0, 0x2973, (0o777, 0, b"nd")),
    ),
    "RENAME2": (
        "3d0000002d0000004600000000000000010000000000000000000000000000007329000000000000"
        "010000000000000004000000000000006e006e3900",
        Request(Opcode.RENAME2, 70, 1, 0, 0, 0x2973, (1, 4, b"n", b"n9")),
    ),
    "LINK": (
        "330000000d00000038000000000000000100000000000000000000000000000073290000000000004049"
        "1cbdc97f00006e3200",
        Request(Opcode.LINK, 56, 1, 0, 0, 0x2973, (0x7FC9BD1C4940, b"n2")),
    ),
    "OPEN": (
        "300000000e000000600000000000000040491cbdc97f0000000000000000000073290000000000000280000000000000",
        Request(Opcode.OPEN, 96, 0x7FC9BD1C4940, 0, 0, 0x2973, (0x8002, 0)),
    ),
    "READ": (
        "500000000f000000820000000000000040491cbdc97f00000000000000000000732900000000000002000000000000000000"
        "0000000000000030000000000000000000000000000002800000"
        "00000000",
        Request(Opcode.READ, 130, 0x7FC9BD1C4940, 0, 0, 0x2973, (2, 0, 12288)),
    ),
    "WRITE": (
        "5400000010000000660000000000000040491cbdc97f0000000000000000000073290000000000000200000000000000"
        "03000000000000000400000000000000000000000000000002800000"
        "0000000064617461",
        Request(Opcode.WRITE, 102, 0x7FC9BD1C4940, 0, 0, 0x2973, (2, 3, b"data", 0)),
    ),
    "RELEASE": (
        "40000000120000001a0000000000000040491cbdc97f00000000000000000000000000000000000001000000000000000180"
        "0000000000000000000000000000",
        Request(Opcode.RELEASE, 26, 0x7FC9BD1C4940, 0, 0, 0, (1,)),
    ),
    "SETXATTR": (
        "4400000015000000480000000000000040491cbdc97f00000000000000000000732900000000000005000000000000000000"
        "000000000000757365722e610076616c7565",
        Request(Opcode.SETXATTR, 72, 0x7FC9BD1C4940, 0, 0, 0x2973, (b"user.a", b"value", 0, 0)),
    ),
    "GETXATTR": (
        "37000000160000004a0000000000000040491cbdc97f0000000000000000000073290000000000008000000000000000"
        "757365722e6100",
        Request(Opcode.GETXATTR, 74, 0x7FC9BD1C4940, 0, 0, 0x2973, (128, b"user.a")),
    ),
    "INIT": (
        "680000001a0000000200000000000000000000000000000000000000000000000000000000000000070000002d00000000"
        "000200fbffff73fd0500000000000000000000000000000000000000000000000000000000000000000000000000000000"
        "000000000000",
        Request(Opcode.INIT, 2, 0, 0, 0, 0, (7, 45, 131072, 0x5FD73FFFFFB)),
    ),
    "CREATE": (
        "3a00000023000000120000000000000001000000000000000000000000000000732900000000000041820000b6810000"
        "00000000000000006e00",
        Request(Opcode.CREATE, 18, 1, 0, 0, 0x2973, (0x8241, 0o100666, 0, 0, b"n")),
    ),
    "FALLOCATE": (
        "480000002b000000720000000000000040491cbdc97f00000000000000000000732900000000000002000000000000000000"
        "00000000000000100000000000000300000000000000",
        Request(Opcode.FALLOCATE, 114, 0x7FC9BD1C4940, 0, 0, 0x2973, (2, 0, 4096, 3)),
    ),
    "READDIRPLUS": (
        "500000002c0000000a000000000000000100000000000000000000000000000073290000000000000000000000000000"
        "0500000000000000008000000000000000000000000000000088010000000000",
        Request(Opcode.READDIRPLUS, 10, 1, 0, 0, 0x2973, (0, 5, 32768)),
    ),
    "LSEEK": (
        "400000002e000000760000000000000040491cbdc97f0000000000000000000073290000000000000200000000000000"
        "00000000000000000400000000000000",
        Request(Opcode.LSEEK, 118, 0x7FC9BD1C4940, 0, 0, 0x2973, (2, 0, 4)),
    ),
    "COPY_FILE_RANGE_64": (
        "60000000350000007e0000000000000040491cbdc97f00000000000000000000732900000000000002000000000000000000"
        "000000000000a05e1cbdc97f00000300000000000000000000000000000088130000000000000000000000000000",
        Request(
            Opcode.COPY_FILE_RANGE_64,
            126,
            0x7FC9BD1C4940,
            0,
            0,
            0x2973,
            (2, 0, 0x7FC9BD1C5EA0, 3, 0, 5000, 0),
        ),
    ),
    "TMPFILE": (
        "3a000000330000008800000000000000010000000000000000000000000000007329000000000000028041008081000000"
        "000000000000002f00",
        Request(Opcode.TMPFILE, 136, 1, 0, 0, 0x2973, (0x418002, 0o100600, 0, 0, b"/")),
    ),
}


@pytest.mark.parametrize("name", CAPTURED)
def test_what_linux_6_18_was_seen_to_send(name: str) -> None:
    sample, expected = CAPTURED[name]
    found = parsed(bytes.fromhex(sample))
    assert found._replace(arguments=arguments_of(sample)) == expected


@pytest.mark.parametrize(
    ("sample", "expected"),
    [
        pytest.param(
            "500000002a0000000800000000000000000000000000000000000000000000000000000000000000"
            "02000000000000000500000000000000010000000000000006000000000000000900000000000000",
            ([(5, 1), (6, 9)],),
            id="BATCH_FORGET",
        ),
        pytest.param(
            "8000000004000000080000000000000005000000000000000a0000000b0000000c000000000000007f00000000000000"
            "030000000000000000000000020000006300000000000000ffffffffffffffff020000000000000003000000000000"
            "000500000006000000070000008081000000000000150000001600000000000000",
            (SetAttr(0x7F, 3, 1 << 33, -999_999_995, 2_000_000_006, 0o100600, 21, 22),),
            id="SETATTR of everything, with a time before 1970",
        ),
        pytest.param(
            "380000001a0000000100000000000000000000000000000000000000000000000000000000000000"
            "070000001f00000000000200fbffff03",
            (7, 31, 131072, 0x3FFFFFB),
            id="INIT of Linux 5.4",
        ),
        pytest.param(
            "4c000000270000000800000000000000050000000000000000000000000000000000000000000000"
            "070000000000000000000000026608403412000000000000040000000000000080000000",
            (0x40086602, b"\x80\0\0\0"),
            id="IOCTL, FS_IOC_SETFLAGS",
        ),
        pytest.param(
            "40000000190000000800000000000000050000000000000000000000000000000000000000000000"
            "030000000000000000000000000000000700000000000000",
            (3,),
            id="FLUSH",
        ),
        pytest.param(
            "300000002400000009000000000000000000000000000000000000000000000000000000000000000800000000000000",
            (8,),
            id="INTERRUPT",
        ),
        pytest.param(
            "300000003200000008000000000000000100000000000000000000000000000000000000000000000000000000000000",
            (),
            id="SYNCFS",
        ),
        pytest.param(
            "500000001c0000000800000000000000010000000000000000000000000000000000000000000000"
            "03000000000000000400000000000000001000000000000000000000000000000000000000000000",
            (3, 4, 4096),
            id="READDIR",
        ),
        pytest.param(
            "400000001d0000000800000000000000010000000000000000000000000000000000000000000000"
            "030000000000000000000000000000000000000000000000",
            (3,),
            id="RELEASEDIR",
        ),
        pytest.param(
            "380000000e0000000800000000000000050000000000000000000000000000000000000001000000"
            "01000000010000000000000000000000",
            (1, 1),
            id="OPEN with an extension of 8 bytes",
        ),
    ],
)
def test_what_the_headers_say(sample: str, expected: tuple[object, ...]) -> None:
    assert arguments_of(sample) == expected


def test_setxattr_is_shorter_where_its_long_form_was_not_settled() -> None:
    body = struct.pack("=II", 5, 1) + b"user.a\0value"
    short = protocol.layouts_of(InitFlags(0))
    found = protocol.parse(memoryview(request(Opcode.SETXATTR, body)), short)
    assert found.arguments == (b"user.a", b"value", 1, 0)
    assert protocol.layouts_of(InitFlags.SETXATTR_EXT) is not short
    with pytest.raises(MalformedError):
        parsed(request(Opcode.SETXATTR, body))


def test_the_second_word_of_flags_counts_only_where_the_first_says_so() -> None:
    everything = arguments_of(init())
    assert everything[3] == EVERYTHING << 32 | EVERYTHING
    without = request(Opcode.INIT, struct.pack("=IIIII", 7, 36, 0, 1, EVERYTHING))
    assert arguments_of(without)[3] == 1


@pytest.mark.parametrize(
    "body",
    [b"", b"no end", b"a\0b", b"a\0b\0", b"a\0\0"],
    ids=["nothing", "no end", "more behind", "two names", "an empty second one"],
)
def test_one_name_is_one_name(body: bytes) -> None:
    with pytest.raises(MalformedError):
        parsed(request(Opcode.LOOKUP, body))


@pytest.mark.parametrize("length", [0, 39, 41, 0xFFFFFFFF])
def test_a_length_that_is_not_the_requests(length: int) -> None:
    data = bytearray(request(Opcode.STATFS))
    struct.pack_into("=I", data, 0, length)
    with pytest.raises(MalformedError):
        parsed(bytes(data))


def test_extensions_longer_than_the_request() -> None:
    data = bytearray(request(Opcode.STATFS))
    struct.pack_into("=H", data, 36, 1)
    with pytest.raises(MalformedError):
        parsed(bytes(data))


def test_counts_and_sizes_that_do_not_fit() -> None:
    for opcode, body in [
        (Opcode.WRITE, struct.pack("=QqII16x", 1, 0, 5, 0) + b"four"),
        (Opcode.WRITE, struct.pack("=QqII16x", 1, 0, 5, 0) + b"sixsix"),
        (Opcode.SETXATTR, struct.pack("=II8x", 6, 0) + b"user.a\0value"),
        (Opcode.SETXATTR, struct.pack("=II8x", 0, 0) + b"user." + b"a" * 300),
        (Opcode.BATCH_FORGET, struct.pack("=IIQQ", 2, 0, 5, 1)),
        (Opcode.BATCH_FORGET, struct.pack("=IIQQ", 0xFFFFFFFF, 0, 5, 1)),
    ]:
        with pytest.raises(MalformedError):
            parsed(request(opcode, body))


def test_offsets_are_signed() -> None:
    assert arguments_of(request(Opcode.LSEEK, struct.pack("=QQI4x", 1, (1 << 64) - 3, 0))) == (1, -3, 0)
    assert arguments_of(request(Opcode.READ, struct.pack("=QQI20x", 1, 1 << 63, 5))) == (1, -(1 << 63), 5)


def test_an_opcode_that_nobody_knows_has_no_arguments() -> None:
    assert parsed(request(4095, b"whatever")).arguments == ()


def test_only_what_is_waited_for_can_be_answered() -> None:
    assert protocol.unique_of(memoryview(request(Opcode.LOOKUP, unique=6))) == 6
    assert protocol.unique_of(memoryview(request(Opcode.FORGET, unique=6))) is None
    assert protocol.unique_of(memoryview(request(Opcode.BATCH_FORGET, unique=6))) is None
    assert protocol.unique_of(memoryview(bytes(39))) is None
