"""What a command's arguments stand for: an image, a path in one, a mount to look at."""

from __future__ import annotations

import argparse
import os
from collections.abc import Iterator
from contextlib import closing, contextmanager, nullcontext
from typing import TYPE_CHECKING

from unionfs.cli import limits
from unionfs.cli.progress import Line

if TYPE_CHECKING:
    from unionfs.adapters.memory.filesystem import UnionFS
    from unionfs.core.layer import Layer
    from unionfs.core.union import Union
    from unionfs.images import Image, Limits

IMAGE_PATH = "IMAGE[:/PATH]"


def image_layers(
    reference: str, believed: Limits | None = None, *, unpacked: bool = False
) -> tuple[str, list[Layer]]:
    """A reference that means the same image from anywhere and at any time, and the image's layers."""
    image, layers = opened(reference, believed, unpacked=unpacked)
    with image:
        return _pinned(image), layers


@contextmanager
def inspected(target: str) -> Iterator[tuple[Union, Image | None]]:
    """The union that is mounted on `target`, or has it as its upper, and the image beneath it.

    Where nothing such is mounted, `target` is taken for an upper directory with nothing beneath it.
    """
    from unionfs.adapters import stack
    from unionfs.adapters.fuse import records
    from unionfs.adapters.options import Options

    record = records.of(target)
    options = record.options if record else Options(upper=os.path.abspath(target))
    image: Image | None = None
    layers: list[Layer] = []
    if record and record.image:
        image, layers = opened(record.image, unpacked=record.unpacked)
    with image or nullcontext(), stack.inspected(options, layers) as union:
        yield union, image


@contextmanager
def shown_image(args: argparse.Namespace) -> Iterator[tuple[UnionFS, str]]:
    """The union over the image that ``args.image`` names, and the path in it that it names, to look at."""
    from unionfs.adapters.memory.filesystem import UnionFS

    reference, path = split_path(args.image)
    with image_union(reference, limits.limits(args)) as union:
        yield UnionFS.over(union), path


@contextmanager
def image_union(reference: str, believed: Limits) -> Iterator[Union]:
    """The union over an image, to look at."""
    from unionfs.core.union import Union

    image, layers = opened(reference, believed)
    image.close()
    with closing(Union(layers)) as union:
        yield union


def split_path(text: str) -> tuple[str, str]:
    """``IMAGE[:/PATH]``: a path begins with a slash, and no part of a reference has ``:/`` in it.

    But for the colon after its transport, which is passed over.
    """
    transport, colon, rest = text.partition(":")
    at = rest.find(":/", 1)
    return (text, "/") if at < 0 else (f"{transport}{colon}{rest[:at]}", rest[at + 1 :])


def opened(
    reference: str, believed: Limits | None = None, *, unpacked: bool = False
) -> tuple[Image, list[Layer]]:
    """The image and its layers, out of the local store; progress is told."""
    from unionfs import images

    line = Line()
    try:
        return images.open_layers(reference, None, believed or images.DEFAULT_LIMITS, line, unpacked=unpacked)
    finally:
        line.clear()


def _pinned(image: Image) -> str:
    path = os.path.abspath(image.reference.path)
    return str(image.reference._replace(path=path, tag=None, digest=image.descriptor.digest))
