"""File locks: the kernel keeps them for the mount, whatever becomes of the file beneath."""

from __future__ import annotations

import fcntl
import os
import struct
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from unionfs.adapters.fuse import transports

Mounted = Callable[..., Path]

F_OFD_SETLK = 37
WHOLE_FILE = struct.pack("hhqqi4x", fcntl.F_WRLCK, os.SEEK_SET, 0, 0, 0)

LOCKS: dict[str, Callable[[int], object]] = {
    "flock": lambda fd: fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB),
    "posix": lambda fd: fcntl.lockf(fd, fcntl.LOCK_EX | fcntl.LOCK_NB),
    "ofd": lambda fd: fcntl.fcntl(fd, F_OFD_SETLK, WHOLE_FILE),
}
"""How a writer's lock on the whole file is taken, without waiting."""

TAKE = {
    "flock": "fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)",
    "posix": "fcntl.lockf(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)",
    "ofd": f"fcntl.fcntl(fd, {F_OFD_SETLK}, {WHOLE_FILE!r})",
}


def another_gets(kind: str, path: Path) -> bool:
    """Whether another process gets the lock."""
    script = f"""
import errno, fcntl, os, sys
fd = os.open(sys.argv[1], os.O_RDWR)
try:
    {TAKE[kind]}
except OSError as failure:
    sys.exit(3 if failure.errno in (errno.EAGAIN, errno.EACCES) else 1)
"""
    done = subprocess.run([sys.executable, "-I", "-c", script, path], check=False, timeout=30)
    assert done.returncode in (0, 3)
    return done.returncode == 0


@pytest.mark.parametrize("kind", LOCKS)
def test_a_lock_taken_before_a_copy_up_holds_after_it(mounted: Mounted, kind: str) -> None:
    root = mounted({"file": b"low"})
    path = root / "file"
    fd = os.open(path, os.O_RDWR)
    LOCKS[kind](fd)
    assert not another_gets(kind, path)
    path.chmod(0o640)  # the metadata go up
    assert not another_gets(kind, path)
    os.write(fd, b"more")  # and the data
    assert not another_gets(kind, path)
    path.rename(root / "moved")
    assert not another_gets(kind, root / "moved")
    os.close(fd)
    assert another_gets(kind, root / "moved")


@pytest.mark.parametrize("prepared", [transports.NATIVE], indirect=True)
@pytest.mark.parametrize("kind", LOCKS)
def test_all_names_of_a_file_have_the_same_locks(mounted: Mounted, kind: str) -> None:
    root = mounted({"file": b"low"})
    fd = os.open(root / "file", os.O_RDWR)
    LOCKS[kind](fd)
    os.link(root / "file", root / "second")
    assert not another_gets(kind, root / "second")
    os.close(fd)
    assert another_gets(kind, root / "second")


@pytest.mark.parametrize("kind", LOCKS)
def test_a_lock_on_a_file_opened_for_reading(mounted: Mounted, kind: str) -> None:
    """A reader's own lock is a reader's: it does not shut out readers, but writers."""
    path = mounted({"file": b"low"}) / "file"
    fd = os.open(path, os.O_RDONLY)
    if kind == "flock":
        fcntl.flock(fd, fcntl.LOCK_SH)
    elif kind == "posix":
        fcntl.lockf(fd, fcntl.LOCK_SH)
    else:
        shared = struct.pack("hhqqi4x", fcntl.F_RDLCK, os.SEEK_SET, 0, 0, 0)
        fcntl.fcntl(fd, F_OFD_SETLK, shared)
    path.chmod(0o640)
    assert not another_gets(kind, path)
    os.close(fd)
    assert another_gets(kind, path)
