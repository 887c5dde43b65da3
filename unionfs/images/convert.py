"""An image from one form into another, its digests verified on the way."""

from __future__ import annotations

from contextlib import closing

from unionfs.core.union import Union
from unionfs.images import configuration, dates, squash
from unionfs.images.assembly import AS_IT_IS, Assembly, Output
from unionfs.images.documents import Descriptor
from unionfs.images.image import Image
from unionfs.images.layer_writer import LayerOptions
from unionfs.images.progress import Progress, silent
from unionfs.images.store import LayerStore


def convert(
    image: Image, destination: str, *, output: Output = AS_IT_IS, progress: Progress = silent
) -> Descriptor:
    """Write an image to `destination`, a reference of any form; the manifest's descriptor.

    It keeps its digest where the destination takes it as it is. Raises `ImageError`, or
    `OSError` where the destination cannot be written; it then has the images that it had.
    """
    with Assembly(destination, image, output, progress) as assembly:
        squash.take_layers(assembly, image)
        return assembly.finish()


def convert_squashed(
    image: Image,
    squashed: str,
    destination: str,
    *,
    output: Output = AS_IT_IS,
    progress: Progress = silent,
) -> Descriptor:
    """`convert`, with a run of layers as one; `squashed` names it as `squash.parse_run` reads it."""
    run = squash.parse_run(squashed, len(image.layers))
    created = dates.now()
    config = configuration.with_history(
        image.config, squash.history(image.config, len(image.layers), run, created)
    )
    options = LayerOptions(dates.source_date_epoch())
    with (
        closing(Union(LayerStore().layers(image, progress))) as union,
        Assembly(destination, image, output, progress) as assembly,
    ):
        squash.take_layers(assembly, image, run, union, options)
        return assembly.finish(config)
