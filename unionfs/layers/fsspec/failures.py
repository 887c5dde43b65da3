"""Whatever a file system of fsspec raises, as an `OSError` that names the URL."""

from __future__ import annotations

import errno
import os
from collections.abc import Iterator
from contextlib import contextmanager

_BY_KIND: dict[type[BaseException], int] = {
    FileNotFoundError: errno.ENOENT,
    NotADirectoryError: errno.ENOTDIR,
    IsADirectoryError: errno.EISDIR,
    PermissionError: errno.EACCES,
    TimeoutError: errno.ETIMEDOUT,
    ConnectionError: errno.ECONNABORTED,
}
"""Of those that were raised with a text alone."""

_BY_STATUS = {401: errno.EACCES, 403: errno.EACCES, 404: errno.ENOENT, 410: errno.ENOENT, 416: errno.ESTALE}
"""Of HTTP (RFC 9110)."""


@contextmanager
def naming(url: str) -> Iterator[None]:
    """Let what goes wrong in the block be an `OSError` whose text has the URL and the reason."""
    try:
        yield
    except Exception as failure:  # every library behind fsspec has errors of its own
        raise as_os_error(failure, url) from failure


def as_os_error(failure: BaseException, url: str) -> OSError:
    """`failure` as what a file operation raises, with the URL and the reason as its text."""
    if isinstance(failure, FileNotFoundError) and failure.__cause__ is not None:
        failure = failure.__cause__  # fsspec's HTTP says so of whatever went wrong
    number = _number(failure)
    return OSError(number, f"{url}: {_reason(failure, number)}")


def _reason(failure: BaseException, number: int) -> str:
    if isinstance(failure, OSError) and number != errno.EIO:
        return failure.strerror or os.strerror(number)  # its text, if it has one, is the path
    return str(failure) or type(failure).__name__


def _number(failure: BaseException) -> int:
    status = getattr(failure, "status", None)
    if status in _BY_STATUS:
        return _BY_STATUS[status]
    number = getattr(failure, "errno", None)
    if isinstance(number, int):
        return number
    return next((number for kind, number in _BY_KIND.items() if isinstance(failure, kind)), errno.EIO)
