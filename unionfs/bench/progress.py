"""What a run is doing, on stderr, for as long as somebody watches."""

from __future__ import annotations

import shutil
import sys
from typing import Self


class Progress:
    """One line that is written over, and gone at the end of a ``with``.

    Nothing at all is shown where stderr is no terminal, or to those who want it `quiet`.
    """

    def __init__(self, *, quiet: bool = False) -> None:
        self._shown = sys.stderr.isatty() and not quiet

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *failure: object) -> None:
        self.clear()

    def show(self, doing: str) -> None:
        if self._shown:
            width = shutil.get_terminal_size().columns - 1
            print(f"\r\x1b[K{doing[:width]}", end="", file=sys.stderr, flush=True)

    def clear(self) -> None:
        """Make room for results."""
        self.show("")
