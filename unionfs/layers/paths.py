"""What every store does about paths: which names can be, and saying in an error which path it is about."""

from __future__ import annotations

import errno
from collections.abc import Callable
from functools import wraps
from typing import Any, TypeVar, cast

from unionfs.errors import error

_NEVER_NAMES = frozenset({b"", b".", b".."})

Method = TypeVar("Method", bound=Callable[..., Any])


def check_name(name: bytes) -> None:
    """EINVAL for what cannot name an entry on any file system. Lengths are not looked at."""
    if name in _NEVER_NAMES or b"/" in name or b"\0" in name:
        raise error(errno.EINVAL)


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
