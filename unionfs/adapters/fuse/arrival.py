"""Waiting for the next request: awake for a moment after one has come, asleep otherwise.

Whoever uses a mount asks one thing after another, and the next question follows an answer
within microseconds. A thread that has gone to sleep by then has to be woken, on a core that
has gone to sleep too: on a virtual machine that takes longer than all the rest of a request
(docs/performance.md).
"""

from __future__ import annotations

import os
import select
from time import perf_counter

AWAKE = 100e-6
"""Seconds that a wait goes on without sleep, if the one before was no longer."""


class Arrival:
    """Waits for a descriptor to be readable."""

    def __init__(self, fd: int) -> None:
        self._poll = select.poll()
        self._poll.register(fd, select.POLLIN)
        self._since = 0.0
        """When the wait began; 0 where nobody waits."""
        self._is_lively = False

    def came(self) -> None:
        """A request has been read."""
        self._since = 0.0

    def wait(self) -> None:
        """There was nothing to read. Returns when there is, or when it is time to look again."""
        now = perf_counter()
        if not self._since:
            self._since = now
        if self._is_lively and now < self._since + AWAKE:
            os.sched_yield()  # who is to ask next may need this very core
            return
        self._poll.poll()
        self._is_lively = perf_counter() < self._since + AWAKE
