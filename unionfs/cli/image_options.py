"""Arguments that several commands have, about where images come from and how they are written."""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, NamedTuple

from unionfs.cli import layer_options, limits

if TYPE_CHECKING:
    from unionfs.images import Limits, Output, Platform, Progress

FORMS = "oci:DIR[:TAG], oci-archive:FILE, docker-archive:FILE, dir:DIR, tar:FILE or docker://HOST/NAME"


class Source(NamedTuple):
    """How an image is opened; without limits, by the usual ones."""

    limits: Limits | None = None
    platform: Platform | None = None
    tls_verify: bool = True


AS_USUAL = Source()


def add_path(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "image", metavar="IMAGE[:/PATH]", help=f"an image: {FORMS}; and a path in it (default: its root)"
    )


def add_source(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--platform", metavar="OS/ARCH[/VARIANT]", help="which image of an index (default: the host's)"
    )
    parser.add_argument(
        "--tls-verify",
        type=_boolean,
        default=True,
        metavar="true|false",
        help="false: speak to a registry that proves nothing, unencrypted if need be (default: true)",
    )
    limits.add_arguments(parser)


def source(args: argparse.Namespace) -> Source:
    platform = None
    if args.platform:
        from unionfs.images import parse_platform

        platform = parse_platform(args.platform)
    return Source(limits.limits(args), platform, args.tls_verify)


def add_beneath(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--base", metavar="IMAGE", help="the image that an UPPER which is not mounted lies on"
    )
    layer_options.add_words(parser, "of an UPPER which is not mounted: lowerdir=A:B, dialect=NAME, userxattr")


def add_output(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "-f", "--format", choices=("oci", "docker"), help="media types of the manifest (default: the base's)"
    )
    parser.add_argument(
        "--compression",
        choices=("none", "gzip", "zstd"),
        help="of all layers (default: as they are, new ones gzip)",
    )
    parser.add_argument("-q", "--quiet", action="store_true", help="show no progress")


@contextmanager
def progress(args: argparse.Namespace) -> Iterator[Progress]:
    """What to tell how far a step has come."""
    from unionfs.cli.progress import Line

    with Line(quiet=args.quiet) as line:
        yield line


def output(args: argparse.Namespace) -> Output:
    from unionfs.images import Compression, Form, Output

    compression = None if args.compression is None else Compression[args.compression.upper()]
    return Output(Form(args.format) if args.format else None, compression, args.tls_verify)


def _boolean(text: str) -> bool:
    values = {"true": True, "1": True, "false": False, "0": False}
    if text.lower() not in values:
        raise argparse.ArgumentTypeError(f"neither true nor false: {text}")
    return values[text.lower()]
