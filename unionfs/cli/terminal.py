"""What is known of the terminal that something is printed to."""

from __future__ import annotations

import os
from typing import TextIO

_USUAL = 80


def columns(stream: TextIO | None) -> int:
    """How wide it is: as ``$COLUMNS`` says, or the terminal itself; 80 where there is none.

    (shutil's function of this kind takes 3 ms to import, which every command would wait for.)
    """
    said = os.environ.get("COLUMNS", "")
    if said.isascii() and said.isdecimal() and int(said):
        return int(said)
    if stream is None:
        return _USUAL
    try:
        return os.get_terminal_size(stream.fileno()).columns or _USUAL
    except (OSError, ValueError):
        return _USUAL


def can_rewrite(stream: TextIO | None) -> bool:
    """Whether somebody watches, on a terminal on which a line can be written over."""
    return stream is not None and stream.isatty() and os.environ.get("TERM") != "dumb"
