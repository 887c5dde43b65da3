"""The work directory beside an upper layer, laid out as overlayfs does it.

``work/`` holds what is being built and what is removed but still open; it is emptied
when a union opens. ``index/`` holds one link to every upper copy of a lower file that
has several names, named after the lower file's handle in hexadecimal, so that each
of those names finds the one copy, also after a remount.
"""

from __future__ import annotations

import errno
from itertools import count

from unionfs.core.apply import discard
from unionfs.core.steps import At, work
from unionfs.core.store import WritableStore
from unionfs.types import Kind

WORK = b"work"
INDEX = b"index"
WHITEOUT = WORK + b"/#whiteout"
"""The first name of all whiteouts that are devices."""


class WorkDirectory:
    def __init__(self, store: WritableStore, *, inspect: bool) -> None:
        """With `inspect` somebody else is at work there, and nothing is touched."""
        self._numbers = count(1)
        if not inspect:
            _prepare(store)
        self._indexed = {name for name, _kind in _scan(store, INDEX)}

    def temp(self) -> At:
        """A name in the work tree that nothing has."""
        return work(b"%s/#%x" % (WORK, next(self._numbers)))

    def index(self, handle: bytes) -> At:
        """Where the copy of the lower file with this handle is linked."""
        return work(INDEX + b"/" + handle.hex().encode())

    def is_indexed(self, handle: bytes) -> bool:
        return handle.hex().encode() in self._indexed

    def has_index(self) -> bool:
        return bool(self._indexed)

    def add(self, at: At) -> None:
        """There is a copy at `at` now."""
        self._indexed.add(at.path.removeprefix(INDEX + b"/"))

    def is_shared(self, at: At) -> bool:
        """Whether names that the upper layer does not have lead to what is at `at`."""
        return at.path.removeprefix(INDEX + b"/") in self._indexed

    def drop(self, at: At) -> None:
        self._indexed.discard(at.path.removeprefix(INDEX + b"/"))


def _prepare(store: WritableStore) -> None:
    for name in (WORK, INDEX):
        try:
            store.mkdir(name, 0o700)
        except OSError as failure:
            if failure.errno != errno.EEXIST:
                raise
    for name, _kind in _scan(store, WORK):
        discard(store, WORK + b"/" + name)


def _scan(store: WritableStore, name: bytes) -> list[tuple[bytes, Kind]]:
    try:
        return list(store.scan(name))
    except FileNotFoundError:
        return []
