"""What fsspec says of a file (an ``info``), in the project's terms. Pure.

The keys that every file system has are ``name``, ``size`` (None where it is not known) and
``type``; all others are its own, so each is looked for under the names that are in use.
"""

from __future__ import annotations

import stat as _s
from collections.abc import Mapping
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Any, NamedTuple

from unionfs.types import Kind

Info = Mapping[str, Any]

_KINDS = {"file": Kind.FILE, "directory": Kind.DIR}
_FORMATS = {Kind.FILE: _s.S_IFREG, Kind.DIR: _s.S_IFDIR, Kind.SYMLINK: _s.S_IFLNK}
_MODES = {Kind.FILE: 0o644, Kind.DIR: 0o755, Kind.SYMLINK: 0o777}

_TIMES = (
    *("mtime", "LastModified", "last_modified", "Last-Modified", "updated", "modified", "modify"),
    *("date_time", "created"),
)
_TAGS = ("ETag", "etag", "generation", "Content-MD5", "Digest", "CRC")

_NS = 10**9


class Entry(NamedTuple):
    """A name in a directory of such a file system: where it is there, and its inode number here."""

    kind: Kind
    path: str
    ino: int
    info: Info


def kind_of(info: Info) -> Kind | None:
    """None for what cannot be shown: a device, a fifo, a socket."""
    if info.get("islink") and "destination" in info:
        return Kind.SYMLINK
    return _KINDS.get(info["type"])


def mode_of(kind: Kind, info: Info) -> int:
    """With the format bits; permissions that are not known are what a new file usually has."""
    mode = info.get("mode")
    permissions = _s.S_IMODE(mode) if isinstance(mode, int) and kind is not Kind.SYMLINK else _MODES[kind]
    return _FORMATS[kind] | permissions


def mtime_ns(info: Info) -> int:
    """Nanoseconds since the epoch; 0 where nothing tells."""
    for key in _TIMES:
        when = _seconds(info.get(key))
        if when is not None:
            return int(when * _NS)
    return 0


def is_same_version(before: Info, after: Info) -> bool:
    """Whether a file is, by all that its file system tells, what it was: a size, and a tag or else a time.

    A listing and a question for one file may tell different things; what both tell is compared.
    """
    sizes = before.get("size"), after.get("size")
    if None not in sizes and sizes[0] != sizes[1]:
        return False
    for tag in _TAGS:
        if before.get(tag) is not None and after.get(tag) is not None:
            return bool(before[tag] == after[tag])
    times = mtime_ns(before), mtime_ns(after)
    return 0 in times or times[0] == times[1]


def _seconds(value: object) -> float | None:
    if isinstance(value, str):
        value = _parsed(value)
    if isinstance(value, tuple):  # of a zip archive
        value = datetime(*value)
    if isinstance(value, datetime):
        return (value if value.tzinfo else value.replace(tzinfo=UTC)).timestamp()
    return float(value) if isinstance(value, int | float) else None


def _parsed(text: str) -> datetime | None:
    for parse in (datetime.fromisoformat, parsedate_to_datetime):
        try:
            return parse(text)
        except ValueError:
            continue
    return None
