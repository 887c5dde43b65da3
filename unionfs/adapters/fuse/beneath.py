"""Watching the layers beneath a mount, in a thread of its own."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from unionfs.core.beneath import Changed
from unionfs.core.store import Store
from unionfs.core.union import Union
from unionfs.layers.host.inotify import Inotify

_log = logging.getLogger(__name__)


@contextmanager
def watched(union: Union, stores: list[Store], tell: Callable[[Changed], None]) -> Iterator[None]:
    """Notice what changes in these lower layers, and `tell` what that changes in the union."""
    if not stores:
        yield
        return
    watch = _begun(union, stores)
    if watch is None:
        yield
        return
    thread = threading.Thread(target=_notice, args=(union, watch, tell), name="unionfs-watch", daemon=True)
    thread.start()
    try:
        yield
    finally:
        watch.stop()
        thread.join()
        # The kernel takes 20 ms for it. Who has unmounted may want to unmount the layers next.
        threading.Thread(target=watch.close, name="unionfs-unwatch").start()


def _begun(union: Union, stores: list[Store]) -> Inotify | None:
    try:
        watch = Inotify(stores)
        try:
            union.watch(watch)
        except OSError:
            watch.close()
            raise
    except OSError as failure:
        _log.warning("changes of layers go unnoticed: %s", failure)
        return None
    return watch


def _notice(union: Union, watch: Inotify, tell: Callable[[Changed], None]) -> None:
    while (changed := watch.wait()) is not None:
        for place, names in changed.items():
            try:
                for change in union.changed(place, names):
                    tell(change)
            except Exception:  # noqa: BLE001 - one change that cannot be shown must not hide those after it
                _log.exception("a change in layer %d at %r is not shown", place.layer, place.path)
