"""How far a long step has come, on one line of a terminal."""

from __future__ import annotations

import sys
import time

_EVERY = 0.1
"""Seconds between two lines, each of which takes the place of the one before."""
_LABEL = 19
"""Characters of a digest that tell it from others."""


class Line:
    """A `Progress` that prints to stderr where somebody sees it. Nothing of it stays."""

    def __init__(self) -> None:
        self._shown = sys.stderr.isatty()
        self._next = time.monotonic() + _EVERY

    def __call__(self, label: str, done: int, total: int) -> None:
        now = time.monotonic()
        if not self._shown or now < self._next:
            return
        self._next = now + _EVERY
        percent = 100 * done // total if total else 100
        self._print(f"{label[:_LABEL]} {percent:3}% of {total / 1e6:.1f} MB")

    def clear(self) -> None:
        if self._shown:
            self._print("")

    def _print(self, text: str) -> None:
        print(f"\r\x1b[K{text}", end="", file=sys.stderr, flush=True)
