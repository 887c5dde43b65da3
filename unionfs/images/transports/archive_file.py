"""A tar that an image is written to: under a temporary name until it is whole."""

from __future__ import annotations

import os
import posixpath
from contextlib import ExitStack
from pathlib import Path

from unionfs.images import whole_files
from unionfs.images.documents import Descriptor
from unionfs.images.entry import Entry
from unionfs.images.streams import HashedSource, chunks
from unionfs.images.tar_writer import TarWriter
from unionfs.images.transport import Blob
from unionfs.types import Kind


class ArchiveFile:
    """Members are added in turn; `publish` gives the archive its name. The same members, the same bytes."""

    def __init__(self, path: str) -> None:
        self._path = Path(path)
        self._held = ExitStack()
        self._file = self._held.enter_context(whole_files.temporary(self._path.parent))
        self._tar = TarWriter(self._file)
        self._members = {""}

    def holds(self, path: str) -> bool:
        return path in self._members

    def add(self, path: str, descriptor: Descriptor, blob: Blob) -> None:
        """Raises `DigestError` where the blob is not the one announced."""
        self._begin(path)
        source = HashedSource(blob, descriptor.digest.algorithm)
        self._tar.add(Entry(os.fsencode(path), Kind.FILE, size=descriptor.size), chunks(source))
        source.verify(f"{self._path}: {path}", descriptor.digest, descriptor.size)

    def add_document(self, path: str, data: bytes) -> None:
        if not self.holds(path):
            self._begin(path)
            self._tar.add(Entry(os.fsencode(path), Kind.FILE, size=len(data)), [data])

    def _begin(self, path: str) -> None:
        """Write the directories that a member is in, once."""
        parent = posixpath.dirname(path)
        if parent not in self._members:
            self._begin(parent)
            self._tar.add(Entry(os.fsencode(parent), Kind.DIR, 0o755))
        self._members.add(path)

    def publish(self) -> None:
        self._tar.close()
        whole_files.publish(self._file, self._path)
        whole_files.sync_directory(self._path.parent)

    def close(self) -> None:
        """Drop the archive, unless it has its name."""
        self._held.close()
