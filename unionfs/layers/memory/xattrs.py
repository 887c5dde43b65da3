"""Extended attributes of the memory store, with the rules of xattr(7) and fs/xattr.c."""

from __future__ import annotations

import errno

from unionfs.errors import error
from unionfs.layers.memory.inode import Directory, Inode, RegularFile
from unionfs.types import XattrFlags

NAME_MAX = 255
SIZE_MAX = 65536

_NAMESPACES = (b"user.", b"trusted.", b"security.")


def get(inode: Inode, name: bytes) -> bytes:
    _check(inode, name, errno.ENODATA)
    try:
        return inode.xattrs[name]
    except KeyError:
        raise error(errno.ENODATA) from None


def set_(inode: Inode, name: bytes, value: bytes, flags: XattrFlags) -> None:
    _check(inode, name, errno.EPERM)
    if len(value) > SIZE_MAX:
        raise error(errno.E2BIG)
    if XattrFlags.CREATE in flags and name in inode.xattrs:
        raise error(errno.EEXIST)
    if XattrFlags.REPLACE in flags and name not in inode.xattrs:
        raise error(errno.ENODATA)
    inode.xattrs[name] = bytes(value)
    inode.changed()


def remove(inode: Inode, name: bytes) -> None:
    _check(inode, name, errno.EPERM)
    if inode.xattrs.pop(name, None) is None:
        raise error(errno.ENODATA)
    inode.changed()


def _check(inode: Inode, name: bytes, user_refused: int) -> None:
    """Whether the name can be, and on this kind of file: user.* is for regular files and directories only."""
    if not 0 < len(name) <= NAME_MAX:
        raise error(errno.ERANGE)
    if name.startswith(b"user.") and not isinstance(inode, (RegularFile, Directory)):
        raise error(user_refused)
    if not name.startswith(_NAMESPACES):
        raise error(errno.EOPNOTSUPP)
    if name in _NAMESPACES:
        raise error(errno.EINVAL)
