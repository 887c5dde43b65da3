"""Taking a mount away: umount2(2) as root, fusermount3 otherwise."""

from __future__ import annotations

import ctypes
import os

from unionfs.errors import UnionError

_MNT_DETACH = 2


def detach(mountpoint: str, *, lazy: bool) -> None:
    """Unmount; with `lazy` even where it is in use. `UnionError` says why it failed."""
    if os.geteuid() == 0:
        _umount2(mountpoint, _MNT_DETACH if lazy else 0)
    else:
        from unionfs.adapters.fuse import fusermount

        fusermount.unmount(mountpoint, lazy=lazy)


def _umount2(mountpoint: str, flags: int) -> None:
    """umount2(2)"""
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.umount2(os.fsencode(mountpoint), flags):
        raise UnionError(f"{mountpoint}: {os.strerror(ctypes.get_errno())}")
