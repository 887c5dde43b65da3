"""``unionfs cat``: a file of an image on standard output."""

from __future__ import annotations

import argparse
import shutil
import sys

from unionfs.cli import image_options
from unionfs.cli.parsers import Subparsers, examples


def add_parser(subparsers: Subparsers) -> None:
    parser = subparsers.add_parser(
        "cat",
        usage="[OPTION]... IMAGE:/PATH",
        help="print a file of an image",
        description="Write a file of an image to standard output.",
        epilog=examples("unionfs cat oci:images:1.0:/etc/os-release"),
    )
    parser.add_argument("image", metavar="IMAGE:/PATH", help=f"a file in an image: {image_options.FORMS}")
    image_options.add_source(parser)
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    from unionfs.cli.target import shown_image

    with shown_image(args) as (fs, path), fs.open(path, "rb") as file:
        shutil.copyfileobj(file, sys.stdout.buffer)
    return 0
