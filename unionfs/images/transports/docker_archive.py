"""``docker-archive:FILE``: what ``docker save`` writes, in all its forms (moby, image/spec).

``manifest.json`` lists the images: a configuration, tags, and the layers' archives, which
are files, symbolic links to the files of other images, or blobs of an OCI layout that
lies in the same archive. A manifest in Docker's form is made up from it.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any, NamedTuple

from unionfs.errors import DigestError, ImageError, ImageNotFoundError
from unionfs.images import documents
from unionfs.images.blobs import MAGIC_SIZE, ArchiveLayout, MadeDocuments
from unionfs.images.compression import Compression, sniff
from unionfs.images.digest import Digest
from unionfs.images.documents import Descriptor, Form
from unionfs.images.limits import Limits
from unionfs.images.reference import Reference, complete_name
from unionfs.images.streams import HashedSource, chunks, read_all
from unionfs.images.transport import Blob, OpenBlob, Trust, WholeImage
from unionfs.images.transports.archive_file import ArchiveFile

_MANIFEST = "manifest.json"
_NAMED_BY_DIGEST = re.compile(r"(?:blobs/sha256/)?([0-9a-f]{64})(?:\.json)?")


def open_source(reference: Reference, trust: Trust) -> DockerArchiveSource:
    return DockerArchiveSource(reference, trust.limits)


def open_destination(reference: Reference, trust: Trust) -> DockerArchiveDestination:
    return DockerArchiveDestination(reference)


class _Listed(NamedTuple):
    """One image of the list: paths in the archive, and names in full."""

    config: str
    layers: Sequence[str]
    tags: Sequence[str]


class DockerArchiveSource:
    """One image of an archive."""

    def __init__(self, reference: Reference, limits: Limits) -> None:
        self.name = reference.path
        self._reference = reference
        self._limits = limits
        self._files = ArchiveLayout(reference.path, limits, links=True)
        self._documents = MadeDocuments()
        self._paths: dict[Digest, str] = {}

    def root(self) -> Descriptor:
        image = _chosen(self._reference, self._listed())
        data = self._read(image.config)
        config = self._documents.keep(documents.DOCKER_CONFIG, data)
        _check_name(self.name, image.config, config.digest)
        what = f"{self.name}: {image.config}"
        diff_ids = documents.parse_diff_ids(documents.parse(data, what), what)
        if len(diff_ids) != len(image.layers):
            raise ImageError(f"{what}: {len(diff_ids)} diff IDs for {len(image.layers)} layers")
        layers = [self._layer(*pair) for pair in zip(image.layers, diff_ids, strict=True)]
        manifest = documents.encode_manifest(Form.DOCKER, config, layers, {})
        return self._documents.keep(documents.DOCKER_MANIFEST, manifest)

    @contextmanager
    def open(self, descriptor: Descriptor) -> Iterator[Blob]:
        made = self._documents.find(descriptor.digest)
        if made is not None:
            yield made
            return
        with self._open(self._paths[descriptor.digest]) as file:
            yield file

    def close(self) -> None:
        self._files.close()

    def _listed(self) -> list[_Listed]:
        what = f"{self.name}/{_MANIFEST}"
        images = documents.parse_any(self._read(_MANIFEST), what)
        if not isinstance(images, list) or not all(isinstance(image, dict) for image in images):
            raise ImageError(f"{what}: not a list of images")
        return [_listed(image, what) for image in images]

    def _layer(self, path: str, diff_id: Digest) -> Descriptor:
        """A layer's descriptor: the diff ID is an uncompressed archive's digest."""
        with self._open(path) as file:
            start = file.read(MAGIC_SIZE)
        compression = sniff(start)
        with self._open(path) as file:
            digest = diff_id if compression is Compression.NONE else _digest(file)
            self._paths[digest] = path
            return Descriptor(documents.layer_type(Form.DOCKER, compression), digest, file.size)

    def _read(self, path: str) -> bytes:
        with self._open(path) as file:
            if file.size > self._limits.document:
                raise ImageError(f"{self.name}/{path}: larger than {self._limits.document} bytes")
            return read_all(file)

    @contextmanager
    def _open(self, path: str) -> Iterator[Blob]:
        try:
            with self._files.open(path) as file:
                yield file
        except FileNotFoundError:
            raise ImageNotFoundError(f"{self.name}: {path!r} is missing") from None


def _listed(image: dict[str, Any], what: str) -> _Listed:
    config = documents.field(image, "Config", str, what)
    layers: list[Any] = documents.field(image, "Layers", list, what, [])
    tags: list[Any] = documents.field(image, "RepoTags", list, what, [])
    if not all(isinstance(text, str) for text in (*layers, *tags)):
        raise ImageError(f"{what}: a layer or a tag is no str")
    return _Listed(config, layers, [_in_full(tag) for tag in tags])


def _in_full(tag: str) -> str:
    """A tag that is none stays what it is, and is found by nobody."""
    try:
        name, version = complete_name(tag)
    except ValueError:
        return tag
    return f"{name}:{version}" if version else tag


def _chosen(reference: Reference, images: Sequence[_Listed]) -> _Listed:
    """The image of that name or at that place; where none is asked for, the only one that there is."""
    found = [
        image
        for position, image in enumerate(images)
        if reference.position in (None, position) and (reference.tag is None or reference.tag in image.tags)
    ]
    if len(found) == 1:
        return found[0]
    names = [", ".join(image.tags) or f"@{position}" for position, image in enumerate(images)]
    problem = "names several images" if found else "no such image"
    raise ImageNotFoundError(f"{reference}: {problem}; there is: {documents.listed(names)}")


def _check_name(archive: str, path: str, digest: Digest) -> None:
    """docker names a configuration by its digest: the only thing in the archive that vouches for it."""
    named = _NAMED_BY_DIGEST.fullmatch(path)
    if named and named[1] != digest.hex:
        raise DigestError(f"{archive}: {path}: its digest is {digest}")


def _digest(file: Blob) -> Digest:
    source = HashedSource(file, "sha256")
    for _ in chunks(source):
        pass
    return source.digest()


class DockerArchiveDestination:
    """A new archive with one image, which takes the place of a file of that name."""

    forms = frozenset({Form.DOCKER})
    plain = True
    concurrent = False

    def __init__(self, reference: Reference) -> None:
        self.name = reference.path
        self._tags = [reference.tag] if reference.tag else None
        self._archive = ArchiveFile(reference.path)

    def has(self, layer: Descriptor, origin: Reference | None) -> bool:
        return self._archive.holds(_layer_path(layer))

    def add(self, layer: Descriptor, open_blob: OpenBlob) -> None:
        with open_blob() as blob:
            self._archive.add(_layer_path(layer), layer, blob)

    def finish(self, image: WholeImage) -> None:
        config = f"{image.config_descriptor.digest.hex}.json"
        self._archive.add_document(config, image.config)
        layers = [_layer_path(layer) for layer in image.layers]
        listed = {"Config": config, "RepoTags": self._tags, "Layers": layers}
        self._archive.add_document(_MANIFEST, json.dumps([listed]).encode())
        self._archive.publish()

    def close(self) -> None:
        self._archive.close()


def _layer_path(layer: Descriptor) -> str:
    return f"{layer.digest.hex}.tar"
