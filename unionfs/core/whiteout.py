"""Whiteouts that are devices: one file with as many names as it takes, as overlayfs has it.

A further name costs a file system a quarter of what a new inode does.
"""

from __future__ import annotations

import errno
import stat as _s

from unionfs.core.store import WritableStore

_NO_MORE_LINKS = (errno.EMLINK, errno.EPERM, errno.ENOENT)
"""There are too many, the file system has none, or somebody has emptied the work directory."""


class WhiteoutDevice:
    """Makes whiteouts; the union's lock is held."""

    def __init__(self, work: WritableStore, path: bytes) -> None:
        """The first name is `path` in `work`, which is on the file system of every tree used."""
        self._work = work
        self._path = path
        self._is_made = False

    def make(self, tree: WritableStore, path: bytes) -> None:
        """A 0:0 character device at `path`; EEXIST where the name is taken."""
        if not self._is_made:
            _make(self._work, self._path)
            self._is_made = True
        try:
            self._work.link(self._path, tree, path)
        except OSError as failure:
            if failure.errno not in _NO_MORE_LINKS:
                raise
            self.drop()
            _make(tree, path)

    def drop(self) -> None:
        """Take the first name away, and begin anew the next time."""
        if not self._is_made:
            return
        self._is_made = False
        try:
            self._work.unlink(self._path)
        except FileNotFoundError:
            pass


def _make(store: WritableStore, path: bytes) -> None:
    store.mknod(path, _s.S_IFCHR, 0)
