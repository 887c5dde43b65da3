"""Names of files, of which any bytes may be part, for people."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterable, Iterator

from unionfs.errors import printable


def as_printed(name: bytes) -> bytes:
    """The name as it is for a program that reads it; on a terminal as text that does nothing to it."""
    return printable(os.fsdecode(name)).encode(errors="replace") if sys.stdout.isatty() else name


def beneath_lines(lowers: Iterable[str], image: str | None, *, unpacked: bool) -> Iterator[str]:
    """What an upper layer lies on, the top-most first, a line each."""
    for path in lowers:
        yield f"lower  {printable(path)}"
    if image:
        yield f"image  {printable(image)}{' (unpacked)' if unpacked else ''}"
