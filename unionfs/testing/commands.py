"""The command language: what can be done to a tree, as data.

A history is a list of commands. Commands name files by path and open files by
slot (a small number), so the same history can be run on any tree, printed, kept
in a file and shrunk. `Outcome` is what every interpreter answers.
"""

from __future__ import annotations

import errno as _errno
from typing import NamedTuple

from unionfs.types import RenameFlags, XattrFlags


class Create(NamedTuple):
    """A new, empty regular file (O_CREAT | O_EXCL)."""

    path: bytes
    mode: int = 0o644


class Write(NamedTuple):
    path: bytes
    data: bytes
    offset: int = 0


class MapWrite(NamedTuple):
    """Through a shared mapping (mmap(2)); what would come to lie past the end is left out."""

    path: bytes
    data: bytes
    offset: int = 0


class Truncate(NamedTuple):
    path: bytes
    size: int


class MakeDir(NamedTuple):
    path: bytes
    mode: int = 0o755


class RemoveDir(NamedTuple):
    path: bytes


class Unlink(NamedTuple):
    path: bytes


class MakeSymlink(NamedTuple):
    path: bytes
    target: bytes


class Link(NamedTuple):
    path: bytes
    new: bytes


class MakeNode(NamedTuple):
    """A fifo, socket or device; `mode` includes the format bits."""

    path: bytes
    mode: int
    rdev: int = 0


class Rename(NamedTuple):
    path: bytes
    new: bytes
    flags: RenameFlags = RenameFlags.NONE


class SetMode(NamedTuple):
    path: bytes
    mode: int


class SetOwner(NamedTuple):
    path: bytes
    uid: int
    gid: int


class SetTimes(NamedTuple):
    path: bytes
    atime_ns: int
    mtime_ns: int


class SetXattr(NamedTuple):
    path: bytes
    name: bytes
    value: bytes
    flags: XattrFlags = XattrFlags.NONE


class RemoveXattr(NamedTuple):
    path: bytes
    name: bytes


class ListDir(NamedTuple):
    path: bytes


class GetStat(NamedTuple):
    path: bytes


class ReadLink(NamedTuple):
    path: bytes


class Open(NamedTuple):
    """Open a regular file into a slot; what the slot held is closed first."""

    slot: int
    path: bytes
    writable: bool = False


class HandleRead(NamedTuple):
    slot: int
    size: int
    offset: int = 0


class HandleWrite(NamedTuple):
    slot: int
    data: bytes
    offset: int = 0


class HandleTruncate(NamedTuple):
    slot: int
    size: int


class HandleStat(NamedTuple):
    slot: int


class HandleClose(NamedTuple):
    slot: int


class Remount(NamedTuple):
    """Close every slot, unmount, mount the same layers again."""


class Crash(NamedTuple):
    """Kill whoever serves the tree, and mount the same layers again: all that had returned is there."""


Command = (
    Create
    | Write
    | MapWrite
    | Truncate
    | MakeDir
    | RemoveDir
    | Unlink
    | MakeSymlink
    | Link
    | MakeNode
    | Rename
    | SetMode
    | SetOwner
    | SetTimes
    | SetXattr
    | RemoveXattr
    | ListDir
    | GetStat
    | ReadLink
    | Open
    | HandleRead
    | HandleWrite
    | HandleTruncate
    | HandleStat
    | HandleClose
    | Remount
    | Crash
)

History = list[Command]


class Outcome(NamedTuple):
    """What a command gave: a value, or the errno it failed with (then `errno` is not 0)."""

    value: object = None
    errno: int = 0

    def __str__(self) -> str:
        return _errno.errorcode[self.errno] if self.errno else f"ok {self.value!r}"
