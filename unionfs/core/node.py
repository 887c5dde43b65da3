"""A file's identity inside the union, and the names it is known by.

Paths change and files have several names, so everything that lasts hangs on a
`Node`. A `Table` is what a directory has been seen to hold: once it is there, no
look-up in that directory asks a layer, however many layers there are and whether
the name exists or not.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Mapping, Sequence
from threading import Lock
from typing import TYPE_CHECKING, NamedTuple

from unionfs.core.acl import Acl
from unionfs.core.dialect import NO_MARKS, Marks
from unionfs.core.places import Place
from unionfs.core.steps import At
from unionfs.types import File, Kind, Stat

if TYPE_CHECKING:
    from unionfs.core.partial import PartialFile

UPPER = -1
"""Position of the upper layer in a directory's stack; the lowers count from 0."""

FIRST_COOKIE = 3
"""Cookies 1 and 2 are left to ``.`` and ``..``."""

_LEFT = 256
"""Of how many names that have gone a directory remembers where they were listed."""


class Found(NamedTuple):
    """What a merge of listings found under one name: its kind and the stack positions that hold it."""

    kind: Kind
    where: tuple[int, ...]


class Entry:
    """A name in a directory. `where` lists the positions in the directory's stack that hold it."""

    __slots__ = ("cookie", "directory", "kind", "name", "node", "where")

    def __init__(self, directory: Node, name: bytes, found: Found, cookie: int) -> None:
        self.directory = directory
        self.name = name
        self.kind, self.where = found
        self.cookie = cookie
        self.node: Node | None = None

    @property
    def in_upper(self) -> bool:
        """Whether this very name is in the upper layer (its file may be there under another one)."""
        return self.where[0] == UPPER


class Table:
    """What a directory holds, and what its upper layer hides of the lowers.

    `hidden` are names that the lowers show but the union does not show from there;
    `whiteouts` are the names that the upper layer has a whiteout for. `default_acl` is
    what new files inherit (None: not looked at yet).
    """

    __slots__ = ("_left", "_next_cookie", "_order", "default_acl", "entries", "hidden", "whiteouts")

    def __init__(self) -> None:
        self.entries: dict[bytes, Entry] = {}
        self.hidden: set[bytes] = set()
        self.whiteouts: set[bytes] = set()
        self.default_acl: Acl | None = None
        self._left: dict[bytes, int] = {}
        self._next_cookie = FIRST_COOKIE
        self._order: list[Entry] | None = None

    @classmethod
    def load(
        cls, directory: Node, found: Mapping[bytes, Found], hidden: set[bytes], whiteouts: set[bytes]
    ) -> Table:
        table = cls()
        table.hidden = hidden
        table.whiteouts = whiteouts
        table.entries = {
            name: Entry(directory, name, what, cookie)
            for cookie, (name, what) in enumerate(found.items(), FIRST_COOKIE)
        }
        table._next_cookie = FIRST_COOKIE + len(found)
        return table

    def covers(self, name: bytes) -> bool:
        """Whether the lowers show `name`, so that removing it takes a whiteout."""
        entry = self.entries.get(name)
        return name in self.hidden or (entry is not None and entry.where[-1] != UPPER)

    def after(self, cookie: int, limit: int | None) -> list[Entry]:
        """The entries behind `cookie`. What stays is neither lost nor seen twice while others come and go."""
        if self._order is None:
            self._order = sorted(self.entries.values(), key=lambda entry: entry.cookie)
        start = bisect_right(self._order, cookie, key=lambda entry: entry.cookie)
        return self._order[start : None if limit is None else start + limit]

    def show(self, directory: Node, name: bytes, found: Found) -> None:
        """Show a name that the layers have come to have, last in the listing."""
        self.entries[name] = Entry(directory, name, found, self._next_cookie)
        self._next_cookie += 1
        self._order = None

    def recover(self, hidden: set[bytes], whiteouts: set[bytes]) -> None:
        """The layers have been read anew: what the upper one hides of them now."""
        self.hidden, self.whiteouts, self._order = hidden, whiteouts, None

    def put(self, entry: Entry, directory: Node, name: bytes, cookie: int | None = None) -> None:
        """Show `entry`, now in the upper layer, as `name`; what it replaces must have been taken out.

        It is listed last; or at the place (`cookie`) of what it replaces, or where this name was
        before, so that who renames or makes anew whatever is listed comes to an end.
        """
        if self.covers(name):
            self.hidden.add(name)
        self.whiteouts.discard(name)
        entry.directory, entry.name, entry.where = directory, name, (UPPER,)
        left = self._left.pop(name, None)
        if cookie is None:
            cookie = left
        if cookie is None:
            cookie = self._next_cookie
            self._next_cookie += 1
        entry.cookie = cookie
        self.entries[name] = entry
        self._order = None

    def take(self, name: bytes) -> Entry:
        """Stop showing `name`; where the lowers have it, the upper layer has a whiteout for it now."""
        if self.covers(name):
            self.hidden.add(name)
            self.whiteouts.add(name)
        self._order = None
        entry = self.entries.pop(name)
        if len(self._left) >= _LEFT:
            self._left.clear()
        self._left[name] = entry.cookie
        return entry


class OpenFiles:
    """The open files behind a node's handles: all handles of a node share them.

    `current` serves reads, and writes too once `writable`. Files that a copy-up has
    superseded stay open until the last handle closes, for a read may be under way.
    `appending` is held from looking where the end is to writing there.
    `unnamed` says that the node was made without a name and may still get one.
    """

    __slots__ = ("appending", "count", "current", "retired", "unnamed", "writable")

    def __init__(self) -> None:
        self.appending = Lock()
        self.count = 0
        self.current: File | None = None
        self.writable = False
        self.unnamed = False
        self.retired: list[File] = []

    def switch(self, file: File, writable: bool) -> None:
        if self.current is not None:
            self.retired.append(self.current)
        self.current, self.writable = file, writable

    def close(self) -> None:
        for file in [*self.retired, *([self.current] if self.current else [])]:
            file.close()
        self.retired, self.current, self.writable = [], None, False


class Node:
    """One file of the union.

    `upper` says that its metadata is in the upper layer. `lowers` is, for a directory,
    the lower part of its stack; for anything else the one lower place it comes from.
    `data` is the lower place a regular file's data is still read from (None: from where
    its metadata is, or not looked at yet), and `partial` is there while it is being brought
    to the upper layer. `below` is, for a directory, its path in the
    union of the lowers alone, which is what a redirect names. `extra_links` is added to
    the store's link count. `aside` is a place in the work tree that keeps the file when
    no name in the upper layer does.
    """

    __slots__ = (
        "__weakref__",
        "aside",
        "below",
        "data",
        "extra_links",
        "files",
        "ino",
        "kind",
        "lowers",
        "marks",
        "names",
        "partial",
        "stat",
        "table",
        "upper",
    )

    def __init__(self, kind: Kind, ino: int, *, upper: bool, lowers: Sequence[Place] = ()) -> None:
        self.kind = kind
        self.ino = ino
        self.upper = upper
        self.lowers = lowers
        self.names: list[Entry] = []
        self.data: Place | None = None
        self.partial: PartialFile | None = None
        self.below = b""
        self.marks: Marks = NO_MARKS
        self.extra_links = 0
        self.aside: At | None = None
        self.stat: Stat | None = None
        self.table: Table | None = None
        self.files: OpenFiles | None = None

    @property
    def is_dir(self) -> bool:
        return self.kind is Kind.DIR

    @property
    def lacks_data(self) -> bool:
        """Whether there is data of a regular file that the upper layer does not have."""
        return self.kind is Kind.FILE and (not self.upper or self.data is not None)

    def upper_name(self) -> Entry | None:
        """A name of the file that is in the upper layer."""
        for entry in self.names:
            if entry.in_upper:
                return entry
        return None


def join(parent: bytes, name: bytes) -> bytes:
    return parent + b"/" + name if parent else name
