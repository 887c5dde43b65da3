"""System calls that Python does not offer by name, in the form in which checks use them.

The one module of the suite that may use ctypes and fcntl.
"""

from __future__ import annotations

import ctypes
import fcntl
import os
import select
import stat
import struct
from collections.abc import Mapping
from typing import NamedTuple

from unionfs.errors import error
from unionfs.layers.host import syscalls
from unionfs.types import RenameFlags

CHAR, BLOCK, FIFO, SOCKET, FILE = stat.S_IFCHR, stat.S_IFBLK, stat.S_IFIFO, stat.S_IFSOCK, stat.S_IFREG

_HERE = -100
"""AT_FDCWD"""
_SYMLINK_NOFOLLOW = 0x100
_SYMLINK_FOLLOW = 0x400

_libc = ctypes.CDLL(None, use_errno=True)


def _call(function: str, *arguments: object) -> int:
    result = int(_libc[function](*arguments))
    if result < 0:
        raise error(ctypes.get_errno())
    return result


# Names


def rename_with(flags: RenameFlags, old: str, new: str) -> None:
    """renameat2(2)"""
    syscalls.renameat2(_HERE, os.fsencode(old), _HERE, os.fsencode(new), flags)


def rename_noreplace(old: str, new: str) -> None:
    rename_with(RenameFlags.NOREPLACE, old, new)


def rename_exchange(old: str, new: str) -> None:
    rename_with(RenameFlags.EXCHANGE, old, new)


def link_descriptor(fd: int, new: str) -> None:
    """linkat(2) of an open file, by its name in /proc."""
    _call("linkat", _HERE, b"/proc/self/fd/%d" % fd, _HERE, os.fsencode(new), _SYMLINK_FOLLOW)


# Times

_UTIME_NOW = (1 << 30) - 1
_UTIME_OMIT = (1 << 30) - 2


class _Timespec(ctypes.Structure):
    _fields_ = (("seconds", ctypes.c_long), ("nanoseconds", ctypes.c_long))


NOW = -1
OMIT = -2


def set_times(path: str, atime_ns: int, mtime_ns: int, *, follow: bool = True) -> None:
    """utimensat(2); `NOW` and `OMIT` stand for its two special values."""
    times = (_Timespec * 2)(_timespec(atime_ns), _timespec(mtime_ns))
    _call("utimensat", _HERE, os.fsencode(path), times, 0 if follow else _SYMLINK_NOFOLLOW)


def _timespec(nanoseconds: int) -> _Timespec:
    special = {NOW: _UTIME_NOW, OMIT: _UTIME_OMIT}
    if nanoseconds in special:
        return _Timespec(0, special[nanoseconds])
    return _Timespec(*divmod(nanoseconds, 10**9))


# Data

KEEP_SIZE, PUNCH_HOLE, COLLAPSE_RANGE, ZERO_RANGE, INSERT_RANGE = 1, 2, 8, 16, 32


def fallocate(fd: int, mode: int, offset: int, length: int) -> None:
    syscalls.fallocate(fd, mode, offset, length)


# Locks


class Lock(NamedTuple):
    """struct flock: `kind` is one of `READ`, `WRITE`, `UNLOCK`."""

    kind: int
    start: int = 0
    length: int = 0
    pid: int = 0


READ, WRITE, UNLOCK = fcntl.F_RDLCK, fcntl.F_WRLCK, fcntl.F_UNLCK
_FLOCK = struct.Struct("=hhxxxxqqixxxx")
_OFD_GETLK, _OFD_SETLK = 36, 37


def posix_lock(fd: int, lock: Lock) -> None:
    """fcntl(2), F_SETLK"""
    fcntl.fcntl(fd, fcntl.F_SETLK, _packed(lock))


def posix_lock_in_the_way(fd: int, lock: Lock) -> Lock:
    """fcntl(2), F_GETLK"""
    return _unpacked(fcntl.fcntl(fd, fcntl.F_GETLK, _packed(lock)))


def ofd_lock(fd: int, lock: Lock) -> None:
    """fcntl(2), F_OFD_SETLK"""
    fcntl.fcntl(fd, _OFD_SETLK, _packed(lock))


def ofd_lock_in_the_way(fd: int, lock: Lock) -> Lock:
    return _unpacked(fcntl.fcntl(fd, _OFD_GETLK, _packed(lock)))


def _packed(lock: Lock) -> bytes:
    return _FLOCK.pack(lock.kind, os.SEEK_SET, lock.start, lock.length, lock.pid)


def _unpacked(data: bytes) -> Lock:
    kind, _, start, length, pid = _FLOCK.unpack(data)
    return Lock(kind, start, length, pid)


SHARED, EXCLUSIVE, FREE = fcntl.LOCK_SH, fcntl.LOCK_EX, fcntl.LOCK_UN


def flock(fd: int, operation: int) -> None:
    """flock(2), without waiting"""
    fcntl.flock(fd, operation | fcntl.LOCK_NB)


def set_lease(fd: int, kind: int) -> None:
    fcntl.fcntl(fd, fcntl.F_SETLEASE, kind)


def get_lease(fd: int) -> int:
    return fcntl.fcntl(fd, fcntl.F_GETLEASE)


def set_flags(fd: int, flags: int) -> None:
    """fcntl(2), F_SETFL"""
    fcntl.fcntl(fd, fcntl.F_SETFL, flags)


# Extended attributes

ACCESS_ACL = "system.posix_acl_access"
DEFAULT_ACL = "system.posix_acl_default"

_USER_OBJ, _USER, _GROUP_OBJ, _GROUP, _MASK, _OTHER = 1, 2, 4, 8, 16, 32
_NOBODY = 0xFFFF_FFFF


def acl(
    *,
    owner: int,
    group: int,
    other: int,
    users: Mapping[int, int] | None = None,
    groups: Mapping[int, int] | None = None,
    mask: int | None = None,
) -> bytes:
    """An ACL as its extended attribute holds it (linux, posix_acl_xattr.h)."""
    entries = [(_USER_OBJ, owner, _NOBODY)]
    entries += [(_USER, bits, uid) for uid, bits in sorted((users or {}).items())]
    entries += [(_GROUP_OBJ, group, _NOBODY)]
    entries += [(_GROUP, bits, gid) for gid, bits in sorted((groups or {}).items())]
    if mask is not None:
        entries.append((_MASK, mask, _NOBODY))
    entries.append((_OTHER, other, _NOBODY))
    return struct.pack("<I", 2) + b"".join(struct.pack("<HHI", *entry) for entry in entries)


CAPABILITY = "security.capability"
NET_RAW = struct.pack("<IIIII", 0x02000001, 1 << 13, 0, 0, 0)
"""cap_net_raw+ep (struct vfs_cap_data, revision 2)."""


# Events

CREATED, DELETED, MOVED_FROM, MOVED_TO = 0x100, 0x200, 0x40, 0x80
MODIFIED, ATTRIBUTES, CLOSED_WRITE, OPENED, DELETED_SELF = 0x2, 0x4, 0x8, 0x20, 0x400
_EVENT = struct.Struct("=iIII")


class Event(NamedTuple):
    mask: int
    name: str


class Watch:
    """inotify(7) of one file or directory."""

    def __init__(self, path: str, mask: int) -> None:
        self._fd = _call("inotify_init1", os.O_NONBLOCK | os.O_CLOEXEC)
        _call("inotify_add_watch", self._fd, os.fsencode(path), mask)

    def events(self, wait: float = 0.2) -> list[Event]:
        """What has happened; waits at most so many seconds for the first event."""
        found: list[Event] = []
        while select.select([self._fd], [], [], 0 if found else wait)[0]:
            data = os.read(self._fd, 1 << 16)
            while data:
                _, mask, _, length = _EVENT.unpack_from(data)
                name = data[_EVENT.size : _EVENT.size + length].rstrip(b"\0")
                found.append(Event(mask, os.fsdecode(name)))
                data = data[_EVENT.size + length :]
        return found

    def close(self) -> None:
        os.close(self._fd)


# Directories


class Directory:
    """A directory stream with telldir(3) and seekdir(3)."""

    def __init__(self, path: str) -> None:
        _libc.opendir.restype = ctypes.c_void_p
        self._stream = ctypes.c_void_p(_libc.opendir(os.fsencode(path)))
        if not self._stream:
            raise error(ctypes.get_errno())

    def read(self) -> tuple[str, int] | None:
        """The next name and its d_ino; None at the end."""
        _libc.readdir64.restype = ctypes.c_void_p
        entry = _libc.readdir64(self._stream)
        if not entry:
            return None
        ino = ctypes.c_uint64.from_address(entry).value
        return os.fsdecode(ctypes.string_at(entry + 19)), ino

    def names(self) -> list[str]:
        """The names up to the end, without ``.`` and ``..``."""
        found = []
        while (entry := self.read()) is not None:
            found.append(entry[0])
        return [name for name in found if name not in (".", "..")]

    def tell(self) -> int:
        _libc.telldir.restype = ctypes.c_long
        return int(_libc.telldir(self._stream))

    def seek(self, position: int) -> None:
        _libc.seekdir(self._stream, ctypes.c_long(position))

    def rewind(self) -> None:
        _libc.rewinddir(self._stream)

    def close(self) -> None:
        _libc.closedir(self._stream)


# Attributes

_STATX_BTIME = 0x800


def birth_time(path: str) -> int | None:
    """When a file was made, in nanoseconds, as statx(2) tells it; None where it does not."""
    buffer = ctypes.create_string_buffer(256)
    _call("statx", _HERE, os.fsencode(path), _SYMLINK_NOFOLLOW, 0xFFF, buffer)
    mask = struct.unpack_from("=I", buffer)[0]
    if not mask & _STATX_BTIME:
        return None
    seconds, nanoseconds = struct.unpack_from("=qI", buffer, 0x50)
    return int(seconds * 10**9 + nanoseconds)
