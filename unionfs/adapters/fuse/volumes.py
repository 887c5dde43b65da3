"""Volumes: directories and files of this host that show at a path of a mounted union, outside its layers.

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
from typing import NamedTuple

from unionfs.errors import ConfigError

_MS_RDONLY = 1
_MS_REMOUNT = 32
_MS_BIND = 4096
_MNT_DETACH = 2
_LOCKED = os.ST_NOSUID | os.ST_NODEV | os.ST_NOEXEC
"""Flags that a remount must repeat in a user namespace; mount(2) has the same bits for them."""

_MODES = {"rw": False, "ro": True}
_STEP = os.O_PATH | os.O_NOFOLLOW | os.O_CLOEXEC


class Volume(NamedTuple):
    """`host` is an absolute path of this host; `path` one in the union, without a leading slash."""

    host: str
    path: str
    read_only: bool = False

    def __str__(self) -> str:
        return f"{self.host}:/{self.path}{':ro' if self.read_only else ''}"


def parse_volume(text: str) -> Volume:
    """``HOST:PATH[:ro|rw]``, as podman-run(1) has it. `ConfigError` for anything else."""
    host, _, rest = text.partition(":")
    path, colon, mode = rest.partition(":")
    names = path.strip("/").split("/")
    if not host or not path.startswith("/") or (colon and mode not in _MODES):
        raise ConfigError(f"volume {text}: not HOST:PATH[:ro|rw] with an absolute PATH")
    if any(name in ("", ".", "..") for name in names):
        raise ConfigError(f"volume {text}: the path in the union is '/', or has '.', '..' or '//' in it")
    if not os.path.exists(host):
        raise ConfigError(f"volume {text}: {host} does not exist")
    return Volume(os.path.realpath(host), "/".join(names), _MODES[mode or "rw"])


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
            raise ConfigError(f"volume {volume.host}:/{volume.path}: {failure.strerror}") from None


def detach(mountpoint: str, volumes: Sequence[Volume]) -> None:
    """Take them away, the last one first, even where they are in use; who uses one may go on with it."""
    for volume in reversed(volumes):
        with suppress(OSError), _opened(mountpoint, volume.path) as place:
            _call("umount2", place, _MNT_DETACH)


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
                os.mkdir(parent, 0o755, dir_fd=fd)
            fd = _step(held, fd, parent)
        with suppress(FileExistsError):
            if os.path.isdir(volume.host):
                os.mkdir(name, 0o755, dir_fd=fd)
            else:
                os.close(os.open(name, os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o644, dir_fd=fd))


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
