"""The daemon's memory: what a file that the kernel knows costs, and that it comes back."""

from __future__ import annotations

import subprocess
import time
from pathlib import Path

import pytest
from mounts import Mount

from unionfs.adapters.fuse import transports

DIRECTORIES, FILES = 200, 300  # so many that the megabytes which single objects keep count for little
PER_FILE = 1000
"""Bytes that a file may cost while the kernel knows it; it is about 700."""


def resident(pid: int) -> int:
    """The memory that a process has, in bytes (proc(5), VmRSS)."""
    for line in Path(f"/proc/{pid}/status").read_text().splitlines():
        if line.startswith("VmRSS:"):
            return int(line.split()[1]) * 1024
    raise AssertionError


@pytest.mark.parametrize("prepared", [transports.NATIVE], indirect=True)
def test_a_walk_costs_little_and_comes_back_with_the_kernels_caches(prepared: Mount) -> None:
    for directory in range(DIRECTORIES):
        (prepared.lower / str(directory)).mkdir()
        for file in range(FILES):
            (prepared.lower / str(directory) / str(file)).touch()
    prepared.mount()
    before = resident(prepared.pid)
    for _ in range(2):
        subprocess.run(["find", prepared.merged, "-ls"], check=True, stdout=subprocess.DEVNULL)
        walked = resident(prepared.pid) - before
        assert walked < DIRECTORIES * FILES * PER_FILE
        deadline = time.monotonic() + 40
        while resident(prepared.pid) - before > walked * 0.5:
            assert time.monotonic() < deadline
            Path("/proc/sys/vm/drop_caches").write_text("2")  # which leaves what is in use at the moment
            time.sleep(0.5)
