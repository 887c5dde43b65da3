"""Paths as callers give them, and back in the form they gave: str, bytes or PathLike."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, AnyStr, TypeAlias

AnyPath: TypeAlias = str | bytes | os.PathLike[str] | os.PathLike[bytes]
Path: TypeAlias = AnyStr | os.PathLike[AnyStr]


def encode(path: AnyPath) -> bytes:
    """`path` as bytes: UTF-8 with surrogateescape, as `os.fsencode` does under a UTF-8 locale.

    Raises ValueError for a NUL in it, as every call of `os` does.
    """
    given = os.fspath(path)
    data = given.encode("utf-8", "surrogateescape") if isinstance(given, str) else given
    if b"\0" in data:
        raise ValueError("embedded null byte")
    return data


def decode(data: bytes) -> str:
    """The inverse of `encode`, for every bytes."""
    return data.decode("utf-8", "surrogateescape")


def like(path: AnyStr, data: bytes) -> AnyStr:
    """`data` in the form of `path`: str for str, bytes for bytes."""
    if isinstance(path, bytes):
        return data
    return decode(data)


@contextmanager
def naming(path: Any, path2: Any = None) -> Iterator[None]:
    """Let an `OSError` name the paths that the caller gave, instead of those within the union."""
    try:
        yield
    except OSError as failure:
        failure.filename = os.fspath(path)
        if path2 is None:
            del failure.filename2  # a None that was set is shown: "… -> None"
        else:
            failure.filename2 = os.fspath(path2)
        raise
