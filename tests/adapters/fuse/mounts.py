"""Real mounts for tests: a hung one is killed, and none is left behind."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

from unionfs.adapters.fuse import records
from unionfs.adapters.mountinfo import mounted_at
from unionfs.core.workdir import WHITEOUT

HANGS_AFTER = 60
"""Seconds until a mount is taken for hung. Killing its daemon ends every call that waits for it."""

COMMAND = (sys.executable, "-m", "unionfs.cli")


def unionfs(*arguments: str | Path) -> subprocess.CompletedProcess[str]:
    """Run the command line to its end."""
    return subprocess.run(
        [*COMMAND, *map(str, arguments)],
        capture_output=True,
        text=True,
        check=False,
        timeout=HANGS_AFTER,
    )


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
