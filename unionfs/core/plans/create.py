"""Deciding how to make new files, directories, symbolic links, devices and hard links."""

from __future__ import annotations

import stat as _s

from unionfs.core.dialect import NO_MARKS, Dialect, Marks, Occupant
from unionfs.core.steps import (
    At,
    Link,
    MakeDir,
    MakeFile,
    MakeNode,
    MakeSymlink,
    Plan,
    SetMode,
    SetOwner,
    Step,
    Steps,
    upper,
)
from unionfs.types import Kind, Owner, Stat, kind_of


def inherit(parent: Stat, mode: int, owner: Owner) -> tuple[int, Owner]:
    """Mode and owner of something new: a setgid directory hands on its group, and to directories the bit."""
    if not parent.mode & _s.S_ISGID:
        return mode, owner
    if _s.S_ISDIR(mode):
        mode |= _s.S_ISGID
    return mode, owner._replace(gid=parent.gid)


def new(
    path: bytes,
    mode: int,
    owner: Owner,
    *,
    rdev: int = 0,
    target: bytes = b"",
    natural: bool,
    over_whiteout: bool,
    opaque: bool,
    dialect: Dialect,
    temp: At,
    spare: At,
) -> Plan:
    """Make something new at `path`. `mode` includes the format bits.

    `natural` says that the store gives new files this owner by itself. Then nothing
    has to be built aside, and the one step that makes the file also publishes it.
    `opaque` keeps a new directory from merging with what the lowers have of its name.
    """
    if natural and not over_whiteout:
        return Plan(commit=(_make(upper(path), mode, rdev, target),))
    kind = kind_of(mode)
    marks = Marks(opaque=opaque and kind is Kind.DIR)
    build = _owned(temp, mode, owner, rdev, target) + dialect.mark(temp, NO_MARKS, marks)
    onto = Occupant.WHITEOUT if over_whiteout else Occupant.NOTHING
    move = dialect.move(temp, upper(path), kind, leave_whiteout=False, onto=onto, temp=spare)
    return Plan(build=build) + move


def unnamed(at: At, mode: int, owner: Owner) -> Plan:
    """Make a regular file in the work tree, which nothing shows yet."""
    return Plan(build=_owned(at, mode, owner))


def _owned(at: At, mode: int, owner: Owner, rdev: int = 0, target: bytes = b"") -> Steps:
    made = (_make(at, mode, rdev, target), SetOwner(at, *owner))
    if mode & (_s.S_ISUID | _s.S_ISGID):
        return (*made, SetMode(at, _s.S_IMODE(mode)))  # chown has dropped these bits
    return made


def _make(at: At, mode: int, rdev: int, target: bytes) -> Step:
    match kind_of(mode):
        case Kind.FILE:
            return MakeFile(at, _s.S_IMODE(mode))
        case Kind.DIR:
            return MakeDir(at, _s.S_IMODE(mode))
        case Kind.SYMLINK:
            return MakeSymlink(at, target)
        case _:
            return MakeNode(at, mode, rdev)


def link(
    source: At, path: bytes, *, over_whiteout: bool, kind: Kind, dialect: Dialect, temp: At, spare: At
) -> Plan:
    """A further name for a file that is in the upper layer."""
    if not over_whiteout:
        return Plan(commit=(Link(source, upper(path)),))
    move = dialect.move(temp, upper(path), kind, leave_whiteout=False, onto=Occupant.WHITEOUT, temp=spare)
    return Plan(build=(Link(source, temp),)) + move
