"""Images: a reference to an immutable `Image`, everything in it verified.

Documents are verified when the image is opened; a layer when it has been read to its
end, compressed (digest and size) and uncompressed (diff ID) at once.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager, nullcontext
from typing import Any, NamedTuple

from unionfs.errors import ArchiveError, DigestError, ImageError, ImageNotFoundError
from unionfs.images import documents, platforms, transports
from unionfs.images.compression import Decompressed
from unionfs.images.digest import Digest, chain_ids
from unionfs.images.documents import Descriptor, Platform
from unionfs.images.limits import DEFAULT_LIMITS, Limits
from unionfs.images.progress import Measured, Progress, silent
from unionfs.images.reference import Reference, parse_reference
from unionfs.images.streams import HashedSource, ReadAhead, Source, chunks, read_all
from unionfs.images.transport import Blob, ImageSource, Trust

INDEX_DEPTH = 4
"""Documents from what a reference names to a manifest, itself the last: indexes within one another."""


class LayerStream:
    """A layer's uncompressed archive; `verify` once its end has been read."""

    def __init__(self, layer: ImageLayer, blob: Source, limits: Limits) -> None:
        self._layer = layer
        descriptor = layer.descriptor
        self._compressed = HashedSource(blob, descriptor.digest.algorithm)
        expected = documents.layer_compression(descriptor.media_type)
        self.decompressed = Decompressed(self._compressed, layer.name, limits, expected)
        self.tally = self.decompressed.tally
        """What is read is counted here; whoever takes the archive apart may go on."""
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


class ImageLayer(NamedTuple):
    """One layer of an image, before it is read."""

    image: str
    descriptor: Descriptor
    diff_id: Digest
    chain_id: Digest
    """What it is called with all beneath it: the same archive may stand in two places of a stack."""

    @property
    def name(self) -> str:
        """What messages call it."""
        return f"{self.image}: layer {self.descriptor.digest}"


class Manifest(NamedTuple):
    """A manifest and its configuration, verified; whether it is that of an image is another matter."""

    descriptor: Descriptor
    data: bytes
    config_descriptor: Descriptor
    config_data: bytes
    layers: tuple[Descriptor, ...]


class Image(NamedTuple):
    """An image as it was when it was opened. Close it when its layers have been read."""

    reference: Reference
    source: ImageSource
    limits: Limits
    descriptor: Descriptor
    manifest: bytes
    config_descriptor: Descriptor
    config_data: bytes
    config: Mapping[str, Any]
    layers: tuple[ImageLayer, ...]
    """Lowest first, as in the manifest."""

    @contextmanager
    def open_blob(self, descriptor: Descriptor) -> Iterator[Blob]:
        """The bytes of a blob, not verified. Raises `ImageError` where it is missing or has another size."""
        with open_blob(self.source, descriptor) as blob:
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

    def close(self) -> None:
        self.source.close()

    def __enter__(self) -> Image:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def open_image(
    reference: str | Reference,
    limits: Limits = DEFAULT_LIMITS,
    *,
    platform: Platform | None = None,
    tls_verify: bool = True,
) -> Image:
    """Open the image that `reference` names.

    Of an index it is the one for `platform`, by default the host's. Without `tls_verify` a
    registry is spoken to over connections that prove nothing, unencrypted ones among them.
    Raises `ImageNotFoundError` where there is none, `DigestError` for a document that is not
    the one announced, `ImageError` for everything else that is wrong with it.
    """
    if isinstance(reference, str):
        reference = parse_reference(reference)
    source = transports.open_source(reference, Trust(limits, tls_verify))
    return read_image(reference, source, limits, platform)


def read_image(reference: Reference, source: ImageSource, limits: Limits, platform: Platform | None) -> Image:
    """The image in a source, as `open_image` gives it; the source is closed with it, or at once."""
    try:
        return _read_image(reference, source, limits, platform)
    except BaseException:
        source.close()
        raise


def _read_image(
    reference: Reference, source: ImageSource, limits: Limits, platform: Platform | None
) -> Image:
    root = source.root()
    descriptor = _manifest(source, root, limits, platform)
    image = image_of(reference, source, limits, descriptor)
    if platform is not None and descriptor is root:
        _check_platform(image.config, named(source, "configuration", image.config_descriptor), platform)
    return image


def image_of(reference: Reference, source: ImageSource, limits: Limits, descriptor: Descriptor) -> Image:
    """The image of a manifest in a source. Raises `ImageError` for whatever is wrong with its documents."""
    manifest = read_manifest(source, limits, descriptor)
    return image_from(reference, source, limits, manifest)


def image_from(reference: Reference, source: ImageSource, limits: Limits, manifest: Manifest) -> Image:
    """The image that a manifest stands for; `ImageError` where it is none."""
    layers = manifest.layers
    what = named(source, "configuration", manifest.config_descriptor)
    config = documents.parse(manifest.config_data, what)
    if len(layers) > limits.layers:
        raise ImageError(f"{source.name}: {len(layers)} layers, more than {limits.layers}")
    diff_ids = documents.parse_diff_ids(config, what)
    if len(diff_ids) != len(layers):
        raise ImageError(f"{what}: {len(diff_ids)} diff IDs for {len(layers)} layers")
    for layer in layers:
        if documents.layer_compression(layer.media_type) is None:
            raise ImageError(f"{source.name}: layer {layer.digest}: unknown type {layer.media_type!r}")
    known = zip(layers, diff_ids, chain_ids(diff_ids), strict=True)
    return Image(
        reference=reference,
        source=source,
        limits=limits,
        descriptor=manifest.descriptor,
        manifest=manifest.data,
        config_descriptor=manifest.config_descriptor,
        config_data=manifest.config_data,
        config=config,
        layers=tuple(ImageLayer(source.name, *each) for each in known),
    )


def read_manifest(source: ImageSource, limits: Limits, descriptor: Descriptor) -> Manifest:
    """Raises `ImageError` where one of the two documents is not as it was announced."""
    what = named(source, "manifest", descriptor)
    data = read_blob(source, descriptor, limits, what)
    config, layers = documents.parse_manifest(documents.parse(data, what), what)
    config_data = read_blob(source, config, limits, named(source, "configuration", config))
    return Manifest(descriptor, data, config, config_data, layers)


def _manifest(
    source: ImageSource, chosen: Descriptor, limits: Limits, platform: Platform | None
) -> Descriptor:
    """The descriptor of the manifest that what a reference names and the platform choose."""
    for _ in range(INDEX_DEPTH):
        if chosen.media_type in documents.MANIFEST_TYPES:
            return chosen
        if chosen.media_type not in documents.INDEX_TYPES:
            raise ImageError(f"{source.name}: {chosen.digest} is no image: {chosen.media_type!r}")
        what = named(source, "index", chosen)
        index = documents.parse(read_blob(source, chosen, limits, what), what)
        chosen = platforms.choose(what, documents.parse_index(index, what), platform)
    raise ImageError(f"{source.name}: indexes within indexes")


def _check_platform(config: documents.Json, what: str, wanted: Platform) -> None:
    """An image of its own, in no index, says in its configuration what it is for."""
    names = [documents.field(config, key, str, what, "") for key in ("os", "architecture", "variant")]
    if not platforms.runs_on(Platform(*names), wanted):
        raise ImageNotFoundError(f"{what}: nothing for {wanted}; there is: {Platform(*names)}")


@contextmanager
def open_blob(source: ImageSource, descriptor: Descriptor) -> Iterator[Blob]:
    """The bytes of a blob, not verified. Raises `ImageError` where it is missing or has another size."""
    with source.open(descriptor) as blob:
        if blob.size != descriptor.size:
            raise DigestError(
                f"{source.name}: blob {descriptor.digest} is {blob.size} bytes long,"
                f" announced as {descriptor.size}"
            )
        yield blob


def read_blob(source: ImageSource, descriptor: Descriptor, limits: Limits, what: str) -> bytes:
    """A small blob, verified; `what` is what messages call it."""
    if descriptor.size > limits.document:
        raise ImageError(f"{what}: larger than {limits.document} bytes")
    with open_blob(source, descriptor) as blob:
        hashed = HashedSource(blob, descriptor.digest.algorithm)
        data = read_all(hashed)
        hashed.verify(what, descriptor.digest, descriptor.size)
        return data


def named(source: ImageSource, kind: str, descriptor: Descriptor) -> str:
    """What messages call a document of a source."""
    return f"{source.name}: {kind} {descriptor.digest}"
