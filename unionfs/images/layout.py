"""Images in the OCI layout: a reference to an immutable `Image`, everything in it verified.

Documents are verified when the image is opened; a layer when it has been read to its
end, compressed (digest and size) and uncompressed (diff ID) at once.
"""

from __future__ import annotations

import platform
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass
from typing import Any

from unionfs.errors import ArchiveError, DigestError, ImageError, ImageNotFoundError
from unionfs.images import documents
from unionfs.images.blobs import INDEX_FILE, LAYOUT_FILE, ArchiveLayout, DirectoryLayout, Layout, blob_path
from unionfs.images.compression import Compression, Decompressed
from unionfs.images.digest import Digest, chain_id
from unionfs.images.documents import Descriptor, Platform
from unionfs.images.limits import DEFAULT_LIMITS, Limits
from unionfs.images.progress import Measured, Progress, silent
from unionfs.images.reference import Reference, Transport, parse_reference
from unionfs.images.streams import HashedSource, ReadAhead, Source, chunks

_INDEX_DEPTH = 4

_ARCHITECTURES = {
    "x86_64": "amd64",
    "aarch64": "arm64",
    "armv7l": "arm",
    "armv6l": "arm",
    "i686": "386",
    "i386": "386",
    "loongarch64": "loong64",
}
_LAYER_SUFFIXES = {"": Compression.NONE, "+gzip": Compression.GZIP, "+zstd": Compression.ZSTD}
_LAYER_TYPES = {
    f"application/vnd.oci.image.layer.{form}v1.tar{suffix}": compression
    for form in ("", "nondistributable.")
    for suffix, compression in _LAYER_SUFFIXES.items()
} | {
    "application/vnd.docker.image.rootfs.diff.tar": Compression.NONE,
    "application/vnd.docker.image.rootfs.diff.tar.gzip": Compression.GZIP,
    "application/vnd.docker.image.rootfs.diff.tar.zstd": Compression.ZSTD,
    "application/vnd.docker.image.rootfs.foreign.diff.tar.gzip": Compression.GZIP,
}


def host_platform() -> Platform:
    machine = platform.machine()
    return Platform("linux", _ARCHITECTURES.get(machine, machine))


class LayerStream:
    """A layer's uncompressed archive; `verify` once its end has been read."""

    def __init__(self, layer: ImageLayer, blob: Source, limits: Limits) -> None:
        self._layer = layer
        descriptor = layer.descriptor
        self._compressed = HashedSource(blob, descriptor.digest.algorithm)
        expected = _LAYER_TYPES[descriptor.media_type]
        self.decompressed = Decompressed(self._compressed, layer.name, limits, expected)
        self._plain = HashedSource(self.decompressed, layer.diff_id.algorithm)
        # One thread decompresses and hashes while the caller's makes something of it.
        self._ahead = ReadAhead(self._plain)

    def read(self, size: int, /) -> bytes:
        return self._ahead.read(size)

    def close(self) -> None:
        self._ahead.close()

    def verify(self) -> None:
        """Raises `DigestError` where the layer is not what the manifest and the configuration say."""
        for _ in chunks(self):
            pass
        self._plain.verify(f"{self._layer.name}: diff ID", self._layer.diff_id)
        self.verify_blob()

    def verify_blob(self) -> None:
        """As `verify`, for the compressed bytes alone: they can be read where the archive cannot."""
        self.close()
        descriptor = self._layer.descriptor
        self._compressed.verify(self._layer.name, descriptor.digest, descriptor.size)


@dataclass(frozen=True, slots=True)
class ImageLayer:
    """One layer of an image, before it is read."""

    image: str
    descriptor: Descriptor
    diff_id: Digest

    @property
    def name(self) -> str:
        """What messages call it."""
        return f"{self.image}: layer {self.descriptor.digest}"


@dataclass(frozen=True, slots=True)
class Image:
    """An image as it was when it was opened. Close it when its layers have been read."""

    reference: Reference
    layout: Layout
    limits: Limits
    descriptor: Descriptor
    config_descriptor: Descriptor
    config: Mapping[str, Any]
    layers: tuple[ImageLayer, ...]
    """Lowest first, as in the manifest."""

    @contextmanager
    def open_blob(self, descriptor: Descriptor) -> Iterator[Source]:
        """The bytes of a blob, not verified. Raises `ImageError` where it is missing or has another size."""
        with _open_blob(self.layout, descriptor) as blob:
            yield blob

    @contextmanager
    def open_layer(
        self, layer: ImageLayer, progress: Progress = silent, blob: Source | None = None
    ) -> Iterator[LayerStream]:
        """The layer's archive, verified when the block is left without an error.

        `blob` are the layer's bytes, where the caller has them open already.
        """
        with self.open_blob(layer.descriptor) if blob is None else nullcontext(blob) as given:
            measured = Measured(given, str(layer.descriptor.digest), layer.descriptor.size, progress)
            stream = LayerStream(layer, measured, self.limits)
            try:
                yield stream
                stream.verify()
            except ArchiveError:
                # A blob that is not the one announced explains every other complaint about it.
                stream.verify_blob()
                raise
            finally:
                stream.close()

    def verify_blob(self, layer: ImageLayer, progress: Progress = silent, blob: Source | None = None) -> None:
        """Raises `ImageError` where the layer's blob (or `blob`) is missing, or not the one announced."""
        descriptor = layer.descriptor
        with self.open_blob(descriptor) if blob is None else nullcontext(blob) as given:
            measured = Measured(given, str(descriptor.digest), descriptor.size, progress)
            source = HashedSource(measured, descriptor.digest.algorithm)
            source.verify(layer.name, descriptor.digest, descriptor.size)

    def chain_id(self, layer: ImageLayer) -> Digest:
        """What the stack up to and including `layer` is called."""
        index = self.layers.index(layer)
        return chain_id(tuple(each.diff_id for each in self.layers[: index + 1]))

    def close(self) -> None:
        self.layout.close()

    def __enter__(self) -> Image:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def open_image(reference: str | Reference, limits: Limits = DEFAULT_LIMITS) -> Image:
    """Open the image that `reference` names.

    Raises `ImageNotFoundError` where there is none, `DigestError` for a document that is not
    the one announced, `ImageError` for everything else that is wrong with it.
    """
    if isinstance(reference, str):
        reference = parse_reference(reference)
    layout = _open_layout(reference, limits)
    try:
        return _read_image(reference, layout, limits)
    except BaseException:
        layout.close()
        raise


def _open_layout(reference: Reference, limits: Limits) -> Layout:
    if reference.transport is Transport.OCI:
        return DirectoryLayout(reference.path)
    return ArchiveLayout(reference.path, limits)


def _read_image(reference: Reference, layout: Layout, limits: Limits) -> Image:
    descriptor = _manifest(reference, layout, limits)
    what = _named(layout, "manifest", descriptor)
    config_descriptor, layers = documents.parse_manifest(
        documents.parse(_read_blob(layout, descriptor, limits, what), what), what
    )
    what = _named(layout, "configuration", config_descriptor)
    config = documents.parse(_read_blob(layout, config_descriptor, limits, what), what)
    diff_ids = documents.parse_diff_ids(config, what)
    if len(diff_ids) != len(layers):
        raise ImageError(f"{what}: {len(diff_ids)} diff IDs for {len(layers)} layers")
    for layer in layers:
        if layer.media_type not in _LAYER_TYPES:
            raise ImageError(f"{layout.name}: layer {layer.digest}: unknown type {layer.media_type!r}")
    pairs = zip(layers, diff_ids, strict=True)
    return Image(
        reference=reference,
        layout=layout,
        limits=limits,
        descriptor=descriptor,
        config_descriptor=config_descriptor,
        config=config,
        layers=tuple(ImageLayer(layout.name, layer, diff_id) for layer, diff_id in pairs),
    )


def _manifest(reference: Reference, layout: Layout, limits: Limits) -> Descriptor:
    """The descriptor of the manifest that `reference` and the host's platform choose."""
    choices = _read_index(layout, limits)
    if reference.digest is not None:
        chosen = _choose_digest(reference.digest, layout, limits)
    else:
        chosen = _choose_tag(reference, choices)
    for _ in range(_INDEX_DEPTH):
        if chosen.media_type in documents.MANIFEST_TYPES:
            return chosen
        if chosen.media_type not in documents.INDEX_TYPES:
            raise ImageError(f"{layout.name}: {chosen.digest} is no image: {chosen.media_type!r}")
        what = _named(layout, "index", chosen)
        index = documents.parse(_read_blob(layout, chosen, limits, what), what)
        chosen = _choose_platform(what, documents.parse_index(index, what))
    raise ImageError(f"{layout.name}: indexes within indexes")


def _read_index(layout: Layout, limits: Limits) -> tuple[Descriptor, ...]:
    version = read_document(layout, LAYOUT_FILE, limits).get("imageLayoutVersion")
    if not isinstance(version, str) or not version.startswith("1."):
        raise ImageError(f"{layout.name}/{LAYOUT_FILE}: unknown version {version!r}")
    return documents.parse_index(read_document(layout, INDEX_FILE, limits), f"{layout.name}/{INDEX_FILE}")


def read_document(layout: Layout, path: str, limits: Limits) -> documents.Json:
    """A document of a layout that no digest vouches for."""
    what = f"{layout.name}/{path}"
    try:
        with layout.open(path) as file:
            return documents.parse(_read_all(file, file.size, limits, what), what)
    except FileNotFoundError:
        raise ImageNotFoundError(f"{layout.name}: not an OCI image layout: {path} is missing") from None


def _choose_digest(digest: Digest, layout: Layout, limits: Limits) -> Descriptor:
    """The manifest or index of this digest, whether or not the layout's index names it.

    A manifest for one platform is named in an index within the index; one whose tag has
    gone to another image is named nowhere, while a mount may still stand on it.
    """
    try:
        with layout.open(blob_path(digest)) as file:
            descriptor = Descriptor("", digest, file.size)
    except FileNotFoundError:
        raise ImageNotFoundError(f"{layout.name}: no such image: {digest}") from None
    what = f"{layout.name}: {digest}"
    document = documents.parse(_read_blob(layout, descriptor, limits, what), what)
    default = documents.OCI_INDEX if "manifests" in document else documents.OCI_MANIFEST
    return descriptor._replace(media_type=documents.field(document, "mediaType", str, what, default))


def _choose_tag(reference: Reference, choices: tuple[Descriptor, ...]) -> Descriptor:
    """The tag's image; without a tag, the only one that there is."""
    found = [choice for choice in choices if reference.tag in (None, choice.tag)]
    # One manifest under one tag twice is still one manifest.
    if len({choice.digest for choice in found}) == 1:
        return found[0]
    names = ", ".join(sorted(choice.tag or f"@{choice.digest}" for choice in choices)) or "nothing"
    problem = "names several images" if found else "no such image"
    raise ImageNotFoundError(f"{reference}: {problem}; there is: {names}")


def _choose_platform(what: str, choices: tuple[Descriptor, ...]) -> Descriptor:
    """The host's manifest, or the only one that there is."""
    host = host_platform()
    for choice in choices:
        if choice.platform is not None and choice.platform[:2] == host[:2]:
            return choice
    if len(choices) == 1:
        return choices[0]
    names = ", ".join(sorted(str(choice.platform or "of no platform") for choice in choices)) or "nothing"
    raise ImageNotFoundError(f"{what}: nothing for {host}; there is: {names}")


@contextmanager
def _open_blob(layout: Layout, descriptor: Descriptor) -> Iterator[Source]:
    try:
        with layout.open(blob_path(descriptor.digest)) as file:
            if file.size != descriptor.size:
                raise DigestError(
                    f"{layout.name}: blob {descriptor.digest} is {file.size} bytes long,"
                    f" announced as {descriptor.size}"
                )
            yield file
    except FileNotFoundError:
        raise ImageError(f"{layout.name}: blob {descriptor.digest} is missing") from None


def _read_blob(layout: Layout, descriptor: Descriptor, limits: Limits, what: str) -> bytes:
    """A small blob, verified."""
    with _open_blob(layout, descriptor) as file:
        source = HashedSource(file, descriptor.digest.algorithm)
        data = _read_all(source, descriptor.size, limits, what)
        source.verify(what, descriptor.digest, descriptor.size)
        return data


def _read_all(source: Source, size: int, limits: Limits, what: str) -> bytes:
    if size > limits.document:
        raise ImageError(f"{what}: larger than {limits.document} bytes")
    return b"".join(iter(lambda: source.read(limits.document), b""))


def _named(layout: Layout, kind: str, descriptor: Descriptor) -> str:
    return f"{layout.name}: {kind} {descriptor.digest}"
