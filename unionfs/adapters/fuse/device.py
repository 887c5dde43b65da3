"""/dev/fuse: mounting on it, and reading and writing it.

Root, also of a user namespace, mounts with mount(2). Everybody else asks fusermount3,
which is set-user-ID, and gets the descriptor over a Unix socket.
"""

from __future__ import annotations

import array
import ctypes
import errno
import os
import shutil
import socket
import subprocess
from collections.abc import Sequence

from unionfs.errors import UnionError

PATH = "/dev/fuse"

_MS_NOSUID = 2
_MS_NODEV = 4
_MS_RDONLY = 1

_HELPERS = ("fusermount3", "fusermount")


def mount(
    mountpoint: str, *, source: str, subtype: str, read_only: bool, allow_other: bool, privileged: bool
) -> int:
    """Mount on `mountpoint`; the descriptor that speaks for the mount. `UnionError` says why it failed."""
    shared = ["default_permissions", *(["allow_other"] if allow_other else [])]
    if os.geteuid() == 0:
        return _mount_directly(mountpoint, source, subtype, shared, read_only, trusted=privileged)
    words = [*shared, f"fsname={_escaped(source)}", f"subtype={subtype}", *(["ro"] if read_only else [])]
    return _mount_by_helper(mountpoint, words)


def _mount_directly(
    mountpoint: str, source: str, subtype: str, shared: Sequence[str], read_only: bool, *, trusted: bool
) -> int:
    """mount(2); `trusted` honours set-id bits and devices, which the first user namespace's root may."""
    try:
        fd = os.open(PATH, os.O_RDWR | os.O_CLOEXEC)
    except OSError as failure:
        raise UnionError(f"{PATH}: {failure.strerror}") from failure
    mode = os.stat(mountpoint).st_mode
    data = ",".join(
        [f"fd={fd}", f"rootmode={mode:o}", f"user_id={os.getuid()}", f"group_id={os.getgid()}", *shared]
    )
    flags = (0 if trusted else _MS_NOSUID | _MS_NODEV) | (_MS_RDONLY if read_only else 0)
    libc = ctypes.CDLL(None, use_errno=True)
    arguments = map(os.fsencode, (source, mountpoint, f"fuse.{subtype}"))
    if libc.mount(*arguments, ctypes.c_ulong(flags), os.fsencode(data)):
        os.close(fd)
        raise UnionError(f"{mountpoint}: {os.strerror(ctypes.get_errno())}")
    return fd


def _mount_by_helper(mountpoint: str, words: Sequence[str]) -> int:
    helper = next(filter(None, map(shutil.which, _HELPERS)), None)
    if helper is None:
        raise UnionError(f"{mountpoint}: {' or '.join(_HELPERS)} is needed to mount without privileges")
    ours, theirs = socket.socketpair()
    with ours, theirs:
        done = subprocess.run(
            [helper, "-o", ",".join(words), "--", mountpoint],
            env={**os.environ, "_FUSE_COMMFD": str(theirs.fileno())},
            pass_fds=[theirs.fileno()],
            capture_output=True,
            text=True,
            check=False,
        )
        if done.returncode:
            raise UnionError(done.stderr.strip() or f"{helper} failed")
        return _received(ours)


def _received(connection: socket.socket) -> int:
    """The one descriptor that comes over a Unix socket (unix(7), SCM_RIGHTS)."""
    room = array.array("i", [0])
    _, messages, _, _ = connection.recvmsg(1, socket.CMSG_LEN(room.itemsize))
    for level, kind, data in messages:
        if level == socket.SOL_SOCKET and kind == socket.SCM_RIGHTS:
            room.frombytes(data[: room.itemsize])
            os.set_inheritable(room[1], False)
            return room[1]
    raise UnionError("fusermount handed nothing over")


def _escaped(text: str) -> str:
    """fusermount splits its options at commas that no backslash protects."""
    return text.replace("\\", "\\\\").replace(",", "\\,")


class Device:
    """The kernel's side of a mount: one request a read, one reply a write."""

    def __init__(self, fd: int, max_request: int) -> None:
        self._fd = fd
        self._buffer = bytearray(max_request)
        self._view = memoryview(self._buffer)

    def receive(self) -> memoryview | None:
        """The next request, valid until the next call; None once the mount is gone."""
        while True:
            try:
                size = os.readv(self._fd, [self._buffer])
            except OSError as failure:
                if failure.errno in _AGAIN:
                    continue
                if failure.errno in _GONE:
                    return None
                raise
            return self._view[:size]

    def send(self, *parts: bytes) -> None:
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


_AGAIN = (errno.ENOENT, errno.EINTR, errno.EAGAIN)
"""ENOENT: the request was interrupted before it could be read."""

_GONE = (errno.ENODEV, errno.ECONNABORTED, errno.EBADF)
