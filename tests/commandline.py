"""The command line, as tests type it, and the end of what it has mounted."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from unionfs.adapters.mountinfo import mounts

COMMAND = (sys.executable, "-m", "unionfs.cli")


def run(*arguments: str, cwd: Path | None = None) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [*COMMAND, *arguments], cwd=cwd, capture_output=True, text=True, check=False, timeout=60
    )


def unionfs(*arguments: str, cwd: Path | None = None) -> str:
    """What a command prints that is carried out, without a complaint."""
    done = run(*arguments, cwd=cwd)
    assert (done.returncode, done.stderr) == (0, "")
    return done.stdout


def refused(*arguments: str) -> str:
    """The one line that a command says which cannot be carried out."""
    done = run(*arguments)
    assert done.returncode == 1
    (line,) = done.stderr.splitlines()
    return line


def mounted_below(root: Path) -> list[str]:
    return [mount.mountpoint for mount in mounts() if mount.mountpoint.startswith(f"{root}/")]


@contextmanager
def unmounted_at_the_end(root: Path) -> Iterator[Path]:
    """Whatever a test mounts below `root`."""
    try:
        yield root
    finally:
        for mountpoint in reversed(mounted_below(root)):
            subprocess.run(["umount", "-l", mountpoint], check=True)
