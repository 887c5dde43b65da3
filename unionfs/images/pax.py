"""PAX extended headers (POSIX.1-2017, pax, "pax Extended Header"): records to a dict and back.

Values are bytes: that is what ``hdrcharset=BINARY`` asks for, and what every container
tool does with names that are not UTF-8 anyway. Extended attributes are the records
``SCHILY.xattr.NAME``; ``LIBARCHIVE.xattr.*``, which bsdtar writes beside them, are left
alone, as container tools do.
"""

from __future__ import annotations

import re
from collections.abc import Mapping

XATTR = b"SCHILY.xattr."

_SPARSE = (b"GNU.sparse.", b"SCHILY.realsize")
"""GNU tar's ways of saying that data has holes, and star's."""
_CHARSETS = {b"BINARY", b"ISO-IR 10646 2000 UTF-8"}
_LENGTH = re.compile(rb"([1-9][0-9]{0,7}) ")
_DECIMAL = re.compile(rb"(-?)([0-9]{1,19})(?:\.([0-9]*))?")
_WHOLE = re.compile(rb"-?[0-9]{1,20}")


def decode_records(data: bytes) -> dict[bytes, bytes]:
    """Raises ValueError for a record that is not one, or that this reader must not ignore."""
    records: dict[bytes, bytes] = {}
    position = 0
    while position < len(data):
        length = _LENGTH.match(data, position)
        end = position + int(length[1]) if length else 0
        if length is None or not length.end() < end <= len(data) or data[end - 1 : end] != b"\n":
            raise ValueError("broken record in a PAX header")
        key, equals, value = data[length.end() : end - 1].partition(b"=")
        if not (key and equals):
            raise ValueError("broken record in a PAX header")
        _check(key, value)
        records[key] = value
        position = end
    return records


def _check(key: bytes, value: bytes) -> None:
    if b"\0" in key:
        raise ValueError("NUL in the name of a PAX record")
    if key.startswith(_SPARSE):
        raise ValueError("sparse files are not supported")
    if key == b"hdrcharset" and value not in _CHARSETS:
        raise ValueError("unknown hdrcharset")


def encode_records(records: Mapping[bytes, bytes]) -> bytes:
    """The records in the order of their names: the same bytes each time."""
    return b"".join(_record(key, records[key]) for key in sorted(records))


def _record(key: bytes, value: bytes) -> bytes:
    rest = b" " + key + b"=" + value + b"\n"
    length = len(rest)
    # The length counts its own digits.
    while (total := len(rest) + len(str(length))) != length:
        length = total
    return b"%d" % length + rest


def decode_whole(text: bytes) -> int:
    if not _WHOLE.fullmatch(text):
        raise ValueError(f"not a number: {text[:40]!r}")
    return int(text)


def decode_time(text: bytes) -> int:
    """Nanoseconds since the epoch, from decimal seconds; digits beyond nanoseconds are cut off."""
    match = _DECIMAL.fullmatch(text)
    if match is None:
        raise ValueError(f"not a time: {text[:40]!r}")
    sign, seconds, fraction = match.groups()
    time_ns = int(seconds) * 10**9 + int((fraction or b"")[:9].ljust(9, b"0"))
    return -time_ns if sign else time_ns


def encode_time(time_ns: int) -> bytes:
    seconds, fraction = divmod(abs(time_ns), 10**9)
    sign = b"-" if time_ns < 0 else b""
    return sign + b"%d" % seconds + (b".%09d" % fraction).rstrip(b"0").rstrip(b".")
