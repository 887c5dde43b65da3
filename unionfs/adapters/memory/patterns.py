"""Patterns, by the rules of `pathlib.Path.glob` (as of Python 3.13)."""

from __future__ import annotations

import fnmatch
import posixpath
import re
from collections.abc import Iterator
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from unionfs.adapters.memory.filesystem import UnionFS

_MAGIC = re.compile(r"[*?\[]")


def glob(fs: UnionFS, top: str, pattern: str) -> Iterator[str]:
    """The paths below `top` that match, each once.

    ``**`` is any number of directories (at the end: of anything), symbolic links not
    followed; a pattern that ends in a slash matches directories only; a name with a
    leading dot is like any other. Raises ValueError for an empty pattern.
    """
    if not pattern:
        raise ValueError("empty pattern")
    parts = [part for part in pattern.split("/") if part not in ("", ".")]
    if pattern.endswith("/"):
        parts.append("")
    seen: set[str] = set()
    for path in _expand(fs, top, parts):
        if path not in seen:
            seen.add(path)
            yield path


def _expand(fs: UnionFS, top: str, parts: list[str]) -> Iterator[str]:
    if not parts:
        yield top
        return
    part, *rest = parts
    if part == "**":
        yield from _descend(fs, top, rest)
    elif not part:
        yield from (top,) if fs.isdir(top) else ()
    elif not _MAGIC.search(part):
        path = posixpath.join(top, part)
        yield from _expand(fs, path, rest) if fs.lexists(path) else ()
    else:
        matches = re.compile(fnmatch.translate(part)).match
        for name in filter(matches, _names(fs, top)):
            yield from _expand(fs, posixpath.join(top, name), rest)


def _descend(fs: UnionFS, top: str, rest: list[str]) -> Iterator[str]:
    for directory, _, _ in fs.walk(top):
        yield from _expand(fs, directory, rest or ["*"])
        if not rest:
            yield directory


def _names(fs: UnionFS, directory: str) -> list[str]:
    """What is in `directory`; nothing if it is none, or gone."""
    try:
        return fs.listdir(directory)
    except OSError:
        return []
