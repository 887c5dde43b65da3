"""``dir:DIR``: a manifest and its blobs side by side, as skopeo writes it for people to look at."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

from unionfs.errors import ImageError, ImageNotFoundError
from unionfs.images import documents, whole_files
from unionfs.images.blobs import DirectoryLayout
from unionfs.images.digest import Digest, digest_of
from unionfs.images.documents import Descriptor, Form
from unionfs.images.limits import Limits
from unionfs.images.reference import Reference
from unionfs.images.streams import read_all
from unionfs.images.transport import Blob, OpenBlob, Trust, WholeImage, WholeIndex

_MANIFEST = "manifest.json"
_VERSION = "version"
_VERSION_START = b"Directory Transport Version: "
_VERSION_TEXT = _VERSION_START + b"1.1\n"
_KEPT = re.compile(r"([0-9a-f]{64}|sha512-[0-9a-f]{128})(\.manifest\.json)?")
_DOCUMENT_TYPES = documents.MANIFEST_TYPES | documents.INDEX_TYPES


def open_source(reference: Reference, trust: Trust) -> DirectorySource:
    return DirectorySource(reference.path, trust.limits)


def open_destination(reference: Reference, trust: Trust) -> DirectoryDestination:
    return DirectoryDestination(reference.path)


class DirectorySource:
    def __init__(self, path: str, limits: Limits) -> None:
        self.name = path
        self._limits = limits
        self._files = DirectoryLayout(path)
        self._root: Descriptor | None = None

    def root(self) -> Descriptor:
        what = f"{self.name}/{_MANIFEST}"
        try:
            with self._files.open(_MANIFEST) as file:
                if file.size > self._limits.document:
                    raise ImageError(f"{what}: larger than {self._limits.document} bytes")
                data = read_all(file)
        except FileNotFoundError:
            raise ImageNotFoundError(f"{self.name}: no image: {_MANIFEST} is missing") from None
        media_type = documents.media_type_of(documents.parse(data, what), what)
        self._root = Descriptor(media_type, digest_of(data), len(data))
        return self._root

    @contextmanager
    def open(self, descriptor: Descriptor) -> Iterator[Blob]:
        try:
            with self._files.open(self._file(descriptor)) as file:
                yield file
        except FileNotFoundError:
            raise ImageError(f"{self.name}: blob {descriptor.digest} is missing") from None

    def _file(self, descriptor: Descriptor) -> str:
        if descriptor is self._root:
            return _MANIFEST
        is_document = descriptor.media_type in _DOCUMENT_TYPES
        return (_document_file if is_document else _blob_file)(descriptor.digest)

    def close(self) -> None:
        self._files.close()


def _blob_file(digest: Digest) -> str:
    return digest.hex if digest.algorithm == "sha256" else f"{digest.algorithm}-{digest.hex}"


def _document_file(digest: Digest) -> str:
    """A manifest's or an index's that another index names."""
    return f"{_blob_file(digest)}.{_MANIFEST}"


class DirectoryDestination:
    """A directory with one image. One that holds an image already gets the new one in its place."""

    forms = frozenset(Form)
    plain = False
    concurrent = True

    def __init__(self, path: str) -> None:
        self.name = path
        self._root = Path(path)
        self._root.mkdir(parents=True, exist_ok=True)
        if any(self._root.iterdir()) and not self._has_image():
            raise ImageNotFoundError(f"{path}: not empty, and no image of this form")

    def _has_image(self) -> bool:
        version = self._root / _VERSION
        return version.is_file() and version.read_bytes().startswith(_VERSION_START)

    def has(self, layer: Descriptor, origin: Reference | None) -> bool:
        return whole_files.is_there(self._root / _blob_file(layer.digest), layer.size)

    def add(self, layer: Descriptor, open_blob: OpenBlob) -> None:
        with open_blob() as blob, whole_files.temporary(self._root) as file:
            whole_files.fill(file, layer, blob, f"{self.name}: layer {layer.digest}")
            whole_files.publish(file, self._root / _blob_file(layer.digest))

    def finish(self, image: WholeImage) -> None:
        self._publish(image.manifest, {}, [image])

    def finish_index(self, index: WholeIndex) -> None:
        below = [*((image.descriptor, image.manifest) for image in index.images), *index.indexes]
        named = {_document_file(descriptor.digest): data for descriptor, data in below}
        self._publish(index.data, named, index.images)

    def _publish(self, root: bytes, named: Mapping[str, bytes], images: Sequence[WholeImage]) -> None:
        """Write `root` as the manifest, after what it names; what has been kept for another one goes."""
        configs = {_blob_file(image.config_descriptor.digest): image.config for image in images}
        for name, data in {**configs, **named, _VERSION: _VERSION_TEXT}.items():
            whole_files.write(data, self._root / name)
        whole_files.sync_directory(self._root)
        whole_files.write(root, self._root / _MANIFEST)
        whole_files.sync_directory(self._root)
        layers = {_blob_file(layer.digest) for image in images for layer in image.layers}
        for entry in self._root.iterdir():
            if _KEPT.fullmatch(entry.name) and entry.name not in {*configs, *named, *layers}:
                entry.unlink()

    def close(self) -> None:
        pass
