"""The time as documents have it, or the one that stands for it where builds are to be reproduced."""

from __future__ import annotations

import os
import time

from unionfs.errors import ImageError


def source_date_epoch() -> int | None:
    """``$SOURCE_DATE_EPOCH`` in seconds (reproducible-builds.org); ImageError where it is no number."""
    text = os.environ.get("SOURCE_DATE_EPOCH")
    if not text:
        return None
    if not (text.isascii() and text.isdigit()):
        raise ImageError(f"SOURCE_DATE_EPOCH is not a number of seconds: {text!r}")
    return int(text)


def now() -> str:
    """In the form of RFC 3339."""
    return time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(source_date_epoch()))
