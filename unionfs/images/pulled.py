"""An image of a registry, as far as the local store has it: what came once is not asked for again.

So a mount can be looked at and committed without the registry, from its digest on.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from unionfs.errors import ImageError
from unionfs.images import documents, kept, transports
from unionfs.images.blobs import LayoutFile, MadeFile
from unionfs.images.digest import Digest
from unionfs.images.documents import Descriptor
from unionfs.images.reference import Reference
from unionfs.images.streams import HashedSource, read_all
from unionfs.images.transport import Blob, ImageSource, Remote, Trust


class PulledSource:
    """`path` says where the store keeps a blob of some digest."""

    def __init__(self, reference: Reference, trust: Trust, path: Callable[[Digest], Path]) -> None:
        self._reference = reference
        self._trust = trust
        self._path = path
        self._opened: ImageSource | None = None
        self._lock = threading.Lock()
        self.name = f"docker://{reference.path}"

    @property
    def _registry(self) -> ImageSource:
        with self._lock:
            if self._opened is None:
                self._opened = transports.open_source(self._reference, self._trust)
            return self._opened

    def root(self) -> Descriptor:
        digest = self._reference.digest
        if digest is None or not self._path(digest).is_file():
            return self._registry.root()
        what = f"{self.name}: {digest}"
        if self._path(digest).stat().st_size > self._trust.limits.document:  # as a layer may be
            raise ImageError(f"{what}: larger than {self._trust.limits.document} bytes")
        data = self._path(digest).read_bytes()
        return Descriptor(documents.media_type_of(documents.parse(data, what), what), digest, len(data))

    @contextmanager
    def open(self, descriptor: Descriptor) -> Iterator[Blob]:
        path = self._path(descriptor.digest)
        if path.is_file():
            with open(path, "rb") as file:
                yield LayoutFile(file.fileno(), 0, os.fstat(file.fileno()).st_size)
        elif documents.layer_compression(descriptor.media_type) is None:
            yield MadeFile(self._fetched(descriptor, path))
        else:
            with self._registry.open(descriptor) as blob:
                yield blob

    def _fetched(self, descriptor: Descriptor, path: Path) -> bytes:
        """A document, kept for the next time."""
        with self._registry.open(descriptor) as blob:
            source = HashedSource(blob, descriptor.digest.algorithm)
            data = read_all(source)
            source.verify(f"{self.name}: {descriptor.digest}", descriptor.digest, descriptor.size)
        with kept.aside(path) as file:
            file.write(data)
        return data

    def interrupt(self) -> None:
        if isinstance(self._opened, Remote):
            self._opened.interrupt()

    def close(self) -> None:
        if self._opened is not None:
            self._opened.close()
