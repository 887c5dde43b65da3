"""``oci:DIR``: an OCI image layout in a directory (OCI image-spec, image-layout.md)."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

from unionfs.errors import ImageError, ImageNotFoundError
from unionfs.images import documents, whole_files
from unionfs.images.blobs import DirectoryLayout, Layout
from unionfs.images.digest import Digest
from unionfs.images.documents import Descriptor, Form, Json
from unionfs.images.limits import DEFAULT_LIMITS, Limits
from unionfs.images.reference import Reference
from unionfs.images.streams import read_all
from unionfs.images.transport import Blob, OpenBlob, Trust, WholeImage, WholeIndex
from unionfs.layers.host.locks import exclusive

LAYOUT_FILE = "oci-layout"
INDEX_FILE = "index.json"
LAYOUT = documents.encode({"imageLayoutVersion": "1.0.0"})


def blob_path(digest: Digest) -> str:
    return f"blobs/{digest.algorithm}/{digest.hex}"


def open_source(reference: Reference, trust: Trust) -> LayoutSource:
    return LayoutSource(reference, DirectoryLayout(reference.path), trust.limits)


def open_destination(reference: Reference, trust: Trust) -> LayoutDestination:
    return LayoutDestination(reference)


class LayoutSource:
    """One image of a layout, wherever the layout's files are."""

    def __init__(self, reference: Reference, layout: Layout, limits: Limits) -> None:
        self.name = layout.name
        self._reference = reference
        self._layout = layout
        self._limits = limits

    def root(self) -> Descriptor:
        choices = self._index()
        if self._reference.digest is not None:
            return self._by_digest(self._reference.digest)
        return _choose_tag(self._reference, choices)

    @contextmanager
    def open(self, descriptor: Descriptor) -> Iterator[Blob]:
        try:
            with self._layout.open(blob_path(descriptor.digest)) as file:
                yield file
        except FileNotFoundError:
            raise ImageError(f"{self.name}: blob {descriptor.digest} is missing") from None

    def close(self) -> None:
        self._layout.close()

    def _index(self) -> tuple[Descriptor, ...]:
        check_version(self._layout, self._limits)
        index = read_document(self._layout, INDEX_FILE, self._limits)
        return documents.parse_index(index, f"{self.name}/{INDEX_FILE}")

    def _by_digest(self, digest: Digest) -> Descriptor:
        """The manifest or index of this digest, whether or not the layout's index names it.

        A manifest for one platform is named in an index within the index; one whose tag has
        gone to another image is named nowhere, while a mount may still stand on it.
        """
        what = f"{self.name}: {digest}"
        try:
            with self._layout.open(blob_path(digest)) as file:
                document = documents.parse(_read_small(file, self._limits, what), what)
                return Descriptor(documents.media_type_of(document, what), digest, file.size)
        except FileNotFoundError:
            raise ImageNotFoundError(f"{self.name}: no such image: {digest}") from None


def check_version(layout: Layout, limits: Limits) -> None:
    version = read_document(layout, LAYOUT_FILE, limits).get("imageLayoutVersion")
    if not isinstance(version, str) or not version.startswith("1."):
        raise ImageError(f"{layout.name}/{LAYOUT_FILE}: unknown version {repr(version)[:80]}")


def read_document(layout: Layout, path: str, limits: Limits) -> Json:
    """A document of a layout that no digest vouches for."""
    what = f"{layout.name}/{path}"
    try:
        with layout.open(path) as file:
            return documents.parse(_read_small(file, limits, what), what)
    except FileNotFoundError:
        raise ImageNotFoundError(f"{layout.name}: not an OCI image layout: {path} is missing") from None


def _read_small(file: Blob, limits: Limits, what: str) -> bytes:
    if file.size > limits.document:
        raise ImageError(f"{what}: larger than {limits.document} bytes")
    return read_all(file)


def _choose_tag(reference: Reference, choices: tuple[Descriptor, ...]) -> Descriptor:
    """The tag's image; without a tag, the only one that there is."""
    found = [choice for choice in choices if reference.tag in (None, choice.tag)]
    # One manifest under one tag twice is still one manifest.
    if len({choice.digest for choice in found}) == 1:
        return found[0]
    names = documents.listed(sorted(choice.tag or f"@{choice.digest}" for choice in choices))
    problem = "names several images" if found else "no such image"
    raise ImageNotFoundError(f"{reference}: {problem}; there is: {names}")


Document = tuple[Descriptor, bytes]


def documents_of(image: WholeImage) -> Sequence[Document]:
    """The last is what names the others."""
    return (image.config_descriptor, image.config), (image.descriptor, image.manifest)


def documents_of_index(index: WholeIndex) -> Sequence[Document]:
    below = [each for image in index.images for each in documents_of(image)]
    return *below, *index.indexes, (index.descriptor, index.data)


def index_entry(manifest: Descriptor, tag: str | None) -> dict[str, Any]:
    """What an index says about an image."""
    entry = manifest._replace(annotations={documents.REF_NAME: tag} if tag else {})
    return entry.to_json()


class LayoutDestination:
    """An OCI layout directory, made where it is missing, that one image is added to.

    Blobs are written first, each under a temporary name and renamed when whole; the
    index, which makes the image visible, is replaced last. So a crash leaves blobs that
    nothing names, at worst, and other tags are never touched.
    """

    forms = frozenset({Form.OCI})
    plain = False
    concurrent = True

    def __init__(self, reference: Reference) -> None:
        self.name = reference.path
        self._tag = reference.tag
        self._root = Path(reference.path)
        self._changed: set[Path] = set()

    def has(self, layer: Descriptor, origin: Reference | None) -> bool:
        return whole_files.is_there(self._path(layer.digest), layer.size)

    def add(self, layer: Descriptor, open_blob: OpenBlob) -> None:
        self._prepare()
        with open_blob() as blob, whole_files.temporary(self._root) as file:
            whole_files.fill(file, layer, blob, f"{self.name}: layer {layer.digest}")
            whole_files.publish(file, self._made_path(layer.digest))

    def finish(self, image: WholeImage) -> None:
        self._write(documents_of(image))
        self._name(image.descriptor)

    def finish_index(self, index: WholeIndex) -> None:
        self._write(documents_of_index(index))
        self._name(index.descriptor)

    def _write(self, all_: Iterable[Document]) -> None:
        self._prepare()
        for descriptor, data in all_:
            whole_files.write(data, self._made_path(descriptor.digest))

    def _name(self, named: Descriptor) -> None:
        """Put all blobs on stable storage, then let the tag lead to this one."""
        for directory in self._changed:
            whole_files.sync_directory(directory)
        # The index of a directory that is no layout yet is made with the first tag.
        with exclusive(self._root / LAYOUT_FILE):
            index = dict(self._index())
            others = [item for item in index["manifests"] if _tag_of(item) != self._tag]
            index["manifests"] = [*others, index_entry(named, self._tag)]
            whole_files.write(documents.encode(index), self._root / INDEX_FILE)
            whole_files.sync_directory(self._root)

    def close(self) -> None:
        pass

    def _path(self, digest: Digest) -> Path:
        return self._root / blob_path(digest)

    def _made_path(self, digest: Digest) -> Path:
        """The path of a blob, in directories that are made, and are no links: those might lead anywhere."""
        path = self._path(digest)
        for directory in (path.parent.parent, path.parent):
            if directory.is_symlink():
                raise ImageError(f"{directory}: a symbolic link")
            directory.mkdir(exist_ok=True)
        self._changed.add(path.parent)
        return path

    def _prepare(self) -> None:
        self._root.mkdir(parents=True, exist_ok=True)
        if not (self._root / LAYOUT_FILE).exists():
            whole_files.write(LAYOUT, self._root / LAYOUT_FILE)

    def _index(self) -> Json:
        if not (self._root / INDEX_FILE).exists():
            return {"schemaVersion": 2, "mediaType": documents.OCI_INDEX, "manifests": []}
        with closing(DirectoryLayout(str(self._root))) as layout:
            check_version(layout, DEFAULT_LIMITS)
            index = read_document(layout, INDEX_FILE, DEFAULT_LIMITS)
        documents.parse_index(index, f"{self._root}/{INDEX_FILE}")
        return index


def _tag_of(item: Json) -> object:
    return (item.get("annotations") or {}).get(documents.REF_NAME)
