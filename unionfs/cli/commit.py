"""``unionfs commit``: what an upper layer changes, as one more layer of an image."""

from __future__ import annotations

import argparse

from unionfs.cli import Subparsers


def add_parser(subparsers: Subparsers) -> None:
    parser = subparsers.add_parser(
        "commit",
        help="write the upper layer into an image",
        description="Write the image beneath a mount, and its upper as one more layer, as a new image.",
    )
    parser.add_argument("target", metavar="MOUNTPOINT|UPPER")
    parser.add_argument("destination", metavar="oci:DIR:TAG")
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    from unionfs import images
    from unionfs.cli.target import inspected

    with inspected(args.target) as (union, image):
        manifest = images.commit(union, image, args.destination)
    print(manifest.digest)
    return 0
