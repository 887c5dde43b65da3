"""/dev/fuse: mounting on it, and reading and writing it.

Root, also of a user namespace, mounts with mount(2). Everybody else asks fusermount3.
"""

from __future__ import annotations

import ctypes
import errno
import os
from collections.abc import Callable, Sequence

from unionfs.adapters.fuse.arrival import Arrival
from unionfs.errors import UnionError

PATH = "/dev/fuse"
_SELINUX = "/sys/fs/selinux"

_SETS = {
    "ro": 1,
    "nosuid": 2,
    "nodev": 4,
    "noexec": 8,
    "sync": 16,
    "dirsync": 128,
    "noatime": 1024,
}
"""mount(2)'s flags by their option words."""

_REMOUNT = 32

_CLEARS = {"rw": 1, "suid": 2, "dev": 4, "exec": 8, "async": 16, "atime": 1024}


def mount(
    mountpoint: str,
    *,
    source: str,
    subtype: str,
    words: Sequence[str],
    read_only: bool,
    allow_other: bool,
    context: str | None = None,
) -> int:
    """Mount on `mountpoint`; the descriptor that speaks for the mount. `UnionError` says why it failed.

    `words` are those that mount(2) itself understands, such as ``nodev``; the last of a pair wins.
    `context` is what SELinux labels everything with, where the kernel has it.
    """
    words = [*(["ro"] if read_only else []), *words]
    shared = ["default_permissions", *(["allow_other"] if allow_other else [])]
    if context is not None:
        if not os.path.isdir(_SELINUX):
            raise UnionError(f"context={context}: there is no SELinux here")
        shared.append(f'context="{context}"')
    if os.geteuid() == 0:
        return _mount_directly(mountpoint, source, subtype, shared, _flags(words))
    from unionfs.adapters.fuse import fusermount

    names = [f"fsname={fusermount.escaped(source)}", f"subtype={subtype}"]
    return fusermount.mount(mountpoint, [*shared, *names, *words])


def remount(mountpoint: str, words: Sequence[str]) -> None:
    """Give a mount other flags, those of `words`. `UnionError` says why it failed."""
    _call_mount("none", mountpoint, "none", _REMOUNT | _flags(words), "")


def _flags(words: Sequence[str]) -> int:
    flags = 0
    for word in words:
        flags |= _SETS.get(word, 0)
        flags &= ~_CLEARS.get(word, 0)
    return flags


def _mount_directly(mountpoint: str, source: str, subtype: str, shared: Sequence[str], flags: int) -> int:
    try:
        fd = os.open(PATH, os.O_RDWR | os.O_CLOEXEC)
    except OSError as failure:
        raise UnionError(f"{PATH}: {failure.strerror}") from failure
    mode = os.stat(mountpoint).st_mode
    data = ",".join(
        [f"fd={fd}", f"rootmode={mode:o}", f"user_id={os.getuid()}", f"group_id={os.getgid()}", *shared]
    )
    try:
        _call_mount(source, mountpoint, f"fuse.{subtype}", flags, data)
    except UnionError:
        os.close(fd)
        raise
    return fd


def _call_mount(source: str, mountpoint: str, kind: str, flags: int, data: str) -> None:
    """mount(2)"""
    libc = ctypes.CDLL(None, use_errno=True)
    arguments = map(os.fsencode, (source, mountpoint, kind))
    if libc.mount(*arguments, ctypes.c_ulong(flags), os.fsencode(data)):
        raise UnionError(f"{mountpoint}: {os.strerror(ctypes.get_errno())}")


class Device:
    """The kernel's side of a mount: one request a read, one reply a write."""

    def __init__(self, fd: int, max_request: int) -> None:
        os.set_blocking(fd, False)
        self._fd = fd
        self._buffer = bytearray(max_request)
        self._view = memoryview(self._buffer)
        self._arrival = Arrival(fd)

    @property
    def descriptor(self) -> int:
        return self._fd

    def receive(self, meanwhile: Callable[[], bool]) -> memoryview | None:
        """The next request, valid until the next call; None once the mount is gone.

        `meanwhile` is called as long as there is none, until it says that it had nothing to do.
        """
        while True:
            try:
                size = os.readv(self._fd, [self._buffer])
            except BlockingIOError:
                if not meanwhile():
                    self._arrival.wait()
            except OSError as failure:
                if failure.errno in _GONE:
                    return None
                if failure.errno not in _AGAIN:
                    raise
            else:
                self._arrival.came()
                return self._view[:size]

    def send(self, *parts: bytes | memoryview) -> None:
        """Answer a request. One that was interrupted meanwhile has nobody left to hear it."""
        try:
            if len(parts) == 1:
                os.write(self._fd, parts[0])
            else:
                os.writev(self._fd, parts)
        except OSError as failure:
            if failure.errno not in (errno.ENOENT, *_GONE):
                raise

    def close(self) -> None:
        os.close(self._fd)


_AGAIN = (errno.ENOENT, errno.EINTR)
"""ENOENT: the request was interrupted before it could be read."""

_GONE = (errno.ENODEV, errno.ECONNABORTED, errno.EBADF)
