"""Noticing when directories of this host change (inotify(7)).

What it cannot see: writes through mmap(2), and changes made by another machine to a network
file system.
"""

from __future__ import annotations

import errno
import logging
import os
import select
import struct
from collections.abc import Collection, Iterator, Mapping

from unionfs.core.beneath import Names
from unionfs.core.places import Place
from unionfs.core.store import Store
from unionfs.layers.host import syscalls
from unionfs.layers.host.store import HostStore

_log = logging.getLogger(__name__)

_MODIFY, _ATTRIB = 0x2, 0x4
_MOVED_FROM, _MOVED_TO, _CREATE, _DELETE = 0x40, 0x80, 0x100, 0x200
_ONLYDIR = 0x1000000
_MASK = _MODIFY | _ATTRIB | _MOVED_FROM | _MOVED_TO | _CREATE | _DELETE | _ONLYDIR
_OVERFLOW = 0x4000
_IGNORED = 0x8000

_EVENT = struct.Struct("=iIII")
_ROOM = 64 << 10
"""Bytes of events read at a time."""


class Inotify:
    """Watches directories of host stores, those of `stores` and no others.

    One thread calls `wait`; `add` and `remove` are for any.
    """

    def __init__(self, stores: Collection[Store]) -> None:
        """`OSError` where no more can be had (EMFILE: see inotify(7), max_user_instances)."""
        self._stores = [store for store in stores if isinstance(store, HostStore)]
        self._fd = syscalls.inotify_init()
        self._end, self._ending = os.pipe2(os.O_CLOEXEC)
        self._places: dict[int, Place] = {}
        self._numbers: dict[Place, int] = {}
        self._is_full = False

    def add(self, store: Store, place: Place) -> None:
        if self._is_full or place in self._numbers or store not in self._stores:
            return
        assert isinstance(store, HostStore)
        try:
            directory = store.directory(place.path)
            number = syscalls.inotify_add(self._fd, b"/proc/self/fd/%d" % directory.fd, _MASK)
        except OSError as failure:
            if failure.errno == errno.ENOSPC:
                _log.warning("fs.inotify.max_user_watches is reached: further changes of layers go unnoticed")
                self._is_full = True
            return  # a directory that cannot be opened cannot be read either, which will be said then
        self._places[number] = place
        self._numbers[place] = number

    def remove(self, place: Place) -> None:
        number = self._numbers.pop(place, None)
        if number is not None:
            del self._places[number]
            syscalls.inotify_remove(self._fd, number)

    def wait(self) -> Mapping[Place, Names] | None:
        """What has changed since; waits until something has. None after `stop`."""
        ready = select.poll()
        ready.register(self._fd, select.POLLIN)
        ready.register(self._end, select.POLLHUP)
        if any(fd == self._end for fd, _ in ready.poll()):
            return None
        return self._by_place(os.read(self._fd, _ROOM))

    def _by_place(self, events: bytes) -> Mapping[Place, Names]:
        changed: dict[Place, set[bytes]] = {}
        for number, mask, name in _parse(events):
            if mask & _OVERFLOW:
                return dict.fromkeys(self._numbers)
            place = self._places.get(number)
            if place is not None and not mask & _IGNORED:
                changed.setdefault(place, set()).add(name)
        return changed

    def stop(self) -> None:
        """End `wait`, now and from now on."""
        os.close(self._ending)

    def close(self) -> None:
        os.close(self._fd)
        os.close(self._end)


def _parse(events: bytes) -> Iterator[tuple[int, int, bytes]]:
    """The watch, what happened, and to which name."""
    position = 0
    while position < len(events):
        number, mask, _, length = _EVENT.unpack_from(events, position)
        position += _EVENT.size
        yield number, mask, events[position : position + length].rstrip(b"\0")
        position += length
