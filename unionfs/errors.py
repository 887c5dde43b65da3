"""Errors: `OSError` with the right errno for file operations, a small tree for everything else.

OSError                     from every operation on files (errno and filename are set)
UnionError                  base of what is not an operation on files
├── ConfigError             layers, options or mountpoints that do not fit together
└── ImageError              an image, or an entry in one, that cannot be trusted or read
    ├── ArchiveError        a layer archive breaks a rule (names the archive and the entry)
    ├── DigestError         content does not have the digest or size it was announced with
    └── ImageNotFoundError  an image reference that names nothing, or cannot be parsed
"""

from __future__ import annotations

import os


def error(number: int, path: bytes | None = None) -> OSError:
    """The `OSError` (of the fitting subclass) for errno `number`, about `path`."""
    if path is None:
        return OSError(number, os.strerror(number))
    return OSError(number, os.strerror(number), path)


def printable(text: str) -> str:
    """One line of text, whatever is in it: what cannot be printed is written as Python does."""
    return "".join(c if c.isprintable() else repr(c)[1:-1] for c in text)


class UnionError(Exception):
    """Base of the errors that are not the outcome of a file operation.

    The text is one line for people, also where it tells what an image says of itself.
    """

    def __init__(self, message: str) -> None:
        super().__init__(printable(message))


class ConfigError(UnionError):
    """Layers, options or mountpoints that do not fit together; the message names the culprit."""


class ImageError(UnionError):
    """An image, or something inside one, that cannot be read or trusted."""


class ArchiveError(ImageError):
    """A layer archive breaks a rule; the message names the archive, the entry and the rule."""


class DigestError(ImageError):
    """Content that does not have the digest or size it was announced with."""


class ImageNotFoundError(ImageError):
    """An image reference that names nothing, or cannot be parsed."""
