"""System calls that Python does not offer: the only place here that uses ctypes and ioctl.

Every function raises `OSError` without a file name.
"""

from __future__ import annotations

import ctypes
import errno
import fcntl
import os
from ctypes import c_char_p, c_int, c_int64, c_long, c_size_t, c_uint, c_ulong, c_void_p
from functools import cache
from struct import Struct
from typing import Any

from unionfs.errors import error
from unionfs.types import FlagsForm, RenameFlags

_libc = ctypes.CDLL(None, use_errno=True)


def _declare(name: str, result: Any, *arguments: Any) -> Any:
    # Subscription gives a new function object each time, so syscall(2) can be declared in several ways.
    function = _libc[name]
    function.restype, function.argtypes = result, arguments
    return function


def _call(function: Any, *arguments: Any) -> int:
    while (result := function(*arguments)) < 0:
        if (number := ctypes.get_errno()) != errno.EINTR:
            raise error(number)
    return int(result)


_openat2 = _declare("syscall", c_long, c_long, c_int, c_char_p, c_void_p, c_size_t)
_renameat2 = _declare("renameat2", c_int, c_int, c_char_p, c_int, c_char_p, c_uint)
_fallocate = _declare("fallocate", c_int, c_int, c_int, c_int64, c_int64)
_syncfs = _declare("syncfs", c_int, c_int)
_sync_file_range = _declare("sync_file_range", c_int, c_int, c_int64, c_int64, c_uint)
_prctl = _declare("prctl", c_int, c_int, c_ulong, c_ulong, c_ulong, c_ulong)
_open_by_handle_at = _declare("open_by_handle_at", c_int, c_int, c_void_p, c_int)
_name_to_handle_at = _declare("name_to_handle_at", c_int, c_int, c_char_p, c_void_p, c_void_p, c_int)

_inotify_init1 = _declare("inotify_init1", c_int, c_int)
_inotify_add_watch = _declare("inotify_add_watch", c_int, c_int, c_char_p, c_uint)
_inotify_rm_watch = _declare("inotify_rm_watch", c_int, c_int, c_int)

_NR_OPENAT2 = 437
_RESOLVE_NO_MAGICLINKS = 0x02
_RESOLVE_NO_SYMLINKS = 0x04
_RESOLVE_BENEATH = 0x08


class _OpenHow(ctypes.Structure):
    _fields_ = (("flags", ctypes.c_uint64), ("mode", ctypes.c_uint64), ("resolve", ctypes.c_uint64))


_BENEATH = _RESOLVE_BENEATH | _RESOLVE_NO_SYMLINKS | _RESOLVE_NO_MAGICLINKS
_HOW_SIZE = ctypes.sizeof(_OpenHow)


@cache
def _directory_beneath(way: int) -> _OpenHow:
    return _OpenHow(way | os.O_DIRECTORY | os.O_CLOEXEC, 0, _BENEATH)


def openat2_directory(dir_fd: int, path: bytes, way: int = os.O_PATH) -> int:
    """A descriptor of a directory beneath `dir_fd`, reached through no symbolic link (else ELOOP).

    `way` is O_PATH, or O_RDONLY and flags that go with it.
    """
    how = ctypes.addressof(_directory_beneath(way))
    return _call(_openat2, _NR_OPENAT2, dir_fd, path, how, _HOW_SIZE)


@cache
def has_openat2() -> bool:
    """Whether openat2(2) is there (Linux 5.6) and no seccomp filter forbids it (ENOSYS or EPERM)."""
    root = os.open("/", os.O_PATH | os.O_CLOEXEC)
    try:
        os.close(openat2_directory(root, b"."))
    except OSError as failure:
        if failure.errno in {errno.ENOSYS, errno.EPERM}:
            return False
        raise
    finally:
        os.close(root)
    return True


def renameat2(old_fd: int, old: bytes, new_fd: int, new: bytes, flags: RenameFlags) -> None:
    _call(_renameat2, old_fd, old, new_fd, new, int(flags))


def fallocate(fd: int, mode: int, offset: int, length: int) -> None:
    _call(_fallocate, fd, mode, offset, length)


def start_writing(fd: int, offset: int, length: int) -> None:
    """Begin to write out what has changed, and do not wait (sync_file_range(2), SYNC_FILE_RANGE_WRITE)."""
    _call(_sync_file_range, fd, offset, length, 2)


def syncfs(fd: int) -> None:
    _call(_syncfs, fd)


_FICLONE = 0x40049409
# What FICLONE says where the two files cannot share their data (ioctl_ficlone(2)).
_NOT_SHARED = {errno.EOPNOTSUPP, errno.EXDEV, errno.EINVAL, errno.ENOTTY, errno.ENOSYS, errno.EPERM}


def clone(source_fd: int, fd: int) -> bool:
    """Let a file have all data of another, shared (FICLONE); False where that cannot be done."""
    try:
        fcntl.ioctl(fd, _FICLONE, source_fd)
    except OSError as failure:
        if failure.errno in _NOT_SHARED:
            return False
        raise
    return True


_PR_SET_CHILD_SUBREAPER = 36


def adopt_orphans() -> None:
    """Become the parent of every process below this one whose own parent ends (prctl(2))."""
    _call(_prctl, _PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)


def inotify_init() -> int:
    return _call(_inotify_init1, os.O_CLOEXEC)


def inotify_add(fd: int, path: bytes, mask: int) -> int:
    """The number of the watch."""
    return _call(_inotify_add_watch, fd, path, mask)


def inotify_remove(fd: int, number: int) -> None:
    """End a watch; one that has ended by itself, with its directory, is as good."""
    _inotify_rm_watch(fd, number)


_MAX_HANDLE_SIZE = 128


class _FileHandle(ctypes.Structure):
    _fields_ = (
        ("size", c_uint),
        ("type", c_int),
        ("bytes", ctypes.c_ubyte * _MAX_HANDLE_SIZE),
    )


def name_to_handle(dir_fd: int, name: bytes) -> tuple[int, bytes]:
    """The type and the bytes of a file's handle, not following a symbolic link (name_to_handle_at(2))."""
    handle = _FileHandle(_MAX_HANDLE_SIZE)
    mount_id = c_int()
    _call(_name_to_handle_at, dir_fd, name, ctypes.byref(handle), ctypes.byref(mount_id), 0)
    return handle.type, bytes(handle.bytes[: handle.size])


def open_by_handle(mount_fd: int, kind: int, fid: bytes) -> int:
    """An O_PATH descriptor of the file with this handle (open_by_handle_at(2), CAP_DAC_READ_SEARCH).

    `mount_fd` is any open file of the file system, but no O_PATH descriptor.
    """
    handle = _FileHandle(len(fid), kind)
    handle.bytes[: len(fid)] = fid
    return _call(_open_by_handle_at, mount_fd, ctypes.byref(handle), os.O_PATH | os.O_CLOEXEC)


_statx = _declare("statx", c_int, c_int, c_char_p, c_int, c_uint, c_void_p)
_STATX_BTIME = 0x800
_STATX_SIZE = 256
_STATX_HEAD = Struct("=I76xqI")
"""From ``struct statx``: what is filled in, and the time of birth."""
_AT_SYMLINK_NOFOLLOW = 0x100


def birth_ns(dir_fd: int, name: bytes) -> int | None:
    """When a file was made, not following a symbolic link (statx(2)); None where nothing tells."""
    answer = ctypes.create_string_buffer(_STATX_SIZE)
    _call(_statx, dir_fd, name, _AT_SYMLINK_NOFOLLOW, _STATX_BTIME, answer)
    mask, seconds, nanoseconds = _STATX_HEAD.unpack_from(answer)
    return seconds * 10**9 + nanoseconds if mask & _STATX_BTIME else None


_GET_FLAGS = {FlagsForm.IFLAGS: 0x80086601, FlagsForm.FSXATTR: 0x801C581F}
_SET_FLAGS = {FlagsForm.IFLAGS: 0x40086602, FlagsForm.FSXATTR: 0x401C5820}


def flags(fd: int, form: FlagsForm) -> bytes:
    """The flags of chattr(1) (ioctl FS_IOC_GETFLAGS, FS_IOC_FSGETXATTR)."""
    answer = bytearray(form.value)
    fcntl.ioctl(fd, _GET_FLAGS[form], answer)
    return bytes(answer)


def set_flags(fd: int, form: FlagsForm, value: bytes) -> None:
    """ioctl FS_IOC_SETFLAGS, FS_IOC_FSSETXATTR"""
    fcntl.ioctl(fd, _SET_FLAGS[form], value)


_FS_IOC_GETFSUUID = 0x80111500


def filesystem_uuid(fd: int) -> bytes:
    """The 16 bytes of the file system's UUID (ioctl FS_IOC_GETFSUUID, Linux 6.9)."""
    answer = bytearray(17)
    fcntl.ioctl(fd, _FS_IOC_GETFSUUID, answer)
    return bytes(answer[1:])
