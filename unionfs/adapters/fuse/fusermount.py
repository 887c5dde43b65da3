"""fusermount3, the set-user-ID program by which whoever is not root mounts and unmounts."""

from __future__ import annotations

import array
import os
import shutil
import socket
import subprocess
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from unionfs.errors import UnionError

_PROGRAMS = ("fusermount3", "fusermount")


def mount(mountpoint: str, words: Sequence[str]) -> int:
    """Mount on `mountpoint` with these option words; the descriptor of /dev/fuse that speaks for the mount.

    `UnionError` says why it failed.
    """
    program = _program(mountpoint)
    ours, theirs = socket.socketpair()
    with ours, theirs:
        done = subprocess.run(
            [program, "-o", ",".join(words), "--", mountpoint],
            env={**os.environ, "_FUSE_COMMFD": str(theirs.fileno())},
            pass_fds=[theirs.fileno()],
            capture_output=True,
            text=True,
            check=False,
        )
        if done.returncode:
            raise UnionError(done.stderr.strip() or f"{program} failed")
        return _received(ours)


def unmount(mountpoint: str, *, lazy: bool) -> None:
    """Unmount; with `lazy` even where it is in use. `UnionError` says why it failed."""
    command = [_program(mountpoint), "-u", *(["-z"] if lazy else []), "--", mountpoint]
    done = subprocess.run(command, check=False, capture_output=True, text=True)
    if done.returncode:
        raise UnionError(f"{mountpoint}: {done.stderr.strip()}")


@contextmanager
def guarded(mountpoint: str) -> Iterator[None]:
    """Have somebody take the mount away should this process be killed; of no use to root, who is not asked.

    fusermount's own auto_unmount does not serve: until version 3.15 it takes a mount that is
    closed to root for one that is alive.
    """
    command = ["sh", "-c", _WHEN_KILLED, _program(mountpoint), mountpoint]
    quiet = subprocess.DEVNULL
    with subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=quiet, stderr=quiet, start_new_session=True
    ) as guard:
        try:
            yield
        finally:
            guard.kill()


_WHEN_KILLED = 'read -r _; stat -f "$1" || exec "$0" -u -z -- "$1"'
"""`read` ends when our side of its pipe does. What answers is another mount; statfs(2) always asks."""


def escaped(text: str) -> str:
    """fusermount splits its options at commas that no backslash protects."""
    return text.replace("\\", "\\\\").replace(",", "\\,")


def _program(mountpoint: str) -> str:
    found = next(filter(None, map(shutil.which, _PROGRAMS)), None)
    if found is None:
        raise UnionError(f"{mountpoint}: without privileges {' or '.join(_PROGRAMS)} is needed")
    return found


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
