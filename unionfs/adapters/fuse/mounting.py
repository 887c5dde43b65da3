"""Mounting, unmounting, and what to do about a mountpoint whose daemon was killed."""

from __future__ import annotations

import errno
import os
from collections.abc import Callable, Sequence
from functools import partial

from unionfs.adapters import stack
from unionfs.adapters.fuse import daemon, records, transports
from unionfs.adapters.fuse.detaching import detach
from unionfs.adapters.mountinfo import MountInfo, mounted_at
from unionfs.adapters.options import Options
from unionfs.core.layer import Layer
from unionfs.errors import UnionError

TYPE = "fuse.unionfs"


def mount(
    mountpoint: str,
    options: Options,
    *,
    image: str | None = None,
    image_layers: Sequence[Layer] = (),
    transport: str = transports.AUTO,
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
    serve_union = transports.choose(transport)

    def serve(ready: Callable[[], None]) -> None:
        record = records.Record(mountpoint, options, image, os.getpid())
        # The record outlives the union: who waits for it finds everything on disk and unlocked.
        opened = stack.opened(
            options, image_layers, adopt_root=image is not None, progress=partial(records.report_left, record)
        )
        with records.published(record), records.reporting_failure(record), opened as union:
            serve_union(union, mountpoint, options, ready)

    if foreground:
        daemon.in_foreground(serve)
    else:
        daemon.in_background(serve, records.runtime_directory())
        os.lstat(mountpoint)  # waits until the daemon answers


def unmount(mountpoint: str, *, lazy: bool = False, progress: Callable[[int], None] | None = None) -> None:
    """Unmount, and return once the daemon has finished; with `lazy` at once, even where files are open.

    `progress` is told how many bytes the daemon still has to copy. `UnionError` where
    nothing of ours is mounted, something in it is in use, or a file could not be completed.
    """
    mountpoint = os.path.realpath(mountpoint)
    mounted = mounted_at(mountpoint)
    if not _is_ours(mounted):
        raise UnionError(f"{mountpoint}: not a unionfs mount")
    record = records.find(mountpoint)
    detach(mountpoint, lazy=lazy or _is_stale(mountpoint))
    if record is not None and not lazy:
        records.wait_until_gone(record, progress)
        _check_complete(record)


def _check_complete(record: records.Record) -> None:
    failure = records.take_failure(record)
    if failure is not None:
        raise UnionError(f"{record.mountpoint}: {failure}; the next mount goes on with what is unfinished")


def _recover(mountpoint: str) -> None:
    """Take away what a killed daemon left on a mountpoint."""
    while _is_stale(mountpoint) and _is_ours(mounted_at(mountpoint)):
        detach(mountpoint, lazy=True)


def _check_free(mountpoint: str) -> None:
    if _is_ours(mounted_at(mountpoint)):
        raise UnionError(f"mountpoint={mountpoint}: already a unionfs mount")


def _is_stale(mountpoint: str) -> bool:
    try:
        os.statvfs(mountpoint)  # what the kernel never answers by itself
    except OSError as failure:
        return failure.errno == errno.ENOTCONN
    return False


def _is_ours(mounted: MountInfo | None) -> bool:
    return mounted is not None and mounted.type == TYPE
