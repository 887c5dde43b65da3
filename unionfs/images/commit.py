"""A union's changes as a new image: one more layer on top of the image that it came from.

The destination is an OCI layout directory, made where it is missing. Blobs are written
first, each under a temporary name and renamed when whole; the index, which makes the
image visible, is replaced last. So a crash leaves blobs that nothing names, at worst,
and other tags are never touched.
"""

from __future__ import annotations

import os
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import IO, Any

from unionfs.core.union import Union
from unionfs.errors import ImageNotFoundError
from unionfs.images import documents
from unionfs.images.blobs import INDEX_FILE, LAYOUT_FILE, DirectoryLayout, blob_path
from unionfs.images.digest import Digest, digest_of
from unionfs.images.documents import Descriptor, Json
from unionfs.images.layer_writer import WrittenLayer, source_date_epoch, write_layer
from unionfs.images.layout import Image, host_platform, read_document
from unionfs.images.limits import DEFAULT_LIMITS
from unionfs.images.locks import exclusive, sync_directory
from unionfs.images.progress import Measured, Progress, silent
from unionfs.images.reference import Reference, Transport, parse_reference
from unionfs.images.streams import HashedSource, Sink, chunks

_OCI_TYPES = {
    "application/vnd.docker.image.rootfs.diff.tar": documents.OCI_LAYER,
    "application/vnd.docker.image.rootfs.diff.tar.gzip": documents.OCI_LAYER + "+gzip",
    "application/vnd.docker.image.rootfs.diff.tar.zstd": documents.OCI_LAYER + "+zstd",
}


def commit(
    union: Union,
    base: Image | None,
    destination: str,
    *,
    created_by: str = "unionfs commit",
    progress: Progress = silent,
) -> Descriptor:
    """Write the image `base` plus the union's changes to `destination` (``oci:DIR:TAG``).

    Without `base` the image has one layer. ``$SOURCE_DATE_EPOCH`` is the latest time of
    anything in it. Returns the manifest's descriptor. Raises `ImageError`, or `OSError`
    where the directory cannot be written; the destination then has the images it had.
    """
    write = partial(write_layer, union, latest=source_date_epoch())
    return add_layer(base, write, destination, created_by=created_by, progress=progress)


def add_layer(
    base: Image | None,
    write: Callable[[Sink], WrittenLayer],
    destination: str,
    *,
    created_by: str,
    progress: Progress = silent,
) -> Descriptor:
    """`commit` for a layer that comes from elsewhere: `write` writes its archive."""
    reference = _parse_destination(destination)
    epoch = source_date_epoch()
    layout = _LayoutWriter(Path(reference.path))
    if base is not None:
        layout.copy_layers(base, progress)
    with layout.new_blob() as file:
        layer = write(file)
        layout.keep(file, layer.digest)
    config = layout.add_document(_config(base, layer, created_by, epoch), documents.OCI_CONFIG)
    manifest = layout.add_document(_manifest(base, layer, config), documents.OCI_MANIFEST)
    layout.tag(reference, manifest)
    return manifest


def _parse_destination(text: str) -> Reference:
    reference = parse_reference(text)
    if reference.transport is not Transport.OCI or reference.tag is None:
        raise ImageNotFoundError(f"{text!r}: an image is committed to oci:DIR:TAG")
    return reference


def _config(base: Image | None, layer: WrittenLayer, created_by: str, epoch: int | None) -> Json:
    created = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(epoch))
    host = host_platform()
    config: dict[str, Any] = {"architecture": host.architecture, "os": host.os}
    diff_ids: list[str] = []
    if base is not None:
        config = dict(base.config)
        diff_ids = [str(each.diff_id) for each in base.layers]
    config["created"] = created
    config["rootfs"] = {"type": "layers", "diff_ids": [*diff_ids, str(layer.diff_id)]}
    history: list[Any] = documents.field(config, "history", list, "configuration", [])
    # A history that is there has a line for every layer (OCI image-spec, config.md).
    if history or not diff_ids:
        config["history"] = [*history, {"created": created, "created_by": created_by}]
    return config


def _manifest(base: Image | None, layer: WrittenLayer, config: Descriptor) -> Json:
    top = Descriptor(documents.OCI_LAYER + "+gzip", layer.digest, layer.size)
    layers = [*_oci_layers(base), top]
    return {
        "schemaVersion": 2,
        "mediaType": documents.OCI_MANIFEST,
        "config": config.to_json(),
        "layers": [each.to_json() for each in layers],
    }


def _oci_layers(base: Image | None) -> Sequence[Descriptor]:
    """The base's layers, under OCI's names where Docker has others for the same thing."""
    descriptors = [] if base is None else [layer.descriptor for layer in base.layers]
    return [
        each._replace(media_type=_OCI_TYPES.get(each.media_type, each.media_type)) for each in descriptors
    ]


class _LayoutWriter:
    """An OCI layout directory that images are added to."""

    def __init__(self, root: Path) -> None:
        self._root = root
        root.mkdir(parents=True, exist_ok=True)
        # The index of a directory that is no layout yet is made with the first tag.
        if not (root / LAYOUT_FILE).exists():
            self._replace(LAYOUT_FILE, documents.encode({"imageLayoutVersion": "1.0.0"}))

    @contextmanager
    def new_blob(self) -> Iterator[IO[bytes]]:
        """A file for a blob that is not whole yet; it goes away unless it was kept."""
        with _temporary(self._root) as file:
            yield file

    def keep(self, file: IO[bytes], digest: Digest) -> None:
        """Give a blob that is whole its name."""
        path = self._root / blob_path(digest)
        path.parent.mkdir(parents=True, exist_ok=True)
        _publish(file, path)

    def add_document(self, document: Json, media_type: str) -> Descriptor:
        data = documents.encode(document)
        digest = digest_of(data)
        with self.new_blob() as file:
            file.write(data)
            self.keep(file, digest)
        return Descriptor(media_type, digest, len(data))

    def copy_layers(self, base: Image, progress: Progress) -> None:
        for layer in base.layers:
            self._copy(base, layer.descriptor, progress)

    def _copy(self, base: Image, descriptor: Descriptor, progress: Progress) -> None:
        path = self._root / blob_path(descriptor.digest)
        if path.is_file() and path.stat().st_size == descriptor.size:
            return
        with base.open_blob(descriptor) as blob, self.new_blob() as file:
            measured = Measured(blob, str(descriptor.digest), descriptor.size, progress)
            source = HashedSource(measured, descriptor.digest.algorithm)
            for data in chunks(source):
                file.write(data)
            source.verify(f"{base.layout.name}: layer", descriptor.digest, descriptor.size)
            self.keep(file, descriptor.digest)

    def tag(self, reference: Reference, manifest: Descriptor) -> None:
        """Make the tag name this manifest, and it alone."""
        with exclusive(self._root / LAYOUT_FILE):
            index = dict(self._index())
            entry = manifest.to_json() | {"annotations": {documents.REF_NAME: reference.tag}}
            others = [item for item in index["manifests"] if _tag_of(item) != reference.tag]
            index["manifests"] = [*others, entry]
            self._replace(INDEX_FILE, documents.encode(index))

    def _index(self) -> Json:
        if not (self._root / INDEX_FILE).exists():
            return {"schemaVersion": 2, "mediaType": documents.OCI_INDEX, "manifests": []}
        layout = DirectoryLayout(str(self._root))
        try:
            index = read_document(layout, INDEX_FILE, DEFAULT_LIMITS)
        finally:
            layout.close()
        documents.parse_index(index, f"{self._root}/{INDEX_FILE}")
        return index

    def _replace(self, name: str, data: bytes) -> None:
        with _temporary(self._root) as file:
            file.write(data)
            _publish(file, self._root / name)


def _tag_of(item: Json) -> object:
    return (item.get("annotations") or {}).get(documents.REF_NAME)


@contextmanager
def _temporary(directory: Path) -> Iterator[IO[bytes]]:
    with tempfile.NamedTemporaryFile(dir=directory, prefix=".unionfs-", delete=False) as file:
        try:
            yield file
        finally:
            Path(file.name).unlink(missing_ok=True)


def _publish(file: IO[bytes], path: Path) -> None:
    """Rename a whole temporary file to `path`, on stable storage."""
    file.flush()
    os.fchmod(file.fileno(), 0o644)
    os.fsync(file.fileno())
    os.rename(file.name, path)
    sync_directory(path.parent)
