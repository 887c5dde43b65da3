"""Which extended attributes of an archive's entries there can be on a file of Linux (xattr(7)).

One verdict for unpacking and for indexing: the kernel would refuse the others, some of them
only when they are read.
"""

from __future__ import annotations

from collections.abc import Callable

from unionfs.core import acl, capabilities
from unionfs.types import Kind

_NAMESPACES = (b"user.", b"trusted.", b"security.", b"system.posix_acl_")
_WITH_USER_XATTRS = (Kind.FILE, Kind.DIR)


def can_be_held(kind: Kind, name: bytes, value: bytes) -> bool:
    if not name.startswith(_NAMESPACES) or name in _NAMESPACES:
        return False
    if name.startswith(b"user."):
        return kind in _WITH_USER_XATTRS
    if name == capabilities.XATTR:
        return _is_valid(capabilities.root_of, value)
    if name in (acl.ACCESS, acl.DEFAULT):
        return (
            kind is not Kind.SYMLINK
            and (name == acl.ACCESS or kind is Kind.DIR)
            and _is_valid(acl.parse, value)
        )
    return True


def _is_valid(parse: Callable[[bytes], object], value: bytes) -> bool:
    try:
        parse(value)
    except OSError:
        return False
    return True
