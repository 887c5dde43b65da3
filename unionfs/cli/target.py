"""What a command's arguments stand for: an image to mount, a mount to look at."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from unionfs.core.layer import Layer
    from unionfs.core.union import Union
    from unionfs.images import Image


def image_layers(reference: str) -> tuple[str, list[Layer]]:
    """A reference that means the same image from anywhere and at any time, and the image's layers."""
    image, layers = _opened(reference)
    with image:
        return str(image.reference.pinned(image.descriptor.digest)), layers


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
    image, layers = _opened(record.image) if record and record.image else (None, [])
    with image or nullcontext(), stack.inspected(options, layers) as union:
        yield union, image


def _opened(reference: str) -> tuple[Image, list[Layer]]:
    from unionfs import images

    return images.open_layers(reference)
