"""A peer's mount for the time of one measurement, gone afterwards whatever happened in it.

This process adopts the daemons that mount commands leave behind (PR_SET_CHILD_SUBREAPER),
so that it can wait for their end, which would otherwise fall into the next measurement,
and kill those that do not end. They are the only children it has then.
"""

from __future__ import annotations

import ctypes
import errno
import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager

from benchmarks.peers import Peer, Stack

PATIENCE = 60
"""Seconds for a command or a daemon to come to its end."""

_PR_SET_CHILD_SUBREAPER = 36
_TRIES = 5


def adopt_daemons() -> None:
    """To be called once, before anything is mounted."""
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.prctl(_PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0):
        raise OSError(ctypes.get_errno(), "prctl")


@contextmanager
def mounted(peer: Peer, stack: Stack) -> Iterator[float]:
    """Mount, and say how many seconds it took until the root was listed."""
    try:
        start = time.perf_counter()
        _run(peer.command(stack), stack)
        os.listdir(stack.mountpoint)
        yield time.perf_counter() - start
    finally:
        try:
            _unmount(str(stack.mountpoint))
        finally:
            _see_daemons_end()


def _run(command: list[str], stack: Stack) -> None:
    # Not through a pipe: a daemon may keep it open.
    with tempfile.TemporaryFile("w+") as said:
        subprocess.run(
            command, cwd=stack.directory, stdout=said, stderr=said, timeout=PATIENCE, check=False
        ).check_returncode() if False else None
