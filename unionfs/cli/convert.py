"""``unionfs convert``: an image from one form into another."""

from __future__ import annotations

import argparse

from unionfs.cli import image_options
from unionfs.cli.parsers import Subparsers, examples
from unionfs.errors import ConfigError


def add_parser(subparsers: Subparsers) -> None:
    parser = subparsers.add_parser(
        "convert",
        usage="[OPTION]... SOURCE DESTINATION",
        help="copy an image from one form into another",
        description="Copy an image, its digests verified on the way, and print the digest of what was made.",
        epilog=examples(
            "unionfs convert docker://docker.io/library/debian:12 oci:images:debian",
            "unionfs convert oci:images:debian docker-archive:debian.tar --squash all",
            "unionfs convert --all oci:images:debian docker://localhost:5000/debian:12",
        ),
    )
    parser.add_argument("source", metavar="SOURCE", help=f"an image: {image_options.FORMS}")
    parser.add_argument("destination", metavar="DESTINATION", help="another, in any of these forms")
    parser.add_argument(
        "--squash", metavar="N..M|all", help="make one layer of those from N to M, counted from the lowest, 1"
    )
    parser.add_argument(
        "-a",
        "--all",
        action="store_true",
        help="of an index keep it and everything in it, byte for byte, instead of one platform's image",
    )
    image_options.add_source(parser)
    image_options.add_output(parser)
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    from unionfs import images
    from unionfs.images.convert import convert

    if args.all:
        return _run_all(args)
    output = image_options.output(args)
    limits, platform, tls_verify = image_options.source(args)
    with (
        images.open_image(
            args.source, limits or images.DEFAULT_LIMITS, platform=platform, tls_verify=tls_verify
        ) as image,
        image_options.progress(args) as told,
    ):
        if args.squash:
            manifest = images.convert_squashed(
                image, args.squash, args.destination, output=output, progress=told
            )
        else:
            manifest = convert(image, args.destination, output=output, progress=told)
    print(manifest.digest)
    return 0


def _run_all(args: argparse.Namespace) -> int:
    from unionfs import images

    for flag in ("platform", "squash", "format", "compression"):
        if getattr(args, flag):
            raise ConfigError(f"--all keeps everything as it is: not with --{flag}")
    limits, _, tls_verify = image_options.source(args)
    with image_options.progress(args) as told:
        made = images.convert_all(
            args.source,
            args.destination,
            limits or images.DEFAULT_LIMITS,
            tls_verify=tls_verify,
            progress=told,
        )
    print(made.digest)
    return 0
