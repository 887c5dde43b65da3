"""What can be done to an upper layer: the steps of a plan.

A plan is data. The deciding functions (`copyup`, `remove`, `rename`, `create`,
`attrs`) make plans, `apply` runs them, tests compare and print them.
"""

from __future__ import annotations

from enum import Enum
from typing import NamedTuple

from unionfs.types import FlagsForm, RenameFlags, XattrFlags


class Tree(Enum):
    """The two trees of an upper layer: what is shown, and where things are built aside."""

    UPPER = "upper"
    WORK = "work"

    # There is one object of each; the hash of Enum is a call of Python, and one is made a step.
    __hash__ = object.__hash__


class At(NamedTuple):
    """A place in one of the upper layer's trees."""

    tree: Tree
    path: bytes


def upper(path: bytes) -> At:
    return At(Tree.UPPER, path)


def work(path: bytes) -> At:
    return At(Tree.WORK, path)


class MakeFile(NamedTuple):
    at: At
    mode: int


class MakeDir(NamedTuple):
    at: At
    mode: int


class MakeNode(NamedTuple):
    """A device, fifo or socket; `mode` includes the format bits."""

    at: At
    mode: int
    rdev: int = 0


class MakeWhiteout(NamedTuple):
    """A 0:0 character device. All of them may be one file."""

    at: At


class MakeSymlink(NamedTuple):
    at: At
    target: bytes


class Link(NamedTuple):
    """A second name for a file; what it is made from stays."""

    source: At
    at: At


class SetMode(NamedTuple):
    at: At
    mode: int


class SetOwner(NamedTuple):
    at: At
    uid: int
    gid: int


class SetTimes(NamedTuple):
    at: At
    atime_ns: int
    mtime_ns: int


class SetSize(NamedTuple):
    at: At
    size: int


class SetXattr(NamedTuple):
    at: At
    name: bytes
    value: bytes
    flags: XattrFlags = XattrFlags.NONE


class RemoveXattr(NamedTuple):
    at: At
    name: bytes


class SetFlags(NamedTuple):
    """The flags of chattr(1)."""

    at: At
    form: FlagsForm
    value: bytes


class Move(NamedTuple):
    """rename(2), the step that publishes. EXCHANGE and WHITEOUT as in renameat2(2)."""

    source: At
    at: At
    flags: RenameFlags = RenameFlags.NONE


class Remove(NamedTuple):
    """unlink(2)."""

    at: At


class RemoveDir(NamedTuple):
    """rmdir(2) of a directory that holds nothing, not even marks."""

    at: At


class Discard(NamedTuple):
    """Remove something that nobody sees, with everything below it; where nothing is, that is all right."""

    at: At


Step = (
    MakeFile
    | MakeDir
    | MakeNode
    | MakeWhiteout
    | MakeSymlink
    | Link
    | SetMode
    | SetOwner
    | SetTimes
    | SetSize
    | SetXattr
    | RemoveXattr
    | SetFlags
    | Move
    | Remove
    | RemoveDir
    | Discard
)

Steps = tuple[Step, ...]


class Plan(NamedTuple):
    """Steps in three phases.

    `build` makes things that no reader sees yet: when it fails, all of it is undone.
    `commit` makes the change visible; it is one step wherever one is enough.
    `tidy` clears away what is left over; its failure changes nothing that a reader
    sees, so it is not the caller's error.
    """

    build: Steps = ()
    commit: Steps = ()
    tidy: Steps = ()

    def __add__(self, other: Plan) -> Plan:  # type: ignore[override]
        return Plan(self.build + other.build, self.commit + other.commit, self.tidy + other.tidy)
