"""What a command's arguments stand for: an image, a path in one, a mount to look at."""

from __future__ import annotations

import argparse
import os
import re
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager, nullcontext
from typing import TYPE_CHECKING, NamedTuple

from unionfs.cli import image_options, upper
from unionfs.cli.image_options import AS_USUAL, Source
from unionfs.cli.progress import Line
from unionfs.errors import ConfigError
from unionfs.layers.urls import is_url

if TYPE_CHECKING:
    from unionfs.adapters.memory.filesystem import UnionFS
    from unionfs.adapters.mountinfo import MountInfo
    from unionfs.adapters.options import Options
    from unionfs.core.layer import Layer
    from unionfs.core.union import Union
    from unionfs.images import Image

_PATH = re.compile(r"([^:]*:.+?):(/(?!/).*|/)", re.DOTALL)


def image_layers(reference: str, source: Source, *, unpacked: bool = False) -> tuple[str, list[Layer]]:
    """A reference that means the same image from anywhere and at any time, and the image's layers."""
    image, layers = opened(reference, source, unpacked=unpacked)
    with image:
        return str(image.reference.pinned(image.descriptor.digest)), layers


@contextmanager
def inspected(
    target: str, source: Source = AS_USUAL, *, base: str | None = None, words: Sequence[str] = ()
) -> Iterator[tuple[Union, Image | None]]:
    """The union that is mounted on `target`, or has it as its upper, and the image beneath it.

    Where nothing such is mounted, `target` is the name of an upper; or an upper directory that
    lies on the image `base` and on what the option `words` name, if on anything. An image is
    opened as `source` says.
    """
    from unionfs.adapters import stack

    described = _described(target, base, words)
    image: Image | None = None
    layers: list[Layer] = []
    if described.image:
        image, layers = opened(described.image, source, unpacked=described.unpacked)
    with image or nullcontext(), stack.inspected(described.options, layers) as union:
        yield union, image


class _Described(NamedTuple):
    """What an upper layer lies on."""

    options: Options
    image: str | None = None
    unpacked: bool = False


def _described(target: str, base: str | None, words: Sequence[str]) -> _Described:
    from unionfs.adapters import stack
    from unionfs.adapters.fuse import records
    from unionfs.adapters.mountinfo import mounted_at
    from unionfs.adapters.options import Options, parse

    record = records.of(target)
    mounted = mounted_at(os.path.realpath(target))
    if (record or _is_overlay(mounted)) and (base or words):
        raise ConfigError(f"{target}: mounted, so --base and -o say nothing")
    if record:
        return _Described(record.options, record.image, record.unpacked)
    named = None if os.path.lexists(target) else upper.uppers().find(target)
    if named:
        beneath = named.beneath
        options = Options(lowers=beneath.lowers, upper=named.upper)
        return _Described(options, beneath.image, beneath.unpacked)
    if mounted is not None and _is_overlay(mounted):
        return _Described(parse([mounted.options]))
    return _Described(stack.absolute(parse(words)._replace(upper=target)), base)


def _is_overlay(mounted: MountInfo | None) -> bool:
    """Whether it is a mount of the kernel's overlayfs, which says which layers it has."""
    return mounted is not None and mounted.type == "overlay"


@contextmanager
def shown_image(args: argparse.Namespace) -> Iterator[tuple[UnionFS, str]]:
    """The union over the image that ``args.image`` names, and the path in it that it names, to look at."""
    from unionfs.adapters.memory.filesystem import UnionFS

    reference, path = split_path(args.image)
    with image_union(reference, image_options.source(args)) as union:
        yield UnionFS.over(union), path


@contextmanager
def image_union(reference: str, source: Source) -> Iterator[Union]:
    """The union over an image, or what is at a URL, to look at."""
    from unionfs.core.union import Union

    with closing(Union(_layers(reference, source))) as union:
        yield union


def _layers(reference: str, source: Source) -> list[Layer]:
    from unionfs.images import is_reference

    if is_url(reference) and not is_reference(reference):
        from unionfs.adapters import stack
        from unionfs.adapters.options import Options

        return list(stack.lower_layers(Options(lowers=(reference,))))
    image, layers = opened(reference, source)
    image.close()
    return layers


def split_path(text: str) -> tuple[str, str]:
    """``IMAGE[:/PATH]``: a path begins with a slash, and no part of a reference has ``:/`` in it.

    But for the colon after its transport, which is passed over; a URL has ``://`` where it is
    chained to another.
    """
    found = _PATH.fullmatch(text)
    return (found[1], found[2]) if found else (text, "/")


def opened(reference: str, source: Source = AS_USUAL, *, unpacked: bool = False) -> tuple[Image, list[Layer]]:
    """The image and its layers, out of the local store; progress is told."""
    from unionfs import images

    with Line() as line:
        return images.open_layers(
            reference,
            None,
            source.limits or images.DEFAULT_LIMITS,
            line,
            unpacked=unpacked,
            platform=source.platform,
            tls_verify=source.tls_verify,
        )
