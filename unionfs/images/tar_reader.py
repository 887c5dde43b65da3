"""A strict tar reader: bytes in, entries out.

It reads a stream once, forward, and believes nothing: what breaks a rule is an
`ArchiveError` that names the archive, the entry and the rule, never the silent end
of the listing. Read are ustar, v7, PAX and GNU's long names. Refused, because tools
disagree on what they mean: sparse files, unknown entry types, data on anything but a
regular file, global PAX headers that set anything, names with ``..``. Absolute names
are taken from the archive's root, as docker, umoci and GNU tar do.

An archive may end without its two blocks of zeros (some writers leave them out, and
a digest is what protects from a cut); after them only zeros may follow.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from typing import NamedTuple

from unionfs.errors import ArchiveError
from unionfs.images import pax, tar_format
from unionfs.images.entry import Entry, shown
from unionfs.images.limits import DEFAULT_LIMITS, Limits
from unionfs.images.streams import CHUNK, SkippingSource, Source
from unionfs.images.tally import Tally
from unionfs.images.tar_format import BLOCK, ZERO_BLOCK, Header
from unionfs.types import NAME_MAX, Kind

_ID_MAX = (1 << 32) - 2  # the last value of uid_t stands for "leave alone"
_TIME_MAX = (1 << 63) - 1
_XATTR_SIZE_MAX = 65536  # linux/limits.h
_GNU_RECORDS = {tar_format.GNU_LONG_NAME: b"path", tar_format.GNU_LONG_LINK: b"linkpath"}
_PAX_NUMBERS = frozenset({"size", "uid", "gid"})


class _Input:
    """The archive's bytes, counted; a cut is an error with the culprit's name."""

    def __init__(self, source: Source, archive: str) -> None:
        self._source = source
        self._skipping = source if isinstance(source, SkippingSource) else None
        self._archive = archive
        self.culprit = "start"
        self.offset = 0

    def fail(self, rule: object) -> ArchiveError:
        return ArchiveError(f"{self._archive}: {self.culprit}: {rule}")

    def some(self, size: int) -> bytes:
        data = self._source.read(size)
        self.offset += len(data)
        return data

    def skip(self, size: int, what: str) -> None:
        if self._skipping is not None:
            skipped = self._skipping.skip(size)
            self.offset += skipped
            size -= skipped
        while size:
            data = self.some(min(size, CHUNK))
            if not data:
                raise self.fail(f"{what} is cut short")
            size -= len(data)

    def exactly(self, size: int, what: str) -> bytes:
        parts = []
        while size:
            data = self.some(size)
            if not data:
                raise self.fail(f"{what} is cut short")
            parts.append(data)
            size -= len(data)
        return b"".join(parts)

    def header(self) -> bytes | None:
        """The next block, or None at the end of the stream."""
        first = self.some(BLOCK)
        return first + self.exactly(BLOCK - len(first), "header") if first else None


class Content:
    """The data of one entry; it can be read until the next entry is asked for."""

    def __init__(self, source: _Input, size: int) -> None:
        self._input = source
        self._left = size
        self.offset = source.offset
        """Where in the uncompressed archive the data begins."""

    def read(self, size: int, /) -> bytes:
        data = self._input.some(min(size, self._left))
        if not data and size and self._left:
            raise self._input.fail("data is cut short")
        self._left -= len(data)
        return data

    def skip(self) -> None:
        """Pass over what was not read."""
        self._input.skip(self._left, "data")
        self._left = 0


class TarReader:
    """Iterates over an archive's entries, each with its data; `tally` counts what there are limits of."""

    def __init__(
        self,
        source: Source,
        archive: str,
        limits: Limits = DEFAULT_LIMITS,
        tally: Tally | None = None,
    ) -> None:
        self._input = _Input(source, archive)
        self._limits = limits
        self._tally = tally or Tally()

    def __iter__(self) -> Iterator[tuple[Entry, Content]]:
        while (entry := self._next()) is not None:
            self._tally.add_entry(entry)
            if self._tally.entries > self._limits.entries:
                raise self._input.fail(f"more than {self._limits.entries} entries")
            if self._tally.metadata > self._limits.metadata:
                raise self._input.fail(f"more than {self._limits.metadata} bytes of names and attributes")
            content = Content(self._input, entry.size)
            yield entry, content
            content.skip()
            self._skip_padding(entry.size)

    def _next(self) -> Entry | None:
        self._input.culprit = f"entry at byte {self._input.offset}"
        try:
            headers = self._headers()
            if headers is None:
                self._expect_end()
                return None
            header, records = headers
            name = records.get(b"path") or tar_format.decode_name(header)
            self._input.culprit = shown(name)
            return _entry(name, header, records, self._limits)
        except ValueError as rule:
            raise self._input.fail(rule) from None

    def _headers(self) -> tuple[Header, Mapping[bytes, bytes]] | None:
        """The next header that is an entry's, and the records that the ones before it gave."""
        gnu: dict[bytes, bytes] = {}
        records: dict[bytes, bytes] | None = None
        while (header := self._header()) is not None:
            if header.type == tar_format.PAX:
                if records is not None:
                    raise ValueError("two PAX headers for one entry")
                records = pax.decode_records(self._extended(header))
            elif header.type == tar_format.PAX_GLOBAL:
                _check_global(pax.decode_records(self._extended(header)))
            elif header.type in _GNU_RECORDS:
                key = _GNU_RECORDS[header.type]
                if key in gnu:
                    raise ValueError("two long names for one entry")
                gnu[key] = _gnu_text(self._extended(header))
            else:
                return header, gnu | (records or {})
        if gnu or records is not None:
            raise ValueError("the archive ends after an extended header")
        return None

    def _header(self) -> Header | None:
        block = self._input.header()
        if block is None or block == ZERO_BLOCK:
            return None
        return tar_format.decode_header(block)

    def _extended(self, header: Header) -> bytes:
        """The data of an extended header."""
        size = tar_format.decode_number(header.size)
        if not 0 <= size <= self._limits.extended_header:
            raise ValueError(f"extended header of {size} bytes")
        self._tally.add_extended_header(size)
        data = self._input.exactly(size, "extended header")
        self._skip_padding(size)
        return data

    def _skip_padding(self, size: int) -> None:
        self._input.skip(-size % BLOCK, "padding")

    def _expect_end(self) -> None:
        while data := self._input.some(CHUNK):
            if data.strip(b"\0"):
                raise ValueError("data after the end of the archive")


def _check_global(records: Mapping[bytes, bytes]) -> None:
    # docker ignores global records, GNU tar applies them: only what means nothing is let through.
    if records.keys() - {b"comment"}:
        raise ValueError("global PAX header")


def _gnu_text(data: bytes) -> bytes:
    return data.removesuffix(b"\0")


class _Numbers(NamedTuple):
    """A header's numbers, a PAX record going before the field of the same meaning."""

    header: Header
    records: Mapping[bytes, bytes]

    def read(self, key: str, limit: int) -> int:
        record = self.records.get(key.encode()) if key in _PAX_NUMBERS else None
        value = pax.decode_whole(record) if record else tar_format.decode_number(getattr(self.header, key))
        if not 0 <= value <= limit:
            raise ValueError(f"{key} out of range: {value}")
        return value

    def mtime_ns(self) -> int:
        record = self.records.get(b"mtime")
        field = self.header.mtime
        value = pax.decode_time(record) if record else tar_format.decode_number(field) * 10**9
        if abs(value) > _TIME_MAX:
            raise ValueError("mtime out of range")
        return value


def _entry(raw: bytes, header: Header, records: Mapping[bytes, bytes], limits: Limits) -> Entry:
    name = _clean_path(raw, limits)
    kind = _kind(raw, header)
    is_hardlink = header.type == tar_format.HARDLINK
    numbers = _Numbers(header, records)
    size = numbers.read("size", limits.total)
    if size and (kind is not Kind.FILE or is_hardlink):
        raise ValueError("data on what is not a regular file")
    if not name and kind is not Kind.DIR:
        raise ValueError("the root must be a directory")
    link = records.get(b"linkpath") or tar_format.decode_text(header.link)
    return Entry(
        name=name,
        kind=kind,
        mode=numbers.read("mode", _TIME_MAX) & 0o7777,
        uid=numbers.read("uid", _ID_MAX),
        gid=numbers.read("gid", _ID_MAX),
        size=size,
        mtime_ns=numbers.mtime_ns(),
        target=_clean_target(link, limits) if kind is Kind.SYMLINK else b"",
        hardlink=_clean_link(link, limits) if is_hardlink else None,
        rdev=_device(numbers) if kind in (Kind.CHAR, Kind.BLOCK) else 0,
        xattrs=_xattrs(records),
    )


def _kind(raw: bytes, header: Header) -> Kind:
    kind = tar_format.KINDS.get(header.type)
    if kind is None:
        raise ValueError(f"entry type {header.type!r} is not supported")
    if kind is not Kind.DIR and raw.endswith(b"/"):
        if header.type != b"\0":
            raise ValueError("a slash at the end of what is not a directory")
        return Kind.DIR  # v7 archives have no other way to say so
    return kind


def _clean_path(raw: bytes, limits: Limits) -> bytes:
    if b"\0" in raw:
        raise ValueError("NUL in a name")
    if not raw:
        raise ValueError("empty name")
    parts = [part for part in raw.split(b"/") if part not in (b"", b".")]
    if b".." in parts:
        raise ValueError("'..' in a name")
    if len(parts) > limits.depth:
        raise ValueError(f"deeper than {limits.depth} directories")
    path = b"/".join(parts)
    if len(path) > limits.path or any(len(part) > NAME_MAX for part in parts):
        raise ValueError("name too long")
    return path


def _clean_link(raw: bytes, limits: Limits) -> bytes:
    try:
        target = _clean_path(raw, limits)
    except ValueError as rule:
        raise ValueError(f"hard link target {shown(raw)}: {rule}") from None
    if not target:
        raise ValueError("hard link to the root")
    return target


def _clean_target(raw: bytes, limits: Limits) -> bytes:
    if not raw or b"\0" in raw or len(raw) > limits.path:
        raise ValueError("a symbolic link's target is empty, too long or holds a NUL")
    return raw


def _device(numbers: _Numbers) -> int:
    """The limits are those of Linux's dev_t as the kernel keeps it: 12 and 20 bits."""
    return os.makedev(numbers.read("major", (1 << 12) - 1), numbers.read("minor", (1 << 20) - 1))


def _xattrs(records: Mapping[bytes, bytes]) -> dict[bytes, bytes]:
    xattrs = {key[len(pax.XATTR) :]: value for key, value in records.items() if key.startswith(pax.XATTR)}
    for name, value in xattrs.items():
        if not 0 < len(name) <= NAME_MAX:
            raise ValueError("an extended attribute's name is empty or too long")
        if len(value) > _XATTR_SIZE_MAX:
            raise ValueError(f"extended attribute {shown(name)} of {len(value)} bytes")
    return xattrs
