"""Which files of a union are unfinished, and how they are to be finished."""

from __future__ import annotations

from collections.abc import Callable
from threading import Condition, RLock, Thread

from unionfs.core.journal import Entry
from unionfs.core.node import Node
from unionfs.types import CopyUp

Background = Callable[[Callable[[], None]], None]
"""Runs its argument in a thread of its own."""


def in_thread(work: Callable[[], None]) -> None:
    """A thread that a process does not wait for at its end: the journal has what is left."""
    Thread(target=work, name="unionfs-completion", daemon=True).start()


class Pending:
    """The unfinished files of one union; all of it changes under the union's lock.

    `copying` are files whose data is coming, in the order in which they began, and from when
    on (`time.monotonic`) the background may be at it. `failing` are those that failed there.
    `unsettled` have all their data, which may not be on stable storage yet, so that they
    are still marked as if it were missing. `failures` is what nobody has been told of yet.
    """

    def __init__(self, lock: RLock, mode: CopyUp, *, background: Background | None) -> None:
        self.mode = mode
        self.background = background
        self.changed = Condition(lock)
        self.copying: dict[Node, float] = {}
        self.failing: set[Node] = set()
        self.unsettled: dict[Node, Entry] = {}
        self.failures: dict[Node, OSError] = {}
        self.settle_at = 0.0
        self.settle_latest = 0.0
        self.is_working = False
        self.is_closing = False
        self.cannot_share: set[int] = set()

    def holds(self, node: Node) -> bool:
        return node in self.copying or node in self.unsettled
