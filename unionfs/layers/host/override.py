"""Whose a file is and what it is, said by an extended attribute in place of the file's own: its form.

fuse-overlayfs (``xattr_permissions=``), containers/storage (``force_mask``) and libkrun keep
``UID:GID:MODE`` there, ids in decimal and the mode in octal, so that who may not give files
away can. Some put format bits into the mode, which mean nothing, and fuse-overlayfs prints ids
as signed numbers. ``:TYPE`` may follow (containers/storage, pkg/idtools): ``file``, ``dir``,
``symlink``, ``pipe``, ``socket``, ``char-MAJOR-MINOR`` or ``block-MAJOR-MINOR``. With it an empty
regular file stands for what could not be made.
"""

from __future__ import annotations

import errno
import os
import re
import stat as _s
from collections.abc import Iterable
from typing import NamedTuple

from unionfs.errors import error
from unionfs.layers.host.attributes import stat_of
from unionfs.types import Kind, Stat

PRIVILEGED = b"security.fuseoverlayfs.override_stat"
"""Written with ``xattr_permissions=1``. Only root of the first user namespace can."""
USER = b"user.fuseoverlayfs.override_stat"
"""Written with ``xattr_permissions=2``; every version of fuse-overlayfs reads it."""
CONTAINERS = b"user.containers.override_stat"
"""containers/storage's, in its place: versions of fuse-overlayfs from 1.14 on write it, too."""

NAMES = (PRIVILEGED, USER, CONTAINERS)
"""All of them: the first that a layer's root has is the one that counts in the layer.

That is fuse-overlayfs's rule, but for the order of the last two: before 1.14 it put its own beside the other.
"""

CARRIERS = frozenset({Kind.FILE, Kind.DIR})
"""What has it: others can have no user.* attributes (xattr(7)), and fuse-overlayfs does not look at them."""

_FORM = re.compile(
    rb"(-?\d{1,10}):(-?\d{1,10}):([0-7]{1,7})(?::(file|dir|symlink|pipe|socket|char|block)(?:-(\d+)-(\d+))?)?"
)
_IDS = 2**32
_FORMATS = {b"pipe": _s.S_IFIFO, b"socket": _s.S_IFSOCK, b"char": _s.S_IFCHR, b"block": _s.S_IFBLK}
_DEVICES = frozenset({_s.S_IFCHR, _s.S_IFBLK})


class Override(NamedTuple):
    """Who owns a file, its permission bits (07777), and what it stands for: 0 is itself, or format bits."""

    uid: int
    gid: int
    mode: int
    format: int = 0
    rdev: int = 0

    @classmethod
    def of(cls, stat: Stat) -> Override:
        """What has a file shown with these attributes."""
        other = stat.kind not in CARRIERS
        return cls(
            stat.uid,
            stat.gid,
            _s.S_IMODE(stat.mode),
            _s.S_IFMT(stat.mode) if other else 0,
            stat.rdev if other else 0,
        )

    def over(self, stat: Stat) -> Stat:
        """What is shown of a file that has these attributes itself."""
        owned = stat._replace(uid=self.uid, gid=self.gid)
        if self.format and stat.kind is Kind.FILE:
            return owned._replace(mode=self.format | self.mode, rdev=self.rdev)
        return owned._replace(mode=_s.S_IFMT(stat.mode) | self.mode)


def name_at(path: str, names: Iterable[bytes]) -> bytes | None:
    """The first of `names` that a directory has as an attribute; None where that cannot be told."""
    try:
        there = set(map(os.fsencode, os.listxattr(path)))
    except OSError:
        return None
    return next((name for name in names if name in there), None)


def mark(path: str, name: bytes) -> None:
    """Have a directory say by this attribute what its own owner and mode say: it is a layer's root."""
    os.setxattr(path, name, serialise(Override.of(stat_of(os.stat(path)))))


def parse(value: bytes) -> Override:
    """EIO for what has another form."""
    found = _FORM.fullmatch(value)
    if found is None:
        raise error(errno.EIO)
    uid, gid, mode, kind, major, minor = found.groups()
    format = _FORMATS.get(kind, 0)
    if (format in _DEVICES) is not (major is not None):
        raise error(errno.EIO)
    rdev = os.makedev(int(major), int(minor)) if major else 0
    return Override(int(uid) % _IDS, int(gid) % _IDS, int(mode, 8) & 0o7777, format, rdev)


def serialise(override: Override) -> bytes:
    """The inverse of `parse`. No type is said that a file has by itself: old readers do not expect one."""
    uid, gid, mode, format, rdev = override
    kind = "".join(f":{name.decode()}" for name, bits in _FORMATS.items() if bits == format)
    numbers = f"-{os.major(rdev)}-{os.minor(rdev)}" if format in _DEVICES else ""
    return f"{uid}:{gid}:{mode:o}{kind}{numbers}".encode()
