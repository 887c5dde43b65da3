"""POSIX access control lists as extended attributes keep them: reading, writing, inheriting.

Pure. The layout is that of linux, include/uapi/linux/posix_acl_xattr.h; what is valid, and how
an ACL and a mode follow each other, is in acl(5) and linux, fs/posix_acl.c.
"""

from __future__ import annotations

import errno
from collections.abc import Mapping
from enum import IntEnum
from struct import Struct, iter_unpack
from typing import NamedTuple

from unionfs.errors import error

ACCESS = b"system.posix_acl_access"
DEFAULT = b"system.posix_acl_default"
NAMES = frozenset({ACCESS, DEFAULT})

_VERSION = 2
_HEAD = Struct("<I")
_ENTRY = Struct("<HHI")
_RWX = 0o7
_NOBODY = 0xFFFF_FFFF
"""The number in entries that name nobody, and an invalid one in those that do."""


class Tag(IntEnum):
    """Whom an entry is about, in the order in which an ACL has them."""

    USER_OBJ = 0x01
    USER = 0x02
    GROUP_OBJ = 0x04
    GROUP = 0x08
    MASK = 0x10
    OTHER = 0x20


_NAMING = frozenset({Tag.USER, Tag.GROUP})
_ALWAYS = (Tag.USER_OBJ, Tag.GROUP_OBJ, Tag.OTHER)


class Entry(NamedTuple):
    """What one user, group or class may do: `perm` is three bits, `id` who it is where the tag names one."""

    tag: Tag
    perm: int
    id: int = _NOBODY


Acl = tuple[Entry, ...]
"""A valid ACL; without entries there is none."""


def parse(value: bytes) -> Acl:
    """The ACL in an xattr's value, none in an empty one. EINVAL; EOPNOTSUPP for another version."""
    if not value:
        return ()
    if len(value) < _HEAD.size:
        raise error(errno.EINVAL)
    if _HEAD.unpack_from(value) != (_VERSION,):
        raise error(errno.EOPNOTSUPP)
    if (len(value) - _HEAD.size) % _ENTRY.size:
        raise error(errno.EINVAL)
    try:
        acl = tuple(_entry(*fields) for fields in iter_unpack(_ENTRY.format, value[_HEAD.size :]))
    except ValueError:  # a tag that there is not
        raise error(errno.EINVAL) from None
    if acl and not _is_valid(acl):
        raise error(errno.EINVAL)
    return acl


def _entry(tag: int, perm: int, number: int) -> Entry:
    return Entry(Tag(tag), perm, number if tag in _NAMING else _NOBODY)


def _is_valid(acl: Acl) -> bool:
    tags = [entry.tag for entry in acl]
    once = [tag for tag in tags if tag not in _NAMING and tag is not Tag.MASK]
    return (
        tags == sorted(tags)
        and once == list(_ALWAYS)
        and tags.count(Tag.MASK) <= 1
        and (Tag.MASK in tags or _NAMING.isdisjoint(tags))
        and all(entry.perm <= _RWX for entry in acl)
        and all(entry.id != _NOBODY for entry in acl if entry.tag in _NAMING)
    )


def serialise(acl: Acl) -> bytes:
    """The inverse of `parse`."""
    return _HEAD.pack(_VERSION) + b"".join(_ENTRY.pack(*entry) for entry in acl)


def is_minimal(acl: Acl) -> bool:
    """Whether it says no more than a mode does."""
    return len(acl) <= len(_ALWAYS)


def mode_of(acl: Acl) -> int:
    """The nine permission bits that an access ACL shows as."""
    places = _places(acl)
    return sum(entry.perm << places[entry.tag] for entry in acl if entry.tag in places)


def with_mode(acl: Acl, mode: int) -> Acl:
    """The access ACL after chmod(2)."""
    places = _places(acl)
    return tuple(
        entry._replace(perm=mode >> places[entry.tag] & _RWX) if entry.tag in places else entry
        for entry in acl
    )


def inherit(default: Acl, mode: int) -> tuple[int, Acl]:
    """Mode and access ACL of something made with `mode` in a directory with this default ACL.

    The umask has no say. There is no ACL where the mode says it all.
    """
    access = with_mode(default, mode_of(default) & mode)
    return mode & ~0o777 | mode_of(access), () if is_minimal(access) else access


def _places(acl: Acl) -> Mapping[Tag, int]:
    """Where in a mode the permissions of which entries are: a mask stands for all but owner and others."""
    has_mask = any(entry.tag is Tag.MASK for entry in acl)
    return {Tag.USER_OBJ: 6, Tag.MASK if has_mask else Tag.GROUP_OBJ: 3, Tag.OTHER: 0}
