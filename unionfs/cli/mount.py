"""``unionfs mount``: mount a union; without arguments, list what is mounted."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING

from unionfs.cli import Subparsers
from unionfs.errors import ConfigError

if TYPE_CHECKING:
    from unionfs.adapters.fuse.records import Record
    from unionfs.adapters.options import Options


def add_parser(subparsers: Subparsers) -> None:
    parser = subparsers.add_parser(
        "mount", help="mount a union", description="Mount a union of directories, or of an image's layers."
    )
    parser.add_argument(
        "places",
        nargs="*",
        metavar="[IMAGE] MOUNTPOINT",
        help="oci:DIR[:TAG] or oci-archive:FILE, and where to mount it; nothing lists what is mounted",
    )
    parser.add_argument(
        "-o",
        dest="words",
        metavar="OPTIONS",
        action="append",
        default=[],
        help="overlayfs's option words: lowerdir=A:B (top-most first), upperdir=U, workdir=W, …",
    )
    parser.add_argument("--upper", metavar="DIR", help="the same as -o upperdir=DIR")
    parser.add_argument("--work", metavar="DIR", help="the same as -o workdir=DIR")
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
    from unionfs.cli.target import image_layers

    options = _options(args)
    reference, mountpoint = _places(args.places, options)
    image, layers = image_layers(reference) if reference else (None, [])
    mounting.mount(
        mountpoint,
        options,
        image=image,
        image_layers=layers,
        transport=args.transport,
        foreground=args.foreground,
    )
    return 0


def _options(args: argparse.Namespace) -> Options:
    from unionfs.adapters import options

    parsed = options.parse(args.words)
    return parsed._replace(
        upper=args.upper or parsed.upper,
        work=args.work or parsed.work,
        cache=args.cache or parsed.cache,
    )


def _places(places: list[str], options: Options) -> tuple[str | None, str]:
    """The image and the mountpoint. mount(8) puts a source of no meaning before the mountpoint."""
    if len(places) > 2:
        raise ConfigError(f"one mountpoint is needed, not {len(places)}: {' '.join(places)}")
    *source, mountpoint = places
    return (source[0] if source and _is_image(source[0], options) else None), mountpoint


def _is_image(source: str, options: Options) -> bool:
    from unionfs.images import is_reference

    return not options.lowers or is_reference(source)


def _list() -> int:
    from unionfs.adapters.fuse import records

    for record in records.living():
        print(_line(record))
    return 0


def _line(record: Record) -> str:
    options = record.options
    layers = [*([options.upper] if options.upper else []), *options.lowers]
    source = ":".join([*layers, *([record.image] if record.image else [])])
    return f"{source} on {record.mountpoint} (pid {record.pid})"
