"""`mounted`: a union as a directory of this host, for the time of a block."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING

from unionfs.adapters import stack
from unionfs.adapters.fuse.unmounting import unmount
from unionfs.adapters.memory.filesystem import Change, UnionFS
from unionfs.adapters.options import Options, words
from unionfs.adapters.volumes import parse_volume
from unionfs.errors import ConfigError, UnionError
from unionfs.layers.urls import is_url

if TYPE_CHECKING:
    from unionfs.adapters.memory.names import AnyPath

_COMMAND = (sys.executable, "-m", "unionfs.cli", "mount")
"""A process of its own, rather than a fork of the caller's, which may have threads and open files."""


class Mount:
    """A union that is mounted. Made by `mounted`."""

    def __init__(self, path: Path, options: Options) -> None:
        self._path = path
        self._options = options

    @property
    def path(self) -> Path:
        """The mountpoint."""
        return self._path

    def diff(self) -> Iterator[Change]:
        """What the upper layer changes by now, as `UnionFS.diff`."""
        with stack.inspected(self._options) as union:
            yield from UnionFS.over(union).diff()

    def __repr__(self) -> str:
        return f"<Mount {self._path} lowers={':'.join(self._options.lowers)} upper={self._options.upper}>"


@contextmanager
def mounted(
    *lowers: AnyPath,
    at: AnyPath | None = None,
    upper: AnyPath | None = None,
    work: AnyPath | None = None,
    read_only: bool = False,
    volumes: Sequence[str] = (),
) -> Iterator[Mount]:
    """The union of directories of this host and URLs, mounted until the block is left: for other programs.

    `lowers`, the top-most first, `upper`, `work`, `read_only` and `volumes` are those of `UnionFS`;
    without an `upper` what is changed goes to a temporary directory and is gone at the end. `at` is
    the directory to mount on, by default a temporary one. Volumes take root (``unshare -rm`` will do).

    `ConfigError` for layers that do not fit together, before anything is made or changed; `UnionError`
    where mounting itself fails, where a file in the mount is still open at the end (it is unmounted
    all the same), or where what was written could not be put on disk.
    """
    if read_only and upper is not None:
        raise ConfigError("a read-only union has no upper layer")
    if upper is None and work is not None:
        raise ConfigError("only an upper directory has a work directory")
    options = stack.absolute(Options(tuple(map(os.fsdecode, lowers)), _decoded(upper), _decoded(work)))
    stack.check(options, _decoded(at))
    shown = [str(parse_volume(text)) for text in volumes]
    with tempfile.TemporaryDirectory(prefix="unionfs-") as scratch, _mountpoint(at) as mountpoint:
        if upper is None and not read_only:
            options = _thrown_away(Path(scratch), options)
        with _mounted(mountpoint, options, shown):
            yield Mount(mountpoint, options)


@contextmanager
def _mountpoint(at: AnyPath | None) -> Iterator[Path]:
    """Never removed with what is in it: should it still be mounted, that is not ours."""
    if at is not None:
        yield Path(os.fsdecode(at))
        return
    made = Path(tempfile.mkdtemp(prefix="unionfs-"))
    try:
        yield made
    finally:
        with suppress(OSError):
            made.rmdir()


def _decoded(path: AnyPath | None) -> str | None:
    return None if path is None else os.fsdecode(path)


def _thrown_away(scratch: Path, options: Options) -> Options:
    """With an upper layer in `scratch`, whose root is that of the top-most lower, if that is a directory."""
    upper, work = _made(scratch / "upper"), _made(scratch / "work")
    if is_url(options.lowers[0]):
        upper.chmod(0o755)
    else:
        _copy_attributes(options.lowers[0], upper)
    return options._replace(upper=str(upper), work=str(work), volatile=True)


def _copy_attributes(source: str, target: Path) -> None:
    shutil.copystat(source, target)
    status = os.stat(source)
    with suppress(PermissionError):  # an ordinary user gives nothing to others
        os.chown(target, status.st_uid, status.st_gid)


def _made(directory: Path) -> Path:
    directory.mkdir()
    return directory


@contextmanager
def _mounted(mountpoint: Path, options: Options, volumes: Sequence[str]) -> Iterator[None]:
    shown = [f"--volume={volume}" for volume in volumes]
    done = subprocess.run(
        [*_COMMAND, "-o", words(options), *shown, mountpoint],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
    )
    if done.returncode:
        raise UnionError(done.stderr.strip().removeprefix("unionfs mount: "))
    try:
        yield
    finally:
        _unmount(str(mountpoint))


def _unmount(mountpoint: str) -> None:
    try:
        unmount(mountpoint)
    except UnionError:
        with suppress(UnionError):  # it may be gone, and have said what was wrong with it
            unmount(mountpoint, lazy=True)
        raise
