"""What a write, truncation or chown(2) leaves of a file's set-ID bits (inode(7))."""

from __future__ import annotations

import stat as _s

from unionfs.adapters.fuse.callers import is_member
from unionfs.types import Kind, Stat


def mode_left(stat: Stat, uid: int, gid: int, pid: int) -> int | None:
    """The mode (07777) after a change by a caller without CAP_FSETID; None where it takes nothing.

    Setgid without group execution stays for members of the group.
    """
    if stat.kind is Kind.DIR or not stat.mode & (_s.S_ISUID | _s.S_ISGID):
        return None
    kept = _s.S_IMODE(stat.mode) & ~_s.S_ISUID
    if stat.mode & _s.S_IXGRP or not is_member(uid, gid, pid, stat.gid):
        kept &= ~_s.S_ISGID
    return kept
