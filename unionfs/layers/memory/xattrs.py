"""Extended attributes of the memory store, with the rules of xattr(7) and fs/xattr.c."""

from __future__ import annotations

import errno

from unionfs.core import acl
from unionfs.errors import error
from unionfs.layers.memory.inode import Directory, Inode, RegularFile, Symlink
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
    if name in acl.NAMES:
        _set_acl(inode, name, acl.parse(value))
        return
    if XattrFlags.CREATE in flags and name in inode.xattrs:
        raise error(errno.EEXIST)
    if XattrFlags.REPLACE in flags and name not in inode.xattrs:
        raise error(errno.ENODATA)
    inode.xattrs[name] = bytes(value)
    inode.changed()


def remove(inode: Inode, name: bytes) -> None:
    _check(inode, name, errno.EPERM)
    if inode.xattrs.pop(name, None) is None and name not in acl.NAMES:
        raise error(errno.ENODATA)
    inode.changed()


def _set_acl(inode: Inode, name: bytes, entries: acl.Acl) -> None:
    """An access ACL is kept only as far as the mode, which follows it, does not say it; see acl(5)."""
    if name == acl.DEFAULT and entries and not isinstance(inode, Directory):
        raise error(errno.EACCES)
    if name == acl.ACCESS and entries:
        inode.mode = inode.mode & ~0o777 | acl.mode_of(entries)
    inode.xattrs.pop(name, None)
    if entries and not (name == acl.ACCESS and acl.is_minimal(entries)):
        inode.xattrs[name] = acl.serialise(entries)
    inode.changed()


def follow_mode(inode: Inode) -> None:
    """The mode has been set: an access ACL says the same from now on."""
    access = inode.xattrs.get(acl.ACCESS)
    if access is not None:
        inode.xattrs[acl.ACCESS] = acl.serialise(acl.with_mode(acl.parse(access), inode.mode))


def _check(inode: Inode, name: bytes, user_refused: int) -> None:
    """Whether the name can be, and on this kind of file: user.* is for regular files and directories only."""
    if not 0 < len(name) <= NAME_MAX:
        raise error(errno.ERANGE)
    if name.startswith(b"user.") and not isinstance(inode, (RegularFile, Directory)):
        raise error(user_refused)
    if name in acl.NAMES and not isinstance(inode, Symlink):
        return
    if not name.startswith(_NAMESPACES):
        raise error(errno.EOPNOTSUPP)
    if name in _NAMESPACES:
        raise error(errno.EINVAL)
