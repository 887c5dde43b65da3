"""Deciding how to make new files, directories, symbolic links, devices and hard links."""

from __future__ import annotations

import stat as _s
from typing import NamedTuple

from unionfs.core import acl
from unionfs.core.acl import Acl
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
    SetXattr,
    Step,
    Steps,
    upper,
)
from unionfs.types import Kind, Owner, Stat, kind_of


class Traits(NamedTuple):
    """Whose something new is, and who may do what with it; `mode` includes the format bits."""

    mode: int
    owner: Owner
    access: Acl = ()
    default: Acl = ()


def inherit(parent: Stat, default: Acl, mode: int, umask: int, owner: Owner) -> Traits:
    """What something new takes over from its directory, whose default ACL is `default`.

    A setgid directory hands on its group, and to directories the bit. A default ACL takes the
    umask's place (acl(5)), and goes on to directories too.
    """
    if parent.mode & _s.S_ISGID:
        owner = owner._replace(gid=parent.gid)
        if _s.S_ISDIR(mode):
            mode |= _s.S_ISGID
    if _s.S_ISLNK(mode):
        return Traits(mode, owner)
    if not default:
        return Traits(mode & ~(umask & 0o777), owner)
    mode, access = acl.inherit(default, mode)
    return Traits(mode, owner, access, default if _s.S_ISDIR(mode) else ())


def new(
    path: bytes,
    traits: Traits,
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
    """Make something new at `path`.

    `natural` says that the store gives new files this owner by itself. Then nothing
    has to be built aside, if there is no ACL to be set either: the one step that makes
    the file also publishes it.
    `opaque` keeps a new directory from merging with what the lowers have of its name.
    """
    if natural and not over_whiteout and not traits.access and not traits.default:
        return Plan(commit=(_make(upper(path), traits.mode, rdev, target),))
    kind = kind_of(traits.mode)
    marks = Marks(opaque=opaque and kind is Kind.DIR)
    build = _owned(temp, traits, rdev, target) + dialect.mark(temp, NO_MARKS, marks)
    onto = Occupant.WHITEOUT if over_whiteout else Occupant.NOTHING
    move = dialect.move(temp, upper(path), kind, leave_whiteout=False, onto=onto, temp=spare)
    return Plan(build=build) + move


def unnamed(at: At, traits: Traits) -> Plan:
    """Make a regular file in the work tree, which nothing shows yet."""
    return Plan(build=_owned(at, traits))


def _owned(at: At, traits: Traits, rdev: int = 0, target: bytes = b"") -> Steps:
    mode, owner, access, default = traits
    steps: list[Step] = [_make(at, mode, rdev, target), SetOwner(at, *owner)]
    if access:
        steps.append(SetXattr(at, acl.ACCESS, acl.serialise(access)))
    if default:
        steps.append(SetXattr(at, acl.DEFAULT, acl.serialise(default)))
    if mode & (_s.S_ISUID | _s.S_ISGID):
        steps.append(SetMode(at, _s.S_IMODE(mode)))  # chown has dropped these bits
    return tuple(steps)


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
