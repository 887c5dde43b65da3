"""Unmounting; apart from mounting, which loads the whole union."""

from __future__ import annotations

import errno
import os
from collections.abc import Callable

from unionfs.adapters.fuse import records
from unionfs.adapters.fuse.detaching import detach
from unionfs.adapters.fuse.volumes import detach as detach_volumes
from unionfs.adapters.mountinfo import is_unionfs_at
from unionfs.errors import UnionError


def unmount(mountpoint: str, *, lazy: bool = False, progress: Callable[[int], None] | None = None) -> None:
    """Unmount, and return once the daemon has finished; with `lazy` at once, even where files are open.

    `progress` is told how many bytes the daemon still has to copy. `UnionError` where
    nothing of ours is mounted, something in it is in use, or a file could not be completed.
    """
    mountpoint = os.path.realpath(mountpoint)
    if not is_unionfs_at(mountpoint):
        raise UnionError(f"{mountpoint}: not a unionfs mount")
    record = records.find(mountpoint)
    if record is not None:
        detach_volumes(mountpoint, record.volumes)
    detach(mountpoint, lazy=lazy or is_stale(mountpoint))
    if record is not None and not lazy:
        records.wait_until_gone(record, progress=progress)
        _check_complete(record)


def _check_complete(record: records.Record) -> None:
    failure = records.take_failure(record)
    if failure is not None:
        raise UnionError(f"{record.mountpoint}: {failure}; the next mount goes on with what is unfinished")


def is_stale(mountpoint: str) -> bool:
    """Whether the daemon of what is mounted there is dead."""
    try:
        os.statvfs(mountpoint)  # the kernel would answer lstat(2) from what it remembers of the dead
    except OSError as failure:
        return failure.errno == errno.ENOTCONN
    return False
