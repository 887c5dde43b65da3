"""Fill a store from a mapping, in one call."""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import NamedTuple

from unionfs.core.store import WritableStore


class Symlink(NamedTuple):
    """A symbolic link, as a value of `fill` and `MemoryStore.of`."""

    target: str | bytes


Content = bytes | Symlink | None


def fill(store: WritableStore, entries: Mapping[str, Content]) -> None:
    """Make every entry: bytes a file (0644), `Symlink` a link, None a directory (0755); parents as needed."""
    for given, content in entries.items():
        path = os.fsencode(given)
        _make_parents(store, path)
        if content is None:
            _make_directory(store, path)
        elif isinstance(content, Symlink):
            store.symlink(path, os.fsencode(content.target))
        else:
            _make_file(store, path, content)


def _make_parents(store: WritableStore, path: bytes) -> None:
    names = path.split(b"/")
    for depth in range(1, len(names)):
        _make_directory(store, b"/".join(names[:depth]))


def _make_directory(store: WritableStore, path: bytes) -> None:
    try:
        store.mkdir(path, 0o755)
    except FileExistsError:
        pass


def _make_file(store: WritableStore, path: bytes, content: bytes) -> None:
    file = store.create(path, 0o644)
    try:
        written = 0
        while written < len(content):
            written += file.pwrite(content[written:], written)
    finally:
        file.close()
