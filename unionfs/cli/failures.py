"""What is said of a failure: one line that names what it was about first, as mount(8) and cp(1) do."""

from __future__ import annotations

import os

from unionfs.errors import printable


def reason(failure: Exception) -> str:
    """`failure` in words."""
    if not isinstance(failure, OSError) or failure.strerror is None:
        return str(failure)
    names = [name for name in (failure.filename, failure.filename2) if isinstance(name, (str, bytes))]
    return printable(": ".join([*map(os.fsdecode, names), failure.strerror]))
