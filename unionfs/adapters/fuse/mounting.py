"""Mounting, unmounting, and what to do about a mountpoint whose daemon was killed."""

from __future__ import annotations

import ctypes
import errno
import os
import shutil
import subprocess
from collections.abc import Callable, Sequence

from unionfs.adapters import stack
from unionfs.adapters.fuse import daemon, portable, records
from unionfs.adapters.mountinfo import MountInfo, mounted_at
from unionfs.adapters.options import Options
from unionfs.core.layer import Layer
from unionfs.errors import UnionError

TYPE = "fuse.unionfs"

_MNT_DETACH = 2
_UMOUNT_PROGRAMS = ("fusermount3", "fusermount")


def mount(
    mountpoint: str,
    options: Options,
    *,
    image: str | None = None,
    image_layers: Sequence[Layer] = (),
    foreground: bool = False,
) -> None:
    """Mount the union that `options` describe, above the layers of an image if one is given.

    Returns once the mount answers, or with `foreground` once it has been unmounted.
    `ConfigError` for what does not fit together, before anything is changed; `UnionError`
    where mounting itself fails.
    """
    mountpoint, options = os.path.realpath(mountpoint), stack.absolute(options)
    _recover(mountpoint)
    _check_free(mountpoint)
    stack.check(options, mountpoint, image_layers)
    library = portable.library()

    def serve(ready: Callable[[], None]) -> None:
        record = records.Record(mountpoint, options, image, os.getpid())
        # The record outlives the union: who waits for it finds everything on disk and unlocked.
        with records.published(record), stack.opened(options, image_layers) as union:
            portable.serve(library, union, mountpoint, options, ready)

    if foreground:
        daemon.in_foreground(serve)
    else:
        daemon.in_background(serve, records.runtime_directory())
        os.lstat(mountpoint)  # waits until the daemon answers


def unmount(mountpoint: str, *, lazy: bool = False) -> None:
    """Unmount, and return once the daemon has finished; with `lazy` at once, even where files are open.

    `UnionError` where nothing of ours is mounted, or something in it is in use.
    """
    mountpoint = os.path.realpath(mountpoint)
    mounted = mounted_at(mountpoint)
    if not _is_ours(mounted):
        raise UnionError(f"{mountpoint}: not a unionfs mount")
    record = records.find(mountpoint)
    _detach(mountpoint, lazy=lazy or _is_stale(mountpoint))
    if record is not None and not lazy:
        records.wait_until_gone(record)


def _recover(mountpoint: str) -> None:
    """Take away what a killed daemon left on a mountpoint."""
    while _is_stale(mountpoint) and _is_ours(mounted_at(mountpoint)):
        _detach(mountpoint, lazy=True)


def _check_free(mountpoint: str) -> None:
    if _is_ours(mounted_at(mountpoint)):
        raise UnionError(f"mountpoint={mountpoint}: already a unionfs mount")


def _is_stale(mountpoint: str) -> bool:
    try:
        os.lstat(mountpoint)
    except OSError as failure:
        return failure.errno == errno.ENOTCONN
    return False


def _is_ours(mounted: MountInfo | None) -> bool:
    return mounted is not None and mounted.type == TYPE


def _detach(mountpoint: str, *, lazy: bool) -> None:
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
