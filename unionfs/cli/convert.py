"""``unionfs convert``: an image from one form into another."""

from __future__ import annotations

import argparse

from unionfs.cli import Subparsers, image_options


def add_parser(subparsers: Subparsers) -> None:
    parser = subparsers.add_parser(
        "convert",
        help="copy an image from one form into another",
        description=f"Copy an image, its digests verified on the way. Images are {image_options.FORMS}.",
    )
    parser.add_argument("source", metavar="SOURCE")
    parser.add_argument("destination", metavar="DESTINATION")
    parser.add_argument(
        "--squash", metavar="N..M|all", help="make one layer of those from N to M, counted from the lowest, 1"
    )
    image_options.add_source(parser)
    image_options.add_output(parser)
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    from unionfs import images
    from unionfs.images.convert import convert

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
