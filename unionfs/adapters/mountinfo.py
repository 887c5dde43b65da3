"""The kernel's table of mounts, /proc/self/mountinfo (proc_pid_mountinfo(5))."""

from __future__ import annotations

import os
import re
from typing import NamedTuple

UNIONFS = "fuse.unionfs"
"""The type of this project's mounts."""

_ESCAPE = re.compile(rb"\\([0-7]{3})")


class MountInfo(NamedTuple):
    """One mount. `device` is ``major:minor``; `options` are those of the file system, not of the mount."""

    device: str
    mountpoint: str
    type: str
    source: str
    options: str

    @property
    def is_unionfs(self) -> bool:
        return self.type == UNIONFS

    def option(self, name: str) -> str | None:
        """The value of the option `name`, None where it is not there."""
        for word in self.options.split(","):
            key, equals, value = word.partition("=")
            if key == name and equals:
                return _plain(value)
        return None


def mounts() -> list[MountInfo]:
    """All mounts of this process's namespace; of those on one mountpoint the last is on top."""
    with open("/proc/self/mountinfo", "rb") as table:
        return [_parse(os.fsdecode(line)) for line in table]


def mounted_at(mountpoint: str) -> MountInfo | None:
    """What is mounted on `mountpoint` (an absolute path without symbolic links), the top-most of it."""
    found = [mount for mount in mounts() if mount.mountpoint == mountpoint]
    return found[-1] if found else None


def is_unionfs_at(mountpoint: str) -> bool:
    """Whether what `mounted_at` finds there is a mount of this project's."""
    mounted = mounted_at(mountpoint)
    return mounted is not None and mounted.is_unionfs


def _parse(line: str) -> MountInfo:
    fields = line.rstrip("\n").split(" ")
    separator = fields.index("-")
    kind, source, options = fields[separator + 1 :]
    return MountInfo(fields[2], _plain(fields[4]), kind, _plain(source), options)


def _plain(text: str) -> str:
    """Undo the kernel's octal escapes."""
    decoded = _ESCAPE.sub(lambda match: bytes([int(match[1], 8)]), os.fsencode(text))
    return os.fsdecode(decoded)
