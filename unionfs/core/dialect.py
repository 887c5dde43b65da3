"""The port to how marks are written down in a layer.

A mark says something about the layers beneath: a whiteout hides a name, an opaque
directory hides all names, a redirect says under which path the lower part of a
renamed directory (or the data of a file) is found, metacopy that only the
metadata is here. The core knows marks only by these names; what they look like on
disk (0:0 devices, xattrs, ``.wh.`` files) is the dialect's affair alone.

For every dialect reading back what was written gives the same mark.
"""

from __future__ import annotations

from collections.abc import Mapping
from enum import Enum, auto
from typing import NamedTuple, Protocol

from unionfs.core.steps import At, Plan, Steps
from unionfs.core.store import Store
from unionfs.types import Kind, Stat


class Origin(NamedTuple):
    """Which lower file an upper one was copied from.

    `layer` counts from the lowest layer (0) up, so that layers put on top later do
    not change it; `ino` is the file's number in that layer's store; `handle` is what
    `Store.handle` gave, b"" where it gave nothing.
    """

    layer: int
    ino: int
    handle: bytes = b""


class Links(NamedTuple):
    """How many links more than its store says an indexed file has (overlayfs's ``nlink`` mark).

    `number` is added to the upper file's count, or with `of_lower` to the lower file's.
    """

    number: int
    of_lower: bool = False


class Marks(NamedTuple):
    """What an entry of a layer says about the layers beneath it.

    `redirect` is a path: with a leading slash from the root of the layers beneath,
    otherwise a sibling's name.
    """

    opaque: bool = False
    redirect: bytes | None = None
    metacopy: bool = False
    origin: Origin | None = None
    links: Links | None = None


NO_MARKS = Marks()


class Listing(NamedTuple):
    """A directory of one layer, marks taken out: what it shows and what it hides beneath."""

    entries: Mapping[bytes, Kind]
    whiteouts: frozenset[bytes]


class Feature(Enum):
    """Marks that not every dialect can write."""

    REDIRECT = auto()
    METACOPY = auto()
    ORIGIN = auto()


class Occupant(Enum):
    """What the upper layer holds under a name that something is about to be moved to."""

    NOTHING = auto()
    WHITEOUT = auto()
    ENTRY = auto()


class Dialect(Protocol):
    """One way to write marks down."""

    @property
    def name(self) -> str:
        """How people choose it: ``overlay``, ``aufs``, …"""

    @property
    def features(self) -> frozenset[Feature]: ...

    def can_mark(self, kind: Kind) -> bool:
        """Whether something of that kind can carry marks (user xattrs cannot be put on a symbolic link)."""

    # Reading: through the store, nothing is changed.

    def listing(self, store: Store, path: bytes) -> Listing: ...

    def marks(self, store: Store, path: bytes, stat: Stat) -> Marks:
        """The marks on an entry that `listing` shows."""

    def is_whiteout(self, store: Store, path: bytes) -> bool:
        """Whether the layer hides the name `path` (a look-up of one name, without a listing).

        The store may or may not have an entry of that very name; an entry that is
        there beside its whiteout is shown (whiteouts touch lower layers only).
        """

    def allows_name(self, name: bytes) -> bool:
        """False for names that would read back as a mark."""

    def allows_node(self, mode: int, rdev: int) -> bool:
        """False for a device that would read back as a mark."""

    def shown_xattr(self, stored: bytes) -> bytes | None:
        """The name under which a reader sees an xattr of the layer; None for a mark."""

    def stored_xattr(self, shown: bytes) -> bytes:
        """The name under which the layer keeps an xattr that a user sets (the inverse of `shown_xattr`)."""

    # Writing: pure functions from what shall be to steps.

    def mark(self, at: At, old: Marks, new: Marks) -> Steps:
        """Steps that turn the marks on an entry from `old` into `new`.

        Only features in `features`, and `opaque`, can be asked for; others raise ValueError.
        """

    def hide(self, path: bytes, temp: At) -> Plan:
        """A whiteout for `path`, where the upper layer holds nothing; `temp` is a free work name.

        Never asked for in an opaque directory: there is nothing to hide. (So for `leave_whiteout`.)
        """

    def move(
        self, source: At, target: At, kind: Kind, *, leave_whiteout: bool, onto: Occupant, temp: At
    ) -> Plan:
        """Move an entry of `kind`, as one change that is whole after any crash.

        `leave_whiteout` puts a whiteout where it was (in the upper tree only). `onto`
        tells what `target` holds; a whiteout there is taken away. An entry there is
        replaced as rename(2) replaces it (a directory must be truly empty). With the
        source in the work tree this publishes, with the target there it removes.
        """
