"""What a command's arguments stand for: an image to mount, a mount to look at."""

from __future__ import annotations

import argparse
import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, nullcontext
from typing import TYPE_CHECKING

from unionfs.cli import image_options, upper
from unionfs.errors import ConfigError

if TYPE_CHECKING:
    from unionfs.adapters.mountinfo import MountInfo
    from unionfs.adapters.options import Options
    from unionfs.core.layer import Layer
    from unionfs.core.union import Union
    from unionfs.images import Image


def image_layers(args: argparse.Namespace, reference: str) -> tuple[str, list[Layer]]:
    """A reference that means the same image from anywhere and at any time, and the image's layers."""
    from unionfs import images

    with image_options.open_image(args, reference) as image:
        return str(image.reference.pinned(image.descriptor.digest)), images.image_layers(image)


@contextmanager
def inspected(
    target: str, *, base: str | None = None, words: Sequence[str] = ()
) -> Iterator[tuple[Union, Image | None]]:
    """The union that is mounted on `target`, or has it as its upper, and the image beneath it.

    Where nothing such is mounted, `target` is the name of an upper; or an upper directory that
    lies on the image `base` and on what the option `words` name, if on anything.
    """
    from unionfs.adapters import stack

    options, reference = _described(target, base, words)
    image, layers = _opened(reference) if reference else (None, [])
    with image or nullcontext(), stack.inspected(options, layers) as union:
        yield union, image


def _described(target: str, base: str | None, words: Sequence[str]) -> tuple[Options, str | None]:
    from unionfs.adapters import stack
    from unionfs.adapters.fuse import records
    from unionfs.adapters.mountinfo import mounted_at
    from unionfs.adapters.options import Options, parse

    record = records.of(target)
    mounted = mounted_at(os.path.realpath(target))
    if (record or _is_overlay(mounted)) and (base or words):
        raise ConfigError(f"{target}: mounted, so --base and -o say nothing")
    if record:
        return record.options, record.image
    named = None if os.path.lexists(target) else upper.uppers().find(target)
    if named:
        return Options(lowers=named.beneath.lowers, upper=named.upper), named.beneath.image
    if mounted is not None and _is_overlay(mounted):
        return parse([mounted.options]), None
    return stack.absolute(parse(words)._replace(upper=target)), base


def _is_overlay(mounted: MountInfo | None) -> bool:
    """Whether it is a mount of the kernel's overlayfs, which says which layers it has."""
    return mounted is not None and mounted.type == "overlay"


def _opened(reference: str) -> tuple[Image, list[Layer]]:
    from unionfs import images

    return images.open_layers(reference)
