"""Every call that takes a path, in one form, for the checks that hold for all of them."""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import Any

from unionfs.testing.conformance import calls

HELPER = "helper"
"""A regular file that has to be there for the calls that need another."""


def open_to_read(path: str) -> None:
    os.close(os.open(path, os.O_RDONLY))


def open_to_write(path: str) -> None:
    os.close(os.open(path, os.O_WRONLY))


def open_to_truncate(path: str) -> None:
    os.close(os.open(path, os.O_WRONLY | os.O_TRUNC))


def open_or_create(path: str) -> None:
    os.close(os.open(path, os.O_WRONLY | os.O_CREAT, 0o644))


def create(path: str) -> None:
    os.close(os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL, 0o644))


def mkdir(path: str) -> None:
    os.mkdir(path, 0o755)


def mkfifo(path: str) -> None:
    os.mkfifo(path, 0o644)


def mknod(path: str) -> None:
    os.mknod(path, calls.FILE | 0o644)


def mksocket(path: str) -> None:
    os.mknod(path, calls.SOCKET | 0o644)


def mkdevice(path: str) -> None:
    os.mknod(path, calls.CHAR | 0o644, os.makedev(1, 3))


def mkblock(path: str) -> None:
    os.mknod(path, calls.BLOCK | 0o644, os.makedev(7, 200))


def symlink(path: str) -> None:
    os.symlink("nowhere", path)


def link_to(path: str) -> None:
    os.link(HELPER, path)


def rename_to(path: str) -> None:
    os.rename(HELPER, path)


def rename_from(path: str) -> None:
    os.rename(path, "renamed")


def rename_noreplace_to(path: str) -> None:
    calls.rename_noreplace(HELPER, path)


def rename_exchange_with(path: str) -> None:
    calls.rename_exchange(HELPER, path)


def link_from(path: str) -> None:
    os.link(path, "linked")


def unlink(path: str) -> None:
    os.unlink(path)


def rmdir(path: str) -> None:
    os.rmdir(path)


def chmod(path: str) -> None:
    os.chmod(path, 0o700)


def chown(path: str) -> None:
    os.chown(path, os.geteuid(), os.getegid())


def lchown(path: str) -> None:
    os.lchown(path, os.geteuid(), os.getegid())


def truncate(path: str) -> None:
    os.truncate(path, 123)


def utimens(path: str) -> None:
    calls.set_times(path, calls.NOW, calls.NOW)


def lutimens(path: str) -> None:
    calls.set_times(path, calls.NOW, calls.NOW, follow=False)


def stat(path: str) -> None:
    os.stat(path)


def lstat(path: str) -> None:
    os.lstat(path)


def access(path: str) -> None:
    if not os.access(path, os.F_OK):
        os.stat(path)


def readlink(path: str) -> None:
    os.readlink(path)


def scan(path: str) -> None:
    os.listdir(path)


def statfs(path: str) -> None:
    os.statvfs(path)


def chdir(path: str) -> None:
    os.chdir(path)


def getxattr(path: str) -> None:
    os.getxattr(path, "user.x")


def listxattr(path: str) -> None:
    os.listxattr(path)


def setxattr(path: str) -> None:
    os.setxattr(path, "user.x", b"1")


def removexattr(path: str) -> None:
    os.removexattr(path, "user.x")


PathCall = Callable[[str], Any]

MAKING: tuple[PathCall, ...] = (
    create, mkdir, mkfifo, mknod, mksocket, symlink, link_to, rename_to, rename_noreplace_to,
)  # fmt: skip
"""They make a new name."""

MAKING_DEVICES: tuple[PathCall, ...] = (mkdevice, mkblock)

ON_NAMES: tuple[PathCall, ...] = (
    unlink,
    rename_from,
    link_from,
    rename_exchange_with,
    lchown,
    lutimens,
    lstat,
)
"""They act on the last name itself, whatever it is."""

FOLLOWING: tuple[PathCall, ...] = (
    open_to_read, open_to_write, open_to_truncate, chmod, chown, truncate, utimens, stat, access, statfs,
    getxattr, listxattr, setxattr, removexattr,
)  # fmt: skip
"""They act on the file that the path leads to, through a symbolic link at its end too."""

ON_DIRECTORIES: tuple[PathCall, ...] = (rmdir, scan, chdir)
ON_LINKS: tuple[PathCall, ...] = (readlink,)

EVERY = (*MAKING, *MAKING_DEVICES, *ON_NAMES, *FOLLOWING, *ON_DIRECTORIES, *ON_LINKS, open_or_create)


def cases(*groups: tuple[PathCall, ...]) -> dict[str, tuple[PathCall]]:
    """As cases of a check, by name."""
    return {call.__name__: (call,) for group in groups for call in group}


def is_unprivileged(call: PathCall) -> bool:
    return call not in MAKING_DEVICES
