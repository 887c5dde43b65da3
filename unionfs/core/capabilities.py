"""File capabilities as the xattr keeps them (linux/capability.h, struct vfs_ns_cap_data). Pure.

The third form has the user id that is root of the namespace which they are for. The second has
none: user 0 is root there, and so it means the same as the third form with that id.
"""

from __future__ import annotations

import errno

from unionfs.errors import error

XATTR = b"security.capability"

_REVISION_MASK = 0xFF000000
_REVISION_2 = 0x02000000
_REVISION_3 = 0x03000000
_SIZE_2 = 20
_SIZE_3 = 24


def root_of(value: bytes) -> int:
    """The user id that is root where these capabilities count. EINVAL for a value of neither form."""
    form = len(value), _magic(value) & _REVISION_MASK
    if form == (_SIZE_2, _REVISION_2):
        return 0
    if form == (_SIZE_3, _REVISION_3):
        return int.from_bytes(value[_SIZE_2:], "little")
    raise error(errno.EINVAL)


def with_root(value: bytes, root: int) -> bytes:
    """A valid value for another root; in the second form where that is user 0, as the kernel has it."""
    revision = _REVISION_3 if root else _REVISION_2
    magic = _magic(value) & ~_REVISION_MASK | revision
    return magic.to_bytes(4, "little") + value[4:_SIZE_2] + (root.to_bytes(4, "little") if root else b"")


def portable(value: bytes) -> bytes:
    """The value without a namespace, which means nothing on another host; what has neither form stays.

    Layers hold the second form (containers/storage does the same).
    """
    try:
        root_of(value)
    except OSError:
        return value
    return with_root(value, 0)


def _magic(value: bytes) -> int:
    return int.from_bytes(value[:4], "little")
