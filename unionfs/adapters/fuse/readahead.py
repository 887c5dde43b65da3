"""How far the kernel reads ahead of who reads a file from its beginning to its end.

INIT cannot ask for more than 128 KiB, the kernel's default; root can, by mount.
"""

from __future__ import annotations

import os

from unionfs.adapters.mountinfo import mounted_at

KIBIBYTES = 512
"""A quarter of the requests; more of it saves nothing, and costs who reads a mapped file here and there."""


def widen(mountpoint: str) -> None:
    """Have more read ahead in the mount on `mountpoint`, where we may (``/sys/class/bdi``)."""
    if os.geteuid() != 0:
        return
    mounted = mounted_at(mountpoint)
    if mounted is None:
        return
    try:
        with open(f"/sys/class/bdi/{mounted.device}/read_ahead_kb", "w") as setting:
            setting.write(str(KIBIBYTES))
    except OSError:  # in a container or user namespace
        pass
