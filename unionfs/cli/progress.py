"""How far a long step has come, on one line of a terminal."""

from __future__ import annotations

import sys
import time
from typing import Self

from unionfs.cli.sizes import SHORT
from unionfs.cli.terminal import can_rewrite, columns

_EVERY = 0.1
"""Seconds between two lines, each of which takes the place of the one before."""


class Line:
    """A `Progress` that prints to stderr where somebody sees it, and wants to. It goes with its ``with``."""

    def __init__(self, *, quiet: bool = False) -> None:
        self._shown = can_rewrite(sys.stderr) and not quiet
        self._next = time.monotonic() + _EVERY

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *failure: object) -> None:
        self.clear()

    def __call__(self, label: str, done: int, total: int) -> None:
        if self._is_time():
            percent = 100 * done // total if total else 100
            self._print(f"{label[:SHORT]} {percent:3}% of {total / 1e6:.1f} MB")

    def left(self, size: int) -> None:
        """So many bytes are still to be copied."""
        if self._is_time():
            self._print(f"copying: {size / 1e6:,.0f} MB left")

    def show(self, doing: str) -> None:
        """What is done from now on, until something else is."""
        if self._shown:
            self._print(doing)

    def clear(self) -> None:
        """Make room for results."""
        self.show("")

    def _is_time(self) -> bool:
        now = time.monotonic()
        if not self._shown or now < self._next:
            return False
        self._next = now + _EVERY
        return True

    def _print(self, text: str) -> None:
        print(f"\r\x1b[K{text[: columns(sys.stderr) - 1]}", end="", file=sys.stderr, flush=True)
