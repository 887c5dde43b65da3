"""The transport of our own: no libfuse, requests straight from /dev/fuse."""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Callable
from types import FrameType

from unionfs.adapters.fuse import detaching
from unionfs.adapters.fuse.beneath import watched
from unionfs.adapters.fuse.device import PATH, Device, mount
from unionfs.adapters.fuse.dispatch import Dispatcher
from unionfs.adapters.fuse.memory import collect_seldom
from unionfs.adapters.fuse.protocol import InitFlags
from unionfs.adapters.fuse.readahead import widen
from unionfs.adapters.fuse.session import MAX_REQUEST, Session
from unionfs.adapters.options import Options
from unionfs.adapters.stack import watchable
from unionfs.core.union import Union

_ENDING = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP)


def is_possible() -> bool:
    """Whether there is a /dev/fuse that this process, or fusermount on its behalf, can open."""
    return os.access(PATH, os.F_OK)


def serve(union: Union, mountpoint: str, options: Options, ready: Callable[[], None]) -> None:
    """Mount `union` and answer until it is unmounted, or until SIGTERM, SIGINT or SIGHUP unmounts it.

    `ready` is called once the kernel has begun to talk to us. `UnionError` says why mounting failed.
    """
    privileged = os.geteuid() == 0
    device = Device(
        mount(
            mountpoint,
            source=options.fsname or "unionfs",
            subtype="unionfs",
            words=options.mount_words,
            read_only=union.upper is None,
            allow_other=privileged or options.allow_other,
            context=options.context,
        ),
        MAX_REQUEST,
    )
    _unmount_on_signals(mountpoint)
    collect_seldom()
    dispatcher = Dispatcher(union)
    unwanted = InitFlags.POSIX_ACL if options.noacl else InitFlags(0)

    def begun() -> None:
        widen(mountpoint)
        ready()

    try:
        with watched(union, watchable(union, options), dispatcher.tell):
            Session(device, dispatcher, begun, unwanted=unwanted).serve()
    finally:
        device.close()


def _unmount_on_signals(mountpoint: str) -> None:
    """Unmount from a thread: unmounting may ask the file system, which is served by the one interrupted.

    Files that are open can be finished. A second signal ends the process at once.
    """

    def unmount(signum: int, frame: FrameType | None) -> None:
        for number in _ENDING:
            signal.signal(number, signal.SIG_DFL)
        threading.Thread(target=detaching.detach, args=(mountpoint,), kwargs={"lazy": True}).start()

    for number in _ENDING:
        signal.signal(number, unmount)
