"""renameat2(2) between two directories of one file system, by the rules of Linux (fs/namei.c)."""

from __future__ import annotations

import errno
import stat

from unionfs.errors import error
from unionfs.layers.memory.inode import Directory, Inode
from unionfs.types import RenameFlags


def rename(old_dir: Directory, old: bytes, new_dir: Directory, new: bytes, flags: RenameFlags) -> None:
    exchange = RenameFlags.EXCHANGE in flags
    if exchange and flags & (RenameFlags.NOREPLACE | RenameFlags.WHITEOUT):
        raise error(errno.EINVAL)
    source, target = old_dir.child(old), new_dir.entries.get(new)
    if exchange and target is None:
        raise error(errno.ENOENT)
    if RenameFlags.NOREPLACE in flags and target is not None:
        raise error(errno.EEXIST)
    if new_dir.is_within(source):
        raise error(errno.EINVAL)
    if old_dir.is_within(target):
        raise error(errno.EINVAL if exchange else errno.ENOTEMPTY)
    if source is target:
        return
    if exchange:
        _exchange(old_dir, old, new_dir, new)
    else:
        _replace(old_dir, old, new_dir, new)
        if RenameFlags.WHITEOUT in flags:
            old_dir.attach(old, Inode(old_dir.fs, stat.S_IFCHR, rdev=0))


def _exchange(old_dir: Directory, old: bytes, new_dir: Directory, new: bytes) -> None:
    source, target = old_dir.detach(old), new_dir.detach(new)
    old_dir.attach(old, target)
    new_dir.attach(new, source)


def _replace(old_dir: Directory, old: bytes, new_dir: Directory, new: bytes) -> None:
    if (target := new_dir.entries.get(new)) is not None:
        _check_replaceable(old_dir.entries[old], target)
        new_dir.detach(new)
    new_dir.attach(new, old_dir.detach(old))


def _check_replaceable(source: Inode, target: Inode) -> None:
    if isinstance(source, Directory) and not isinstance(target, Directory):
        raise error(errno.ENOTDIR)
    if isinstance(target, Directory) and not isinstance(source, Directory):
        raise error(errno.EISDIR)
    if isinstance(target, Directory) and target.entries:
        raise error(errno.ENOTEMPTY)
