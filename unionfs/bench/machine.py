"""Where and when a run was made."""

from __future__ import annotations

import os
import platform
import sys
from datetime import UTC, datetime
from pathlib import Path


def description(directory: Path) -> dict[str, object]:
    """For the results' JSON. `directory` is where the layers lie."""
    return {
        "date": datetime.now(UTC).isoformat(timespec="seconds"),
        "kernel": platform.release(),
        "cpu": _cpu(),
        "cpus": len(os.sched_getaffinity(0)),
        "memory_mib": os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE") >> 20,
        "load": os.getloadavg(),
        "filesystem": _file_system(directory),
        "python": sys.version.split()[0],
    }


def _cpu() -> str:
    with open("/proc/cpuinfo") as facts:
        named = [line.partition(":")[2].strip() for line in facts if line.startswith("model name")]
    return named[0] if named else platform.machine()


def _file_system(directory: Path) -> str:
    """The type of the file system that `directory` is on."""
    number = os.stat(directory).st_dev
    device = f"{os.major(number)}:{os.minor(number)}"
    with open("/proc/self/mountinfo") as table:
        rows = [line.split() for line in table]
    return next((row[row.index("-") + 1] for row in rows if row[2] == device), "unknown")
