"""Mounting, also where a killed daemon has left something on the mountpoint."""

from __future__ import annotations

import logging
import os
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, nullcontext
from functools import partial

from unionfs.adapters import stack
from unionfs.adapters.fuse import daemon, device, records, transports
from unionfs.adapters.fuse.detaching import detach
from unionfs.adapters.fuse.unmounting import is_stale, unmount
from unionfs.adapters.fuse.volumes import attach
from unionfs.adapters.mountinfo import is_unionfs_at
from unionfs.adapters.options import Options
from unionfs.adapters.volumes import Volume
from unionfs.core.layer import Layer
from unionfs.errors import ConfigError, UnionError

_PREDECESSOR_SECONDS = 10
"""A mount that is out of sight, but not gone, is served for longer; then its upper is in use."""


def mount(
    mountpoint: str,
    options: Options,
    *,
    image: str | None = None,
    image_layers: Sequence[Layer] = (),
    volumes: Sequence[Volume] = (),
    unpacked: bool = False,
    transport: str = transports.AUTO,
    foreground: bool = False,
) -> None:
    """Mount the union that `options` describe, above the layers of an image (`unpacked` or not) if given.

    With `remount` in the options, what is mounted there takes their mount flags, and that is all.
    `volumes` are mounted on it then. Returns once that is done, or with `foreground` once it has
    been unmounted. `ConfigError` for what does not fit together, before anything is changed;
    `UnionError` where mounting itself fails.
    """
    mountpoint, options = os.path.realpath(mountpoint), stack.absolute(options)
    if options.remount:
        _remount(mountpoint, options)
        return
    if volumes and foreground:
        raise ConfigError("volumes are mounted by who returns: not in the foreground")
    _recover(mountpoint)
    _check_free(mountpoint)
    _await_predecessor(options)
    stack.check(options, mountpoint, image_layers)
    serve_union = transports.choose(transport)

    def serve(ready: Callable[[], None]) -> None:
        record = records.Record(mountpoint, options, image, os.getpid(), unpacked, tuple(volumes))
        # The record outlives the union: who waits for it finds everything on disk and unlocked.
        opened = stack.opened(
            options, image_layers, adopt_root=image is not None, progress=partial(records.report_left, record)
        )
        told = records.reporting_failure(record)
        with records.published(record), told, opened as union, _guarded(mountpoint):
            serve_union(union, mountpoint, options, ready)

    if options.debug:
        logging.getLogger().setLevel(logging.DEBUG)
    if foreground or options.debug:
        daemon.in_foreground(serve)
    else:
        daemon.in_background(serve, records.runtime_directory())
        os.lstat(mountpoint)  # waits until the daemon answers
        try:
            attach(mountpoint, volumes)
        except BaseException:
            unmount(mountpoint)
            raise


def _remount(mountpoint: str, options: Options) -> None:
    if not is_unionfs_at(mountpoint):
        raise UnionError(f"{mountpoint}: not a unionfs mount")
    device.remount(mountpoint, options.mount_words)


def _guarded(mountpoint: str) -> AbstractContextManager[None]:
    if os.geteuid() == 0:
        return nullcontext()
    from unionfs.adapters.fuse import fusermount

    return fusermount.guarded(mountpoint)


def _recover(mountpoint: str) -> None:
    """Take away what a killed daemon left on a mountpoint."""
    while is_stale(mountpoint) and is_unionfs_at(mountpoint):
        detach(mountpoint, lazy=True)


def _check_free(mountpoint: str) -> None:
    if is_unionfs_at(mountpoint):
        raise UnionError(f"mountpoint={mountpoint}: already a unionfs mount")


def _await_predecessor(options: Options) -> None:
    """Wait for a daemon that is still putting the same upper on disk: umount(8) does not."""
    if options.upper is None:
        return
    for record in records.living():
        if record.options.upper == options.upper and not is_unionfs_at(record.mountpoint):
            records.wait_until_gone(record, _PREDECESSOR_SECONDS)
