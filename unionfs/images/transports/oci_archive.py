"""``oci-archive:FILE``: an OCI image layout in a tar."""

from __future__ import annotations

from collections.abc import Sequence

from unionfs.images import documents
from unionfs.images.blobs import ArchiveLayout
from unionfs.images.documents import Descriptor, Form
from unionfs.images.reference import Reference
from unionfs.images.transport import OpenBlob, Trust, WholeImage, WholeIndex
from unionfs.images.transports.archive_file import ArchiveFile
from unionfs.images.transports.oci import (
    INDEX_FILE,
    LAYOUT,
    LAYOUT_FILE,
    Document,
    LayoutSource,
    blob_path,
    documents_of,
    documents_of_index,
    index_entry,
)


def open_source(reference: Reference, trust: Trust) -> LayoutSource:
    return LayoutSource(reference, ArchiveLayout(reference.path, trust.limits), trust.limits)


def open_destination(reference: Reference, trust: Trust) -> ArchiveDestination:
    return ArchiveDestination(reference)


class ArchiveDestination:
    """A new archive with one image, which takes the place of a file of that name."""

    forms = frozenset({Form.OCI})
    plain = False
    concurrent = False

    def __init__(self, reference: Reference) -> None:
        self.name = reference.path
        self._tag = reference.tag
        self._archive = ArchiveFile(reference.path)
        self._archive.add_document(LAYOUT_FILE, LAYOUT)

    def has(self, layer: Descriptor, origin: Reference | None) -> bool:
        return self._archive.holds(blob_path(layer.digest))

    def add(self, layer: Descriptor, open_blob: OpenBlob) -> None:
        with open_blob() as blob:
            self._archive.add(blob_path(layer.digest), layer, blob)

    def finish(self, image: WholeImage) -> None:
        self._publish(documents_of(image))

    def finish_index(self, index: WholeIndex) -> None:
        self._publish(documents_of_index(index))

    def _publish(self, all_: Sequence[Document]) -> None:
        for descriptor, data in all_:
            self._archive.add_document(blob_path(descriptor.digest), data)
        entry = index_entry(all_[-1][0], self._tag)
        index = {"schemaVersion": 2, "mediaType": documents.OCI_INDEX, "manifests": [entry]}
        self._archive.add_document(INDEX_FILE, documents.encode(index))
        self._archive.publish()

    def close(self) -> None:
        self._archive.close()
