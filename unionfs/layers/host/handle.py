"""File handles in the form in which overlayfs stores where a copy came from."""

from __future__ import annotations

import errno
import os
import struct
import sys

from unionfs.layers.host import syscalls

# struct ovl_fb (linux, fs/overlayfs/overlayfs.h): version, magic, len, flags, type, uuid, fid.
_HEAD = struct.Struct("BBBBB16s")
_VERSION = 0
_MAGIC = 0xFB
_BIG_ENDIAN = 1

NO_UUID = bytes(16)

_NO_HANDLE = {errno.EOPNOTSUPP, errno.ENOSYS, errno.EOVERFLOW}


def overlay_handle(dir_fd: int, name: bytes, uuid: bytes) -> bytes | None:
    """What overlayfs writes in an `origin` xattr for this file; None where its file system has no handles."""
    try:
        kind, fid = syscalls.name_to_handle(dir_fd, name)
    except OSError as failure:
        if failure.errno in _NO_HANDLE:
            return None
        raise
    flags = _BIG_ENDIAN if sys.byteorder == "big" else 0
    return _HEAD.pack(_VERSION, _MAGIC, _HEAD.size + len(fid), flags, kind, uuid) + fid


def find_by_handle(dir_fd: int, handle: bytes, uuid: bytes) -> tuple[int, int] | None:
    """Device and inode number of the file with a handle of `overlay_handle`; None where it is not here."""
    if len(handle) <= _HEAD.size:
        return None
    version, magic, _size, _flags, kind, of = _HEAD.unpack_from(handle)
    if (version, magic, of) != (_VERSION, _MAGIC, uuid):
        return None
    try:
        mount_fd = os.open(".", os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC, dir_fd=dir_fd)
    except OSError:
        return None
    try:
        fd = syscalls.open_by_handle(mount_fd, kind, handle[_HEAD.size :])
    except OSError:
        return None  # it is gone, or we are not privileged
    finally:
        os.close(mount_fd)
    try:
        stat = os.fstat(fd)
    finally:
        os.close(fd)
    return stat.st_dev, stat.st_ino


def uuid_of(dir_fd: int) -> bytes:
    """The UUID of a directory's file system, as handles hold it: zeros where it tells none."""
    try:
        fd = os.open(".", os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC, dir_fd=dir_fd)
    except OSError:
        return NO_UUID
    try:
        return syscalls.filesystem_uuid(fd)
    except OSError:
        return NO_UUID
    finally:
        os.close(fd)
