"""What a reader of a directory is given."""

from __future__ import annotations

from typing import NamedTuple

from unionfs.types import Kind


class DirEntry(NamedTuple):
    """One entry of a directory.

    Listing from `cookie` on goes on behind this entry, whatever was created, removed
    or renamed meanwhile. `ino` is 0 where only a look-up would tell.
    """

    name: bytes
    kind: Kind
    ino: int
    cookie: int
