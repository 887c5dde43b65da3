"""A directory of the host that others change at the same time."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager

from unionfs.layers.host.directories import Directory, open_beneath
from unionfs.layers.host.store import HostStore
from unionfs.layers.paths import check_name, names_path


class SharedStore(HostStore):
    """A `HostStore` that remembers no directory: anybody may rename any of them at any time."""

    @names_path
    def directory(self, path: bytes) -> Directory:
        return open_beneath(self._root, path) if path else self._root

    def _place(self, path: bytes) -> tuple[Directory, bytes]:
        parent, slash, name = path.rpartition(b"/")
        directory = open_beneath(self._root, parent) if slash else self._root
        if not path:
            return directory, b"."
        check_name(name)
        return directory, name

    @contextmanager
    def _scan(self, path: bytes) -> Iterator[Iterator[os.DirEntry[str]]]:
        directory = Directory(self._open_directory(path), is_readable=True)
        with os.scandir(directory.fd) as entries:
            yield entries
