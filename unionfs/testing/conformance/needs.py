"""What a check needs of the machine, the caller or the file system; what is missing is told."""

from __future__ import annotations

import errno
import os
import tempfile
from collections.abc import Callable
from enum import Enum

from unionfs.testing.conformance import calls
from unionfs.testing.conformance.caller import OTHER, USER


class Need(Enum):
    ROOT = "the caller is not root over other users"
    FIRST_NAMESPACE = "the caller is not in the first user namespace"
    DEVICES = "no devices can be made or opened here"
    TRUSTED = "no trusted.* extended attributes"
    ACLS = "no POSIX ACLs"
    TMPFILE = "no O_TMPFILE"
    EXEC = "mounted noexec"
    SET_ID = "mounted nosuid"
    REMOUNT = "not told how to mount anew (--remount)"
    SPACE = "too little space"
    PUNCH = "no holes can be punched"
    CAPABILITIES = "no file capabilities"


Missing = dict[Need, str]
"""What is missing here, and what was seen when it was tried."""


def missing(mountpoint: str, *, can_remount: bool) -> Missing:
    """Try what checks may need, in a directory of its own at `mountpoint`."""
    found: Missing = {}
    if not can_remount:
        found[Need.REMOUNT] = Need.REMOUNT.value
    with open("/proc/self/uid_map") as ids:
        if ids.read().split() != ["0", "0", "4294967295"]:
            found[Need.FIRST_NAMESPACE] = Need.FIRST_NAMESPACE.value
    with tempfile.TemporaryDirectory(prefix=".needs-", dir=mountpoint) as scratch:
        for need, probe in _PROBES.items():
            try:
                probe(scratch)
            except OSError as failure:
                found[need] = f"{need.value} ({errno.errorcode.get(failure.errno or 0, failure.errno)})"
    return found


def _file(scratch: str) -> str:
    path = os.path.join(scratch, "probed")
    with open(path, "ab"):
        return path


def _act_as_others(scratch: str) -> None:
    for other in (USER, OTHER):  # in a user namespace they may not be mapped
        other.run(os.stat, "/")


def _make_device(scratch: str) -> None:
    path = os.path.join(scratch, "null")
    os.mknod(path, calls.CHAR | 0o666, os.makedev(1, 3))
    os.close(os.open(path, os.O_RDWR))


def _set_trusted(scratch: str) -> None:
    os.setxattr(_file(scratch), "trusted.probe", b"1")


def _set_capability(scratch: str) -> None:
    os.setxattr(_file(scratch), calls.CAPABILITY, calls.NET_RAW)


def _set_acl(scratch: str) -> None:
    os.setxattr(_file(scratch), calls.ACCESS_ACL, calls.acl(owner=6, group=4, other=4, users={1: 4}, mask=4))


def _open_unnamed(scratch: str) -> None:
    os.close(os.open(scratch, os.O_TMPFILE | os.O_RDWR, 0o600))


def _check_flag(flag: int, number: int) -> Callable[[str], None]:
    def probe(scratch: str) -> None:
        if os.statvfs(scratch).f_flag & flag:
            raise OSError(number, os.strerror(number))

    return probe


def _punch(scratch: str) -> None:
    fd = os.open(_file(scratch), os.O_RDWR)
    try:
        os.write(fd, bytes(8192))
        calls.fallocate(fd, calls.PUNCH_HOLE | calls.KEEP_SIZE, 0, 4096)
    finally:
        os.close(fd)


def _have_space(scratch: str) -> None:
    stat = os.statvfs(scratch)
    if stat.f_bavail * stat.f_frsize < 256 << 20:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


_PROBES: dict[Need, Callable[[str], None]] = {
    Need.ROOT: _act_as_others,
    Need.DEVICES: _make_device,
    Need.TRUSTED: _set_trusted,
    Need.CAPABILITIES: _set_capability,
    Need.ACLS: _set_acl,
    Need.TMPFILE: _open_unnamed,
    Need.EXEC: _check_flag(os.ST_NOEXEC, errno.EACCES),
    Need.SET_ID: _check_flag(os.ST_NOSUID, errno.EPERM),
    Need.PUNCH: _punch,
    Need.SPACE: _have_space,
}
