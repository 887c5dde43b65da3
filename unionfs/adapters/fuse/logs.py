"""Where a daemon writes what it has to say; apart, for who only looks for daemons is none."""

from __future__ import annotations

import os
from contextlib import suppress


def log_path(logs: str, pid: int) -> str:
    return os.path.join(logs, f"{pid}.log")


def drop_empty(log: str) -> None:
    """Remove the log of a daemon that has ended, if it says nothing."""
    with suppress(FileNotFoundError):
        if not os.path.getsize(log):
            os.unlink(log)
