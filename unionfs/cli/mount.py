"""``unionfs mount``: mount a union; without arguments, list what is mounted."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING

from unionfs.cli import image_options, layer_options, upper
from unionfs.cli.parsers import Subparsers, examples
from unionfs.errors import ConfigError, printable
from unionfs.layers.urls import is_url
from unionfs.types import CopyUp

if TYPE_CHECKING:
    from unionfs.adapters.fuse.records import Record
    from unionfs.adapters.mountinfo import MountInfo
    from unionfs.adapters.options import Options
    from unionfs.core.layer import Layer


def add_parser(subparsers: Subparsers) -> None:
    parser = subparsers.add_parser(
        "mount",
        usage="[OPTION]... [[IMAGE|URL] MOUNTPOINT]",
        help="mount a union, or list what is mounted",
        description="Mount a union of directories, of an image's layers, or of what is at a URL, and return"
        " once it answers."
        " Without arguments, list the unions that are mounted, as mount(8) does.",
        epilog=examples(
            "unionfs mount -o lowerdir=A:B,upperdir=U,workdir=W MOUNTPOINT",
            "unionfs mount oci:images:1.0 MOUNTPOINT --name web",
            "unionfs mount docker://docker.io/library/debian:12 MOUNTPOINT",
        ),
    )
    parser.add_argument(
        "places",
        nargs="*",
        metavar="[IMAGE|URL] MOUNTPOINT",
        help=f"an image, if any: {image_options.FORMS}; or a URL that fsspec knows;"
        " and the directory to mount on",
    )
    layer_options.add_words(
        parser, "overlayfs's option words: lowerdir=A:B (top-most first), upperdir=U, workdir=W, ..."
    )
    layer_options.add_upper(parser)
    layer_options.add_work(parser)
    parser.add_argument(
        "--name", metavar="NAME", help="instead of both: an upper layer that is kept under this name"
    )
    parser.add_argument(
        "--volume",
        metavar="HOST:PATH[:ro]",
        action="append",
        default=[],
        help="show a directory or file of this host at PATH, outside the layers (needs root, or unshare -rm)",
    )
    parser.add_argument(
        "--unpack",
        action="store_true",
        help="unpack an image's layers, instead of reading them where they are",
    )
    image_options.add_source(parser)
    parser.add_argument(
        "--copy-up",
        choices=[mode.value for mode in CopyUp],
        help="when a lower file that is written to is copied: behind its writer (lazy), before the first"
        " write returns (eager), or by its size (auto, the default); the same as -o copy_up=MODE",
    )
    parser.add_argument(
        "--transport",
        choices=("auto", "native", "fusepy"),
        default="auto",
        help="native: on /dev/fuse; fusepy: through libfuse 2 (default: native where it can be)",
    )
    parser.add_argument(
        "--cache",
        choices=("auto", "always"),
        help="auto (the default): watch the lower directories for changes; always: trust them",
    )
    parser.add_argument("-f", "--foreground", action="store_true", help="stay in the foreground")
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    if not args.places:
        return _list()
    from unionfs.adapters.fuse import mounting
    from unionfs.adapters.volumes import parse_volume
    from unionfs.cli.target import image_layers

    options = _options(args)
    source, mountpoint = _places(args.places)
    reference = source if source and _is_image(source, options, named=args.name is not None) else None
    if source and not reference and is_url(source):
        options = options._replace(lowers=(*options.lowers, source))
    image: str | None = None
    layers: list[Layer] = []
    unpacked = args.unpack or _is_unpacked(args.name)
    if reference:
        image, layers = image_layers(reference, image_options.source(args), unpacked=unpacked)
    if args.name:
        options, remembered = _named(args.name, options, image, unpacked=unpacked)
        if remembered and remembered != image:
            image, layers = image_layers(remembered, image_options.source(args), unpacked=unpacked)
    mounting.mount(
        mountpoint,
        options,
        image=image,
        image_layers=layers,
        volumes=[parse_volume(text) for text in args.volume],
        unpacked=unpacked,
        transport=args.transport,
        foreground=args.foreground,
    )
    return 0


def _options(args: argparse.Namespace) -> Options:
    parsed = layer_options.options(args, args.upper)
    return parsed._replace(copy_up=args.copy_up or parsed.copy_up, cache=args.cache or parsed.cache)


def _is_unpacked(name: str | None) -> bool:
    """Whether the image that an upper lies on, if there is one of that name, is unpacked."""
    named = upper.uppers().find(name) if name else None
    return named is not None and named.beneath.unpacked


def _named(name: str, options: Options, image: str | None, *, unpacked: bool) -> tuple[Options, str | None]:
    """The options with the upper of that name, and the image that it lies on."""
    from unionfs.adapters import stack
    from unionfs.adapters.uppers import Beneath

    if options.upper or options.work:
        raise ConfigError("--name and an upper or work directory at once")
    beneath = Beneath(image, stack.absolute(options).lowers, unpacked)
    named = upper.uppers().ensure(name, beneath)
    options = options._replace(lowers=named.beneath.lowers, upper=named.upper, work=named.work)
    return options, named.beneath.image


def _places(places: list[str]) -> tuple[str | None, str]:
    """The source, if there is one, and the mountpoint."""
    if len(places) > 2:
        raise ConfigError(f"one mountpoint is needed, not {len(places)}: {' '.join(places)}")
    *source, mountpoint = places
    return (source[0] if source else None), mountpoint


def _is_image(source: str, options: Options, named: bool) -> bool:
    """mount(8) puts a source of no meaning before the mountpoint."""
    from unionfs.images import is_reference

    if options.remount:
        return False
    return is_reference(source) or not (options.lowers or named or is_url(source))


def _list() -> int:
    from unionfs.adapters.fuse import inventory

    for mounted in inventory.mounted():
        if mounted.mount is not None:
            print(_line(mounted.mount, mounted.record))
    return 0


def _line(mount: MountInfo, record: Record | None) -> str:
    """As mount(8) has them; the words are those that make such a mount again."""
    from unionfs.adapters.options import words

    source, said = mount.source, mount.options
    if record is not None:
        source, said = record.image or source, words(record.options)
    return printable(f"{source} on {mount.mountpoint} type {mount.type} ({said})")
