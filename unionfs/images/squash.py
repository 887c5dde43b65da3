"""Runs of layers that become one."""

from __future__ import annotations

import re
from typing import NamedTuple

from unionfs.core.union import Union
from unionfs.errors import ImageError
from unionfs.images import configuration, documents
from unionfs.images.assembly import Assembly
from unionfs.images.configuration import Line
from unionfs.images.image import Image
from unionfs.images.layer_writer import DEFAULT_OPTIONS, LayerOptions, write_layer
from unionfs.images.streams import Sink

ALL = "all"

_RUN = re.compile(r"([0-9]{1,6})\.\.([0-9]{1,6})")


class Run(NamedTuple):
    """The layers from `first` to before `last`, counted from the lowest, 0."""

    first: int
    last: int


def parse_run(text: str, layers: int) -> Run:
    """``N..M``, both counted from the lowest layer, 1, and both in it; or ``all``.

    Raises `ImageError` where an image of so many layers has no such run.
    """
    if text == ALL and layers:
        return Run(0, layers)
    match = _RUN.fullmatch(text)
    run = Run(int(match[1]) - 1, int(match[2])) if match else None
    if run is None or not 0 <= run.first < run.last <= layers:
        raise ImageError(f"--squash {text}: not N..M of the layers 1..{layers}, nor {ALL}")
    return run


def take_layers(
    assembly: Assembly,
    image: Image,
    run: Run | None = None,
    union: Union | None = None,
    options: LayerOptions = DEFAULT_OPTIONS,
) -> None:
    """Take an image's layers over, those of a run as one; of a run that goes on beyond them, none.

    `union` has the image's layers as its lowest; it is needed for a run only.
    """

    def write(sink: Sink) -> None:
        assert run is not None
        assert union is not None
        beneath = union.lowers[len(union.lowers) - run.last :]
        write_layer(Union(beneath), sink, options, above=run.last - run.first)

    for position, layer in enumerate(image.layers):
        if run is None or not run.first <= position < run.last:
            assembly.take(image, layer)
        elif position + 1 == run.last:
            assembly.write(write)


def history(config: documents.Json, layers: int, run: Run | None, created: str) -> list[Line] | None:
    """The history of an image with so many layers, a run of which has become one."""
    lines = configuration.history_of(config, layers)
    if lines is None or run is None:
        return lines
    goes_on = run.last > layers
    created_by = f"unionfs squash {run.first + 1}..{run.last}"
    line = None if goes_on else configuration.line(created, created_by)
    return configuration.squashed(lines, run.first, min(run.last, layers), line)
