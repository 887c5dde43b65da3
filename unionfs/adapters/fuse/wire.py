"""What goes over the wire when an operation fails."""

from __future__ import annotations

import errno
import logging

_log = logging.getLogger(__name__)

_ERRNOS = range(1, 512)
"""What the kernel takes from a daemon (linux, fs/fuse/dev.c); some file systems let out its inner ones."""


def errno_of(failure: Exception) -> int:
    """The errno that answers a request which raised `failure`.

    An `OSError` is the outcome of an operation. Anything else is a fault of ours: it is
    logged with its traceback, the request is answered with EIO and the daemon lives on.
    """
    if isinstance(failure, OSError) and failure.errno and failure.errno in _ERRNOS:
        return failure.errno
    _log.error("a request failed", exc_info=failure)
    return errno.EIO
