"""``unionfs cat``: a file of an image on standard output."""

from __future__ import annotations

import argparse
import shutil
import sys

from unionfs.cli import Subparsers, image_options


def add_parser(subparsers: Subparsers) -> None:
    parser = subparsers.add_parser(
        "cat", help="print a file of an image", description="Write a file of an image to standard output."
    )
    parser.add_argument("image", metavar="IMAGE:/PATH")
    image_options.add_source(parser)
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    from unionfs.cli.target import shown_image

    with shown_image(args) as (fs, path), fs.open(path, "rb") as file:
        shutil.copyfileobj(file, sys.stdout.buffer)
    return 0
