"""The 512-byte header block of a tar archive: fields to values and back.

POSIX ustar (POSIX.1-2017, pax, "ustar Interchange Format"), with GNU's base-256
numbers and the nameless v7 form. Decoding raises ValueError with the rule that is broken.
"""

from __future__ import annotations

import re
import struct
from typing import NamedTuple

from unionfs.types import Kind

BLOCK = 512
ZERO_BLOCK = bytes(BLOCK)

HARDLINK = b"1"
PAX = b"x"
PAX_GLOBAL = b"g"
GNU_LONG_NAME = b"L"
GNU_LONG_LINK = b"K"

KINDS = {
    b"0": Kind.FILE,
    b"\0": Kind.FILE,  # as v7 and GNU's old format write it
    b"7": Kind.FILE,  # "contiguous"; read as a plain file everywhere
    HARDLINK: Kind.FILE,
    b"2": Kind.SYMLINK,
    b"3": Kind.CHAR,
    b"4": Kind.BLOCK,
    b"5": Kind.DIR,
    b"6": Kind.FIFO,
}
TYPES = {
    Kind.FILE: b"0",
    Kind.SYMLINK: b"2",
    Kind.CHAR: b"3",
    Kind.BLOCK: b"4",
    Kind.DIR: b"5",
    Kind.FIFO: b"6",
}

_LAYOUT = struct.Struct("100s8s8s8s12s12s8s1s100s8s32s32s8s8s155s12x")
_POSIX = b"ustar\x0000"
_GNU = b"ustar  \0"
_V7 = bytes(8)
_CHECKSUM = slice(148, 156)
_OCTAL = re.compile(rb" *([0-7]*)[ \0]*")

OCTAL_7 = 0o7777777
OCTAL_11 = 0o77777777777


class Header(NamedTuple):
    """The fields of a block as they stand; numbers are decoded by who needs them."""

    name: bytes
    mode: bytes
    uid: bytes
    gid: bytes
    size: bytes
    mtime: bytes
    checksum: bytes
    type: bytes
    link: bytes
    magic: bytes
    uname: bytes
    gname: bytes
    major: bytes
    minor: bytes
    prefix: bytes


def decode_header(block: bytes) -> Header:
    header = Header._make(_LAYOUT.unpack(block))
    if decode_number(header.checksum) != _checksum(block):
        raise ValueError("wrong header checksum")
    if header.magic not in (_POSIX, _GNU, _V7):
        raise ValueError("unknown header format")
    return header


def _checksum(block: bytes) -> int:
    """The sum of all bytes, its own field taken as spaces."""
    return sum(block) - sum(block[_CHECKSUM]) + 8 * ord(" ")


def decode_number(field: bytes) -> int:
    """Octal, or base-256 where the first bit is set (GNU tar manual, "Extensions")."""
    if field[0] & 0x80:
        value = int.from_bytes(field, "big") & ~(1 << (8 * len(field) - 1))
        negative = bool(field[0] & 0x40)
        return value - (1 << (8 * len(field) - 1)) if negative else value
    match = _OCTAL.fullmatch(field)
    if match is None:
        raise ValueError(f"not a number: {field!r}")
    return int(match[1] or b"0", 8)


def decode_text(field: bytes) -> bytes:
    text, _, rest = field.partition(b"\0")
    if rest.strip(b"\0"):
        raise ValueError("NUL in a name")
    return text


def decode_name(header: Header) -> bytes:
    name = decode_text(header.name)
    # GNU's form keeps times and sparse maps where ustar has the prefix.
    prefix = decode_text(header.prefix) if header.magic == _POSIX else b""
    return prefix + b"/" + name if prefix else name


def encode_header(
    name: bytes,
    kind: bytes,
    mode: int = 0o644,
    uid: int = 0,
    gid: int = 0,
    size: int = 0,
    mtime: int = 0,
    link: bytes = b"",
    device: tuple[int, int] = (0, 0),
) -> bytes:
    """One POSIX block; every number must fit its field (`OCTAL_7`, `OCTAL_11`), every name 100 bytes."""
    number = (b"%07o\0" % mode, b"%07o\0" % uid, b"%07o\0" % gid, b"%011o\0" % size, b"%011o\0" % mtime)
    major, minor = (b"%07o\0" % part for part in device)
    block = _LAYOUT.pack(name, *number, b" " * 8, kind, link, _POSIX, b"", b"", major, minor, b"")
    return block[: _CHECKSUM.start] + b"%06o\0 " % _checksum(block) + block[_CHECKSUM.stop :]
