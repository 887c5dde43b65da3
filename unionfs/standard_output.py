"""Standard output of a command, which may go away before the command ends: ``| head``, a full disk."""

from __future__ import annotations

import os
import sys


def flush() -> None:
    if sys.stdout is not None:  # as for a service that has none
        sys.stdout.flush()


def drop_unwritten() -> None:
    """Where what was printed cannot be written, drop it: Python would try again, and complain, at its end."""
    try:
        flush()
    except OSError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
