"""A peer's mount for the time of one measurement, gone afterwards whatever happened in it.

This process adopts the daemons that mount commands leave behind (PR_SET_CHILD_SUBREAPER,
prctl(2)), so that it can wait for their end, which would otherwise fall into the next
measurement, and kill those that do not end. They are then the only children it has.
"""

from __future__ import annotations

import os
import signal
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

from unionfs.adapters.mountinfo import mounted_at
from unionfs.bench.peers import Mounting, Stack
from unionfs.layers.host import syscalls

PATIENCE = 60
"""Seconds that a command or a daemon has to come to its end."""

_BUSY_TRIES = 5


class MountError(Exception):
    """A peer did not mount; the text is what it said."""


def adopt_daemons() -> None:
    """To be called once, before anything is mounted."""
    syscalls.adopt_orphans()


class Mounted(NamedTuple):
    seconds: float
    """From the mount command's start until the root was listed."""
    daemons: tuple[int, ...]


@contextmanager
def mounted(peer: Mounting, stack: Stack) -> Iterator[Mounted]:
    """`stack` as `peer` shows it. `MountError` if it does not."""
    try:
        start = time.perf_counter()
        _run(peer.command(stack), stack.directory)
        os.listdir(stack.mountpoint)
        taken = time.perf_counter() - start
        if not os.path.ismount(stack.mountpoint):
            raise MountError("nothing is mounted")
        yield Mounted(taken, tuple(_children()))
    finally:
        with uninterrupted():
            _clear(str(stack.mountpoint))


def _run(command: list[str], directory: Path) -> None:
    with tempfile.TemporaryFile("w+") as said:  # not a pipe, which a daemon might keep open
        done = subprocess.run(
            command,
            cwd=directory,
            stdin=subprocess.DEVNULL,
            stdout=said,
            stderr=said,
            timeout=PATIENCE,
            start_new_session=True,  # Ctrl-C is for this process, which cleans up
        )
        if done.returncode:
            said.seek(0)
            raise MountError(said.read().strip() or f"{command[0]} ended with status {done.returncode}")


@contextmanager
def uninterrupted() -> Iterator[None]:
    """A signal that ends the run waits until the end of this."""
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT, signal.SIGTERM})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def _clear(mountpoint: str) -> None:
    try:
        if mounted_at(mountpoint):
            _unmount(mountpoint)
        _await_daemons()
    finally:
        _kill_daemons()
        while mounted_at(mountpoint):
            subprocess.run([*_UNMOUNT_LAZILY, mountpoint], timeout=PATIENCE, check=True)


def _unmount(mountpoint: str) -> None:
    """Who looks at every mount of the machine may keep it busy for a moment, a daemon that hangs for ever."""
    for _ in range(_BUSY_TRIES):
        try:
            subprocess.run([*_UNMOUNT, mountpoint], stderr=subprocess.PIPE, timeout=PATIENCE, check=True)
        except subprocess.TimeoutExpired:
            return
        except subprocess.CalledProcessError:
            time.sleep(0.1)
        else:
            return


_UNMOUNT = ["umount"] if os.geteuid() == 0 else ["fusermount3", "-u"]
_UNMOUNT_LAZILY = [*_UNMOUNT, "-l" if os.geteuid() == 0 else "-z"]


def _await_daemons() -> None:
    deadline = time.monotonic() + PATIENCE
    while _children() and time.monotonic() < deadline:
        time.sleep(0.002)


def _kill_daemons() -> None:
    pids = _children()
    for pid in pids:
        os.kill(pid, signal.SIGKILL)
    for pid in pids:  # a client may not end before the daemon that it waits for
        os.waitpid(pid, 0)


def _children() -> list[int]:
    """Those alive; the dead ones are reaped."""
    try:
        while os.waitpid(-1, os.WNOHANG) != (0, 0):
            pass
    except ChildProcessError:
        return []
    with open("/proc/thread-self/children") as pids:
        return [int(pid) for pid in pids.read().split()]
