"""One entry of an archive, as a value."""

from __future__ import annotations

import os
from collections.abc import Mapping
from types import MappingProxyType
from typing import NamedTuple

from unionfs.types import Kind


class Entry(NamedTuple):
    """What an archive says about one file.

    `name` is a path as everywhere in the project (b"" is the root). `mode` holds the
    permission bits only. `size` is 0 for anything but a regular file. A hard link is
    an entry of kind FILE that names, in `hardlink`, the path it is one more name for.
    """

    name: bytes
    kind: Kind
    mode: int = 0o644
    uid: int = 0
    gid: int = 0
    size: int = 0
    mtime_ns: int = 0
    target: bytes = b""  # a symbolic link's text
    hardlink: bytes | None = None
    rdev: int = 0
    xattrs: Mapping[bytes, bytes] = MappingProxyType({})


def shown(name: bytes) -> str:
    """`name` for a message: one line, whatever its bytes are."""
    return repr(os.fsdecode(name))


def split(path: bytes) -> tuple[bytes, bytes]:
    """The parent's path and the last name."""
    parent, _, name = path.rpartition(b"/")
    return parent, name
