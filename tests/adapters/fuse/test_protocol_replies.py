"""Replies as bytes; the expected ones come from a C program over Linux's include/uapi/linux/fuse.h."""

from __future__ import annotations

import os

import pytest

from unionfs.adapters.fuse import protocol
from unionfs.adapters.fuse.protocol import InitFlags, Lifetimes, OpenFlags
from unionfs.types import Kind, Stat, StatFs

LIFETIMES = Lifetimes(entry=30, attr=60)

STAT = Stat(
    mode=0o104755,
    ino=0x1111,
    dev=5,
    nlink=3,
    uid=1000,
    gid=1001,
    rdev=os.makedev(259, 70_000),
    size=0x2222,
    blocks=0x33,
    atime_ns=-4_000_000_007,
    mtime_ns=1_700_000_000_000_000_007,
    ctime_ns=1_700_000_001_000_000_008,
)

ATTR = (
    "111100000000000022220000000000003300000000000000fbffffffffffffff00f153650000000001f1536500000000"
    "f9c99a3b0700000008000000ed89000003000000e8030000e9030000700311110010000000000000"
)


def test_attributes() -> None:
    assert protocol.attr_out(STAT, LIFETIMES).hex() == "3c00000000000000" + "00" * 8 + ATTR


def test_entries() -> None:
    head = "efcdab000000000000000000000000001e000000000000003c00000000000000" + "00" * 8
    assert protocol.entry_out(0xABCDEF, STAT, LIFETIMES).hex() == head + ATTR


def test_an_entry_that_says_there_is_nothing() -> None:
    assert protocol.negative_entry(LIFETIMES).hex() == "00" * 16 + "1e00000000000000" + "00" * 104
    assert not any(protocol.NO_ENTRY)
    assert len(protocol.NO_ENTRY) == 128


def test_open_files() -> None:
    opened = protocol.open_out(0x77, OpenFlags.KEEP_CACHE | OpenFlags.NOFLUSH)
    assert opened.hex() == "77000000000000002200000000000000"
    passed = protocol.open_out(0x77, OpenFlags.PASSTHROUGH, 9)
    assert passed.hex() == "77000000000000008000000009000000"


def test_numbers() -> None:
    assert protocol.written(4096).hex() == "0010000000000000"
    assert protocol.copied(1 << 40).hex() == "0000000000010000"
    assert protocol.xattr_size(17).hex() == "1100000000000000"
    assert protocol.lseek_out(1 << 40).hex() == "0000000000010000"


def test_a_file_systems_numbers() -> None:
    fs = StatFs(bsize=4096, frsize=512, blocks=1, bfree=2, bavail=3, files=4, ffree=5, namemax=255)
    assert protocol.statfs_out(fs).hex() == (
        "0100000000000000020000000000000003000000000000000400000000000000050000000000000000100000ff000000"
        "0002000000000000" + "00" * 24
    )


@pytest.mark.parametrize(
    ("minor", "flags", "expected"),
    [
        (
            38,
            InitFlags.ASYNC_READ | InitFlags.INIT_EXT | InitFlags.PASSTHROUGH,
            "0700000026000000000002000100004040003000000010000100000000010000200000000100000000000000",
        ),
        (
            31,
            InitFlags.ASYNC_READ,
            "070000001f000000000002000100000040003000000010000100000000010000000000000000000000000000",
        ),
    ],
    ids=["with a second word of flags and passthrough", "Linux 5.4"],
)
def test_the_answer_to_init(minor: int, flags: InitFlags, expected: str) -> None:
    reply = protocol.init_out(minor, 131_072, flags, 1 << 20, background=64)
    assert reply.hex() == expected + "00" * 20


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        (b"hello", "55000000000000000300000000000000050000000800000068656c6c6f000000"),
        (b"eight888", "55000000000000000300000000000000080000000800000065696768743838" + "38"),
        (b"n", "550000000000000003000000000000000100000008000000" + "6e00000000000000"),
    ],
)
def test_directory_entries_are_padded_to_8_bytes(name: bytes, expected: str) -> None:
    packed = protocol.dirent(name, 0x55, 3, Kind.FILE)
    assert packed.hex() == expected
    assert list(protocol.iter_dirents(packed * 2)) == [(name, 0x55, 3, Kind.FILE)] * 2


@pytest.mark.parametrize("name", [b"n", b"eight888", b"hello", b"x" * 255])
def test_an_entry_with_attributes_is_both_in_one(name: bytes) -> None:
    packed = protocol.direntplus(0xABCDEF, STAT, LIFETIMES, name, 3)
    entry = protocol.entry_out(0xABCDEF, STAT, LIFETIMES)
    assert packed == entry + protocol.dirent(name, STAT.ino, 3, Kind.FILE)
    assert len(packed) == protocol.direntplus_size(name)


def test_headers() -> None:
    assert protocol.reply_error(0x1234, 2).hex() == "10000000feffffff3412000000000000"
    assert protocol.reply(0x1234, b"body").hex() == "14000000000000003412000000000000" + b"body".hex()
    assert protocol.reply_header(0x1234, 4) + b"body" == protocol.reply(0x1234, b"body")


@pytest.mark.parametrize(
    ("major", "minor", "encoded"), [(1, 3, 0x103), (259, 70_000, 0x11110370), (4095, 0xFFFFF, 0xFFFFFFFF)]
)
def test_device_numbers(major: int, minor: int, encoded: int) -> None:
    assert protocol.encode_device(os.makedev(major, minor)) == encoded
    assert protocol.decode_device(encoded) == os.makedev(major, minor)
