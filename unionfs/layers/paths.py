"""What every store does about paths: which names can be, and saying in an error which path it is about."""

from __future__ import annotations

import errno
from collections.abc import Callable, Mapping
from functools import wraps
from typing import Any, TypeVar, cast

from unionfs.errors import error
from unionfs.types import NAME_MAX, Kind

_NEVER_NAMES = frozenset({b"", b".", b".."})

Method = TypeVar("Method", bound=Callable[..., Any])
Found = TypeVar("Found")


def check_name(name: bytes) -> None:
    """EINVAL for what cannot name an entry on any file system. Lengths are not looked at."""
    if name in _NEVER_NAMES or b"/" in name or b"\0" in name:
        raise error(errno.EINVAL)


def find(path: bytes, listing: Callable[[bytes], Mapping[bytes, Found]]) -> Found:
    """What the `listing` of the directory above has at `path`, which is not the root.

    ENOENT; ENAMETOOLONG, EINVAL for what is nowhere; and what `listing` raises.
    """
    parent, slash, name = path.rpartition(b"/")
    if slash and not parent:
        raise error(errno.EINVAL)
    found = listing(parent).get(name)
    if found is None:
        check_name(name)
        raise error(errno.ENAMETOOLONG if len(name) > NAME_MAX else errno.ENOENT)
    return found


def check_on_the_way(kind: Kind) -> None:
    """ENOTDIR for what is no directory, but was to lead somewhere; ELOOP for a symbolic link."""
    if kind is not Kind.DIR:
        raise error(errno.ELOOP if kind is Kind.SYMLINK else errno.ENOTDIR)


def names_path(method: Method) -> Method:
    """Wrap a store's method so that the `OSError`s it raises carry the path it was called with."""

    @wraps(method)
    def call(self: object, path: bytes, *args: Any, **kwargs: Any) -> Any:
        try:
            return method(self, path, *args, **kwargs)
        except OSError as failure:
            failure.filename = path
            raise

    return cast(Method, call)
