"""An image in the making: layers taken over from others or written anew, then its documents."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from functools import partial
from typing import IO, Any, NamedTuple

from unionfs.errors import ImageError
from unionfs.images import configuration, documents, transports
from unionfs.images.blobs import LayoutFile
from unionfs.images.compression import CompressingSink, Compression
from unionfs.images.copies import Copies
from unionfs.images.digest import Digest, digest_of
from unionfs.images.documents import Descriptor, Form, Json
from unionfs.images.image import Image, ImageLayer
from unionfs.images.progress import Measured, Progress, silent
from unionfs.images.reference import parse_reference
from unionfs.images.streams import HashedSink, Sink, chunks
from unionfs.images.transport import Blob, Trust, WholeImage

Write = Callable[[Sink], object]
"""Writes a layer's uncompressed archive."""

_SCRATCH = "/var/tmp"
"""Where a layer is kept until its digest is known; not in memory, where /tmp often is."""


class WrittenLayer(NamedTuple):
    """A layer as it was written: its blob, and what its uncompressed archive is called."""

    descriptor: Descriptor
    diff_id: Digest


class Output(NamedTuple):
    """How an image is written, where that is not left to the destination and the base.

    `format` is that of the manifest, `compression` that of all layers. By default the
    base's layers stay as they are, and new ones are compressed with gzip.
    """

    format: Form | None = None
    compression: Compression | None = None
    tls_verify: bool = True


AS_IT_IS = Output()


class Assembly:
    """Layers are added from the lowest up; `finish` makes the image visible at its destination."""

    def __init__(
        self,
        destination: str,
        base: Image | None = None,
        output: Output = AS_IT_IS,
        progress: Progress = silent,
    ) -> None:
        """`base` is the image that the new one is made from."""
        self._base = base
        self._layers: list[WrittenLayer] = []
        self._destination = transports.open_destination(
            parse_reference(destination), Trust(tls_verify=output.tls_verify)
        )
        self._copies = Copies(self._destination, progress)
        try:
            self._form = self._chosen_form(output.format)
            self._compression = self._chosen_compression(output.compression)
        except BaseException:
            self._destination.close()
            raise

    def _chosen_form(self, wanted: Form | None) -> Form:
        possible = self._destination.forms
        if wanted is None:
            usual = documents.form_of(self._base.descriptor.media_type) if self._base else Form.OCI
            return usual if usual in possible else next(iter(possible))
        if wanted not in possible:
            raise ImageError(f"{self._destination.name}: cannot keep a manifest of the form {wanted.value!r}")
        return wanted

    def _chosen_compression(self, wanted: Compression | None) -> Compression | None:
        if not self._destination.plain:
            return wanted
        if wanted not in (None, Compression.NONE):
            raise ImageError(f"{self._destination.name}: keeps layers without compression only")
        return Compression.NONE

    def take(self, image: Image, layer: ImageLayer) -> None:
        """Take a layer of another image over: byte for byte, unless its compression is not the one wanted."""
        if self._compression not in (None, documents.layer_compression(layer.descriptor.media_type)):
            self._recompress(image, layer)
            return
        descriptor = layer.descriptor
        if documents.form_of(image.descriptor.media_type) is not self._form:
            descriptor = documents.in_form(descriptor, self._form)
        self._copies.add(image.source, image.reference, layer.descriptor, descriptor)
        self._layers.append(WrittenLayer(descriptor, layer.diff_id))

    def _recompress(self, image: Image, layer: ImageLayer) -> None:
        def write(sink: Sink) -> None:
            with image.open_layer(layer, self._copies.meanwhile) as archive:
                for data in chunks(archive):
                    sink.write(data)

        self.write(write)

    def write(self, write: Write) -> None:
        """Add a layer that `write` writes."""
        compression = Compression.GZIP if self._compression is None else self._compression
        with tempfile.TemporaryFile(dir=os.environ.get("TMPDIR", _SCRATCH)) as file:
            blob = HashedSink(file)
            packed = CompressingSink(compression, blob)
            plain = HashedSink(packed)
            write(plain)
            packed.close()
            file.flush()
            media_type = documents.layer_type(self._form, compression)
            descriptor = Descriptor(media_type, blob.digest(), blob.size)
            if not self._destination.has(descriptor, None):
                reopen = partial(_reopen, file, descriptor, self._copies.meanwhile)
                self._destination.add(descriptor, reopen)
        self._layers.append(WrittenLayer(descriptor, plain.digest()))

    def finish(self, config: Json | None = None) -> Descriptor:
        """Write the documents; the manifest's descriptor.

        The layers are put into `config`. Without it the configuration is the base's, byte for byte.
        """
        if config is not None:
            diff_ids = (layer.diff_id for layer in self._layers)
            data = documents.encode(configuration.with_layers(config, diff_ids))
        else:
            assert self._base is not None
            data = self._base.config_data
        config_descriptor = Descriptor(documents.config_type(self._form), digest_of(data), len(data))
        layers = tuple(layer.descriptor for layer in self._layers)
        manifest = self._manifest(config_descriptor, layers)
        descriptor = Descriptor(documents.manifest_type(self._form), digest_of(manifest), len(manifest))
        image = WholeImage(manifest, descriptor, data, config_descriptor, layers)
        self._copies.finish()
        self._destination.finish(image)
        return descriptor

    def _manifest(self, config: Descriptor, layers: tuple[Descriptor, ...]) -> bytes:
        """The base's, byte for byte, where it says the same."""
        base = self._base
        if base is not None and self._says_the_same(base, config, layers):
            return base.manifest
        annotations = _annotations(base) if base else {}
        return documents.encode_manifest(self._form, config, layers, annotations)

    def _says_the_same(self, base: Image, config: Descriptor, layers: tuple[Descriptor, ...]) -> bool:
        return (
            documents.form_of(base.descriptor.media_type) is self._form
            and base.config_descriptor.digest == config.digest
            and tuple(layer.descriptor for layer in base.layers) == layers
        )

    def __enter__(self) -> Assembly:
        return self

    def __exit__(self, *raised: Any) -> None:
        try:
            self._copies.__exit__(*raised)
        finally:
            self._destination.close()


def _annotations(base: Image) -> Mapping[str, str]:
    what = f"{base.source.name}: manifest"
    found: dict[str, str] = documents.field(
        documents.parse(base.manifest, what), "annotations", dict, what, {}
    )
    return found


@contextmanager
def _reopen(file: IO[bytes], descriptor: Descriptor, progress: Progress) -> Iterator[Blob]:
    blob = LayoutFile(file.fileno(), 0, descriptor.size)
    yield Measured(blob, str(descriptor.digest), descriptor.size, progress)
