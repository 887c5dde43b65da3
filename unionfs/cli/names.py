"""Names of files, of which any bytes may be part, for people."""

from __future__ import annotations


def printable(name: str) -> str:
    """One line of text, whatever the name is: what cannot be printed is written as Python does."""
    return "".join(c if c.isprintable() else repr(c)[1:-1] for c in name)
