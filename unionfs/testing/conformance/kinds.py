"""Files of every kind, for the checks that hold for all of them."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterable

from unionfs.testing.conformance import calls
from unionfs.testing.stacks import Dir, File, Item, Meta, Node, Symlink

FILE: Item = File(b"content of a file")
DIRECTORY: Item = Dir()

KINDS: dict[str, Item] = {
    "file": FILE,
    "empty": File(b""),
    "dir": DIRECTORY,
    "symlink": Symlink(b"target"),
    "fifo": Node(calls.FIFO, 0, Meta(0o644)),
    "socket": Node(calls.SOCKET, 0, Meta(0o644)),
    "char": Node(calls.CHAR, os.makedev(1, 3), Meta(0o644)),
    "block": Node(calls.BLOCK, os.makedev(7, 200), Meta(0o644)),
}
"""One of each. Devices can be made by root only."""


def format_of(item: Item) -> int:
    """The format bits of ``st_mode`` that the item has."""
    match item:
        case Dir():
            return stat.S_IFDIR
        case Symlink():
            return stat.S_IFLNK
        case Node(kind):
            return kind
    return stat.S_IFREG


def each(names: Iterable[str] = KINDS) -> dict[str, tuple[str]]:
    """As cases of a check: the kinds' names, which are also the names of the files in `KINDS`."""
    return {name: (name,) for name in names}
