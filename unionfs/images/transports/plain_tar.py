"""``tar:FILE``: any tar, compressed or not, as an image of one layer; written, it is not compressed."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

from unionfs.errors import ImageError, ImageNotFoundError
from unionfs.images import documents, whole_files
from unionfs.images.blobs import MAGIC_SIZE, DirectoryLayout, MadeDocuments
from unionfs.images.compression import Decompressed, sniff
from unionfs.images.digest import Digest
from unionfs.images.documents import Descriptor, Form
from unionfs.images.limits import Limits
from unionfs.images.platforms import host_platform
from unionfs.images.reference import Reference
from unionfs.images.streams import HashedSource, chunks
from unionfs.images.transport import Blob, OpenBlob, Trust, WholeImage


def open_source(reference: Reference, trust: Trust) -> TarSource:
    return TarSource(reference.path, trust.limits)


def open_destination(reference: Reference, trust: Trust) -> TarDestination:
    return TarDestination(reference.path)


class TarSource:
    """All documents are made up from the archive, which is read once for its digests."""

    def __init__(self, path: str, limits: Limits) -> None:
        self.name = path
        self._limits = limits
        directory, self._file = os.path.split(os.path.realpath(path))
        self._files = DirectoryLayout(directory or ".")
        self._documents = MadeDocuments()

    def root(self) -> Descriptor:
        try:
            with self._files.open(self._file) as file:
                compression = sniff(file.read(MAGIC_SIZE))
            with self._files.open(self._file) as file:
                packed = HashedSource(file, "sha256")
                plain = HashedSource(Decompressed(packed, self.name, self._limits), "sha256")
                for _ in chunks(plain):
                    pass
        except FileNotFoundError as missing:
            raise ImageNotFoundError(f"{self.name}: {missing.strerror}") from None
        layer = Descriptor(documents.layer_type(Form.OCI, compression), packed.digest(), packed.size)
        config = self._documents.keep(documents.OCI_CONFIG, documents.encode(_config(plain.digest())))
        manifest = documents.encode_manifest(Form.OCI, config, [layer], {})
        return self._documents.keep(documents.OCI_MANIFEST, manifest)

    @contextmanager
    def open(self, descriptor: Descriptor) -> Iterator[Blob]:
        made = self._documents.find(descriptor.digest)
        if made is not None:
            yield made
            return
        with self._files.open(self._file) as file:
            yield file

    def close(self) -> None:
        self._files.close()


def _config(diff_id: Digest) -> documents.Json:
    host = host_platform()
    return {
        "architecture": host.architecture,
        "os": host.os,
        "rootfs": {"type": "layers", "diff_ids": [str(diff_id)]},
    }


class TarDestination:
    """The archive of an image that has one layer, in place of a file of that name."""

    forms = frozenset(Form)
    plain = True
    concurrent = False

    def __init__(self, path: str) -> None:
        self.name = path
        self._path = Path(path)
        self._held = ExitStack()
        self._file = self._held.enter_context(whole_files.temporary(self._path.parent))
        self._layers = 0

    def has(self, layer: Descriptor, origin: Reference | None) -> bool:
        return False

    def add(self, layer: Descriptor, open_blob: OpenBlob) -> None:
        self._layers += 1
        if self._layers > 1:
            raise ImageError(f"{self.name}: a tar holds one layer; --squash makes one of all")
        with open_blob() as blob:
            whole_files.fill(self._file, layer, blob, f"{self.name}: layer {layer.digest}")

    def finish(self, image: WholeImage) -> None:
        if not self._layers:
            raise ImageError(f"{self.name}: the image has no layer")
        whole_files.publish(self._file, self._path)
        whole_files.sync_directory(self._path.parent)

    def close(self) -> None:
        self._held.close()
