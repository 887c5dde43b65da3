"""Real mounts for tests: a hung one is killed, and none is left behind."""

from __future__ import annotations

import os
import pwd
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

from commandline import COMMAND

from unionfs.adapters.fuse import records
from unionfs.adapters.mountinfo import mounted_at
from unionfs.core.workdir import WHITEOUT

HANGS_AFTER = 60
"""Seconds until a mount is taken for hung. Killing its daemon ends every call that waits for it."""

NOBODY = pwd.getpwnam("nobody")


def unionfs(*arguments: str | Path) -> subprocess.CompletedProcess[str]:
    """Run the command line to its end."""
    return subprocess.run(
        [*COMMAND, *map(str, arguments)],
        capture_output=True,
        text=True,
        check=False,
        timeout=HANGS_AFTER,
    )


def as_nobody(*arguments: str | Path) -> subprocess.CompletedProcess[str]:
    """Run the command line as nobody, who may not be able to read this Python: it is loaded before."""
    script = f"""
import ctypes, glob, importlib, os, pkgutil, sys, fuse, unionfs.images
for module in pkgutil.iter_modules(unionfs.images.__path__, "unionfs.images."):
    importlib.import_module(module.name)
from unionfs.adapters.fuse import fusermount, inventory, mounting
from unionfs.cli import diff, main, mount, ps, target, umount
from unionfs.layers import memory
os.setgroups([]); os.setgid({NOBODY.pw_gid}); os.setuid({NOBODY.pw_uid})
ctypes.CDLL(None).prctl(4, 1)  # PR_SET_DUMPABLE, or /proc/self still belongs to root
sys.exit(main.main(sys.argv[1:]))
"""
    command = [sys.executable, "-c", script, *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, check=False, timeout=HANGS_AFTER)


def eventually(condition: Callable[[], bool]) -> None:
    """Wait for it, not for ever."""
    deadline = time.monotonic() + 30
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.01)


class Mount:
    """One union in a directory of its own: ``lower``, ``upper``, ``work``, and the mountpoint ``merged``.

    `transport` is a name of `unionfs.adapters.fuse.transports`.
    """

    def __init__(self, directory: Path, transport: str) -> None:
        self.transport = transport
        self.lower, self.upper = directory / "lower", directory / "upper"
        self.work, self.merged = directory / "work", directory / "merged"
        for path in (self.lower, self.upper, self.work, self.merged):
            path.mkdir()
        self.words = f"lowerdir={self.lower},upperdir={self.upper},workdir={self.work}"

    @property
    def kept_aside(self) -> list[str]:
        """What the work directory holds of files that no name leads to."""
        whiteout = WHITEOUT.rpartition(b"/")[2].decode()
        return [name for name in os.listdir(self.work / "work") if name != whiteout]

    @property
    def pid(self) -> int:
        record = records.find(str(self.merged))
        assert record is not None
        return record.pid

    def mount(self, *arguments: str) -> None:
        done = unionfs("mount", "--transport", self.transport, "-o", self.words, *arguments, self.merged)
        assert (done.returncode, done.stderr) == (0, "")

    def unmount(self) -> None:
        done = unionfs("umount", self.merged)
        assert (done.returncode, done.stderr) == (0, "")

    def kill(self) -> None:
        """End the daemon as a crash would."""
        record = records.find(str(self.merged))
        if record is not None:
            os.kill(record.pid, signal.SIGKILL)
            records.wait_until_gone(record)

    def discard(self) -> None:
        """Leave nothing mounted, whatever state it is in."""
        while mounted_at(str(self.merged)):
            subprocess.run(["umount", "-l", str(self.merged)], check=True)
        self.kill()
