"""Reading directories that will be asked for next, while nobody asks for anything.

Who walks a tree lists one directory after another. Between two requests the daemon has
nothing to do, and whoever walks is busy with what it was given: so the directory behind
the one that is listed is read from its layers then.
"""

from __future__ import annotations

from unionfs.core.node import Node
from unionfs.core.union import Union


class Foresight:
    """For the thread that answers requests."""

    def __init__(self, union: Union) -> None:
        self._union = union
        self._listed: Node | None = None
        self._foreseen: Node | None = None

    def listing(self, directory: Node) -> None:
        """A directory is about to be listed from its beginning."""
        if directory.table is None or directory is self._foreseen:
            self._listed = directory

    def use_time(self) -> bool:
        """Do what there is to do; False if that is nothing."""
        if self._listed is None:
            return False
        self._foreseen = self._union.following(self._listed)
        self._listed = None
        if self._foreseen is None or self._foreseen.table is not None:
            return False
        if not self._union.is_at_hand(self._foreseen, b""):
            return False
        try:
            self._union.readdir(self._foreseen, limit=0)
        except OSError:
            pass  # who asks for it will be told
        return True
