"""File systems to run the conformance suite on, each over the layers that its checks are given."""

from __future__ import annotations

import os
import shlex
import signal
import subprocess
import sys
from pathlib import Path

from unionfs.adapters.fuse import records
from unionfs.adapters.mountinfo import mounted_at

PLAIN, KERNEL, NATIVE, FUSEPY = "plain", "kernel", "native", "fusepy"

_SUITE = (sys.executable, "-m", "unionfs.testing")
_UNIONFS = (sys.executable, "-m", "unionfs.cli")
_LONGEST = 900
"""Seconds until a run is taken for hung."""


class Stand:
    """One mounted file system below `directory`."""

    def __init__(self, kind: str, directory: Path) -> None:
        self.kind = kind
        self.mountpoint = directory / "merged"
        for name in ("upper", "work", "merged"):
            (directory / name).mkdir()
        if kind == PLAIN:
            self._run(*_SUITE, "--prepare", self.mountpoint, "--flat")
            return
        self._run(*_SUITE, "--prepare", directory)
        lowers = ":".join(str(directory / name) for name in ("lower0", "lower1"))
        self._words = f"lowerdir={lowers},upperdir={directory / 'upper'},workdir={directory / 'work'}"
        self._run(*self._mounting())

    def check(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        """Run the suite; a file system that hangs is killed."""
        departures = ("--departures", self.kind) if self.kind == FUSEPY else ()
        try:
            return subprocess.run(
                [*_SUITE, self.mountpoint, "--remount", self._remounting(), *departures, *arguments],
                capture_output=True,
                text=True,
                check=False,
                timeout=_LONGEST,
            )
        except subprocess.TimeoutExpired:
            self._kill()
            raise

    def close(self) -> None:
        while mounted_at(str(self.mountpoint)):
            subprocess.run(["umount", "--lazy", self.mountpoint], check=True)

    def _mounting(self) -> tuple[str, ...]:
        if self.kind == KERNEL:
            words = f"{self._words},index=on,redirect_dir=on,metacopy=on,xino=on"
            return ("mount", "-t", "overlay", "-o", words, "overlay", str(self.mountpoint))
        return (*_UNIONFS, "mount", "--transport", self.kind, "-o", self._words, str(self.mountpoint))

    def _remounting(self) -> str:
        if self.kind == PLAIN:
            return "true"
        unmounting = ("umount",) if self.kind == KERNEL else (*_UNIONFS, "umount")
        return f"{shlex.join((*unmounting, str(self.mountpoint)))} && {shlex.join(self._mounting())}"

    def _run(self, *command: str | Path) -> None:
        subprocess.run(command, check=True, timeout=_LONGEST, stdout=subprocess.DEVNULL)

    def _kill(self) -> None:
        record = records.find(str(self.mountpoint))
        if record is not None:
            os.kill(record.pid, signal.SIGKILL)
