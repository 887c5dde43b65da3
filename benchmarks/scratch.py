"""Where the layers are made.

As root in a new ext4 of its own, on a loop device without a cache of its own: a file system that
others use, or that has just seen many files removed, takes its time for every new file
(ext4 without a journal passes over inodes freed in the last minute, one by one).
"""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from subprocess import CalledProcessError

from unionfs.bench.mounting import uninterrupted
from unionfs.bench.scratch import temporary

DEFAULT = "/var/tmp"
_SIZE = 16 << 30
"""Of the file system, in bytes; the disk gives room only for what is written."""
_BYTES_PER_INODE = 4096
"""Four times as many as usual: most files are small."""


@contextmanager
def scratch(directory: str | None) -> Iterator[Path]:
    """A new directory in `directory`, or where None is given on a file system of its own if that can be."""
    with temporary(directory or DEFAULT) as place:
        if directory is not None or os.geteuid() != 0:
            yield place
            return
        with _own_file_system(place) as root:
            yield root


@contextmanager
def _own_file_system(place: Path) -> Iterator[Path]:
    root = place / "root"
    root.mkdir()
    with ExitStack() as undo:
        with uninterrupted():
            try:
                _mount(place / "image", root)
                undo.callback(_unmount, root)
            except (CalledProcessError, FileNotFoundError) as failure:
                print(f"no file system of its own, {place.parent} is used: {failure}", file=sys.stderr)
        yield root


def _mount(image: Path, root: Path) -> None:
    with open(image, "wb") as file:
        file.truncate(_SIZE)
    _run("mkfs.ext4", "-q", "-F", "-i", str(_BYTES_PER_INODE), str(image))
    device = _run("losetup", "--find", "--show", "--direct-io=on", str(image))
    try:
        _run("mount", "-o", "noinit_itable", device, str(root))  # nothing is to go on in the background
    finally:
        _run("losetup", "--detach", device)  # as soon as nothing is mounted from it


def _unmount(root: Path) -> None:
    with uninterrupted():
        _run("umount", str(root))


def _run(*command: str) -> str:
    return subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True).stdout.strip()
