"""A tar writer whose bytes depend on the entries alone: ustar, with PAX only where that is too small."""

from __future__ import annotations

import os
from collections.abc import Iterable

from unionfs.errors import ArchiveError
from unionfs.images import pax, tar_format
from unionfs.images.entry import Entry, shown
from unionfs.images.limits import DEFAULT_LIMITS
from unionfs.images.streams import Sink
from unionfs.images.tar_format import BLOCK, OCTAL_7, OCTAL_11, ZERO_BLOCK
from unionfs.types import Kind

_NAME_SIZE = 100
_PAX_NAME = b"PaxHeaders.0/entry"


class TarWriter:
    """Writes entries in the order given; `close` writes the end (the sink stays open)."""

    def __init__(self, sink: Sink) -> None:
        self._sink = sink

    def add(self, entry: Entry, content: Iterable[bytes] = ()) -> None:
        """Raises `ArchiveError` where `content` is not `entry.size` bytes long, or xattrs are too large."""
        self._headers(entry)
        written = 0
        for data in content:
            self._sink.write(data)
            written += len(data)
        if written != entry.size:
            raise ArchiveError(f"{shown(entry.name)}: changed while it was read")
        self._sink.write(bytes(-written % BLOCK))

    def close(self) -> None:
        self._sink.write(ZERO_BLOCK * 2)

    def _headers(self, entry: Entry) -> None:
        name, link = _stored_name(entry), entry.hardlink or entry.target
        records = _records(entry, name, link)
        if records:
            self._extended(entry, pax.encode_records(records))
        kind = tar_format.HARDLINK if entry.hardlink is not None else tar_format.TYPES[entry.kind]
        seconds = entry.mtime_ns // 10**9
        block = tar_format.encode_header(
            b"" if b"path" in records else name,
            kind,
            entry.mode,
            _fitting(entry.uid, OCTAL_7),
            _fitting(entry.gid, OCTAL_7),
            _fitting(entry.size, OCTAL_11),
            _fitting(seconds, OCTAL_11),
            b"" if b"linkpath" in records else link,
            (os.major(entry.rdev), os.minor(entry.rdev)),
        )
        self._sink.write(block)

    def _extended(self, entry: Entry, data: bytes) -> None:
        if len(data) > DEFAULT_LIMITS.extended_header:
            raise ArchiveError(f"{shown(entry.name)}: its extended attributes are too large for an archive")
        self._sink.write(tar_format.encode_header(_PAX_NAME, tar_format.PAX, size=len(data)))
        self._sink.write(data + bytes(-len(data) % BLOCK))


def _stored_name(entry: Entry) -> bytes:
    if entry.kind is Kind.DIR:
        return entry.name + b"/" if entry.name else b"./"
    return entry.name


def _fitting(value: int, limit: int) -> int:
    """The value, or 0 where only the PAX record has room for it."""
    return value if 0 <= value <= limit else 0


def _records(entry: Entry, name: bytes, link: bytes) -> dict[bytes, bytes]:
    records = {pax.XATTR + key: value for key, value in entry.xattrs.items()}
    names = {key: value for key, value in ((b"path", name), (b"linkpath", link)) if not _is_plain(value)}
    records |= names
    if not all(_is_utf8(value) for value in names.values()):
        records[b"hdrcharset"] = b"BINARY"
    for key, value, limit in (
        (b"uid", entry.uid, OCTAL_7),
        (b"gid", entry.gid, OCTAL_7),
        (b"size", entry.size, OCTAL_11),
    ):
        if value > limit:
            records[key] = b"%d" % value
    if entry.mtime_ns % 10**9 or not 0 <= entry.mtime_ns // 10**9 <= OCTAL_11:
        records[b"mtime"] = pax.encode_time(entry.mtime_ns)
    return records


def _is_plain(name: bytes) -> bool:
    return len(name) <= _NAME_SIZE and name.isascii()


def _is_utf8(name: bytes) -> bool:
    try:
        name.decode()
    except UnicodeDecodeError:
        return False
    return True
