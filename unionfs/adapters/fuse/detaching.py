"""Taking a mount away: umount2(2) as root, fusermount3 otherwise."""

from __future__ import annotations

import ctypes
import os
import shutil
import subprocess

from unionfs.errors import UnionError

_MNT_DETACH = 2
_UMOUNT_PROGRAMS = ("fusermount3", "fusermount")


def detach(mountpoint: str, *, lazy: bool) -> None:
    """Unmount; with `lazy` even where it is in use. `UnionError` says why it failed."""
    if os.geteuid() == 0:
        _umount2(mountpoint, _MNT_DETACH if lazy else 0)
    else:
        _fusermount(mountpoint, lazy=lazy)


def _umount2(mountpoint: str, flags: int) -> None:
    """umount2(2)"""
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.umount2(os.fsencode(mountpoint), flags):
        raise UnionError(f"{mountpoint}: {os.strerror(ctypes.get_errno())}")


def _fusermount(mountpoint: str, *, lazy: bool) -> None:
    program = next(filter(None, map(shutil.which, _UMOUNT_PROGRAMS)), None)
    if program is None:
        raise UnionError(f"{mountpoint}: neither {' nor '.join(_UMOUNT_PROGRAMS)} is installed")
    command = [program, "-u", *(["-z"] if lazy else []), "--", mountpoint]
    done = subprocess.run(command, check=False, capture_output=True, text=True)
    if done.returncode:
        raise UnionError(f"{mountpoint}: {done.stderr.strip()}")
