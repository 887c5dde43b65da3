"""Volumes of a mounted union.

Each is a bind mount (mount(8), "Bind mounts") on top of the union's. So it is shared with whoever
else uses it, at its own speed and with its own semantics, and no layer or commit knows of it; a
volume shown by the union itself would be as stale as its caches. The price is that it takes root,
if only of a user namespace with mounts of its own (``unshare -rm``).

The way to the path is part of the image: it is walked by descriptors, through no symbolic
link, and mounted on by descriptor.
"""

from __future__ import annotations

import errno
import os
import stat
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress

from unionfs.adapters.mountinfo import mounts
from unionfs.adapters.volumes import FILE_PLACE_MODE, PLACE_MODE, Volume, refusal

_MS_RDONLY = 1
_MS_REMOUNT = 32
_MS_BIND = 4096
_MNT_DETACH = 2
_LOCKED = os.ST_NOSUID | os.ST_NODEV | os.ST_NOEXEC
"""Flags that a remount must repeat in a user namespace; mount(2) has the same bits for them."""

_STEP = os.O_PATH | os.O_NOFOLLOW | os.O_CLOEXEC


def attach(mountpoint: str, volumes: Sequence[Volume]) -> None:
    """Mount all of them, or none; what is missing of a path is made in the union.

    `ConfigError` names the one that cannot be mounted.
    """
    for number, volume in enumerate(volumes):
        try:
            _make_place(mountpoint, volume)
            _attach(mountpoint, volume)
        except OSError as failure:
            detach(mountpoint, volumes[:number])
            raise refusal(volume, failure) from None


def detach(mountpoint: str, volumes: Sequence[Volume]) -> None:
    """Take them away, the last one first, even where they are in use; who uses one may go on with it."""
    for volume in reversed(volumes):
        _detach(mountpoint, volume.path)
    moved = {_identity(volume.host) for volume in volumes} - {None}
    for mount in reversed(mounts()) if moved else ():
        # A directory on the way to it has another name by now.
        if mount.mountpoint.startswith(f"{mountpoint}/") and _identity(mount.mountpoint) in moved:
            _detach(mountpoint, mount.mountpoint.removeprefix(f"{mountpoint}/"))


def _detach(mountpoint: str, path: str) -> None:
    with suppress(OSError), _opened(mountpoint, path) as place:
        _call("umount2", place, _MNT_DETACH)


def _identity(path: str) -> tuple[int, int] | None:
    """Of a file, or of what is mounted on it."""
    try:
        status = os.lstat(path)
    except OSError:
        return None
    return status.st_dev, status.st_ino


def _attach(mountpoint: str, volume: Volume) -> None:
    with _opened(mountpoint, volume.path) as place:
        _call("mount", volume.host, place, None, _MS_BIND, None)
    if volume.read_only:
        with _opened(mountpoint, volume.path) as place:  # what is on top there now
            flags = _MS_BIND | _MS_REMOUNT | _MS_RDONLY | os.statvfs(place).f_flag & _LOCKED
            _call("mount", None, place, None, flags, None)


def _make_place(mountpoint: str, volume: Volume) -> None:
    """Make what is missing of the way to the place, and the place."""
    *parents, name = volume.path.split("/")
    with ExitStack() as held:
        fd = _step(held, None, mountpoint)
        for parent in parents:
            with suppress(FileExistsError):
                os.mkdir(parent, PLACE_MODE, dir_fd=fd)
            fd = _step(held, fd, parent)
        with suppress(FileExistsError):
            if os.path.isdir(volume.host):
                os.mkdir(name, PLACE_MODE, dir_fd=fd)
            else:
                os.close(os.open(name, os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, FILE_PLACE_MODE, dir_fd=fd))


@contextmanager
def _opened(mountpoint: str, path: str) -> Iterator[str]:
    """A path that leads to what is at `path`, and nowhere else."""
    with ExitStack() as held:
        fd = _step(held, None, mountpoint)
        for name in path.split("/"):
            fd = _step(held, fd, name)
        yield f"/proc/self/fd/{fd}"


def _step(held: ExitStack, fd: int | None, name: str) -> int:
    """The descriptor of `name` in a directory; ELOOP for a symbolic link."""
    below = os.open(name, _STEP, dir_fd=fd)
    held.callback(os.close, below)
    if stat.S_ISLNK(os.fstat(below).st_mode):
        raise OSError(errno.ELOOP, os.strerror(errno.ELOOP))
    return below


def _call(function: str, *arguments: str | int | None) -> None:
    """mount(2) or umount2(2)"""
    import ctypes  # for who has no volumes, nothing has to be loaded

    libc = ctypes.CDLL(None, use_errno=True)
    encoded = [
        os.fsencode(each) if isinstance(each, str) else each and ctypes.c_ulong(each) for each in arguments
    ]
    if getattr(libc, function)(*encoded):
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number))
