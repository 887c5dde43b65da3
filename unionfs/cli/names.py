"""Names of files, of which any bytes may be part, for people."""

from __future__ import annotations

from collections.abc import Iterable, Iterator


def printable(name: str) -> str:
    """One line of text, whatever the name is: what cannot be printed is written as Python does."""
    return "".join(c if c.isprintable() else repr(c)[1:-1] for c in name)


def beneath_lines(lowers: Iterable[str], image: str | None, *, unpacked: bool) -> Iterator[str]:
    """What an upper layer lies on, the top-most first, a line each."""
    for path in lowers:
        yield f"lower  {printable(path)}"
    if image:
        yield f"image  {printable(image)}{' (unpacked)' if unpacked else ''}"
