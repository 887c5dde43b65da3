"""``unionfs fsck``: finish what a killed daemon has left in an upper directory."""

from __future__ import annotations

import argparse
import os

from unionfs.cli import image_options, layer_options
from unionfs.cli.parsers import Subparsers, examples


def add_parser(subparsers: Subparsers) -> None:
    parser = subparsers.add_parser(
        "fsck",
        usage="[OPTION]... [IMAGE] UPPER",
        help="finish what a killed daemon left in an upper directory",
        description="Finish the files in an upper directory that a killed daemon left unfinished, as the next"
        " mount would, and name them. The data that is missing comes from the lower layers.",
        epilog=examples(
            "unionfs fsck UPPER -o lowerdir=A:B,workdir=W",
            "unionfs fsck --for-kernel oci:images:1.0 UPPER --work W",
        ),
    )
    parser.add_argument(
        "places",
        nargs="+",
        metavar="[IMAGE] UPPER",
        help="the upper directory, and the image beneath it where there is one",
    )
    layer_options.add_words(
        parser, "the words that it was mounted with: lowerdir=A:B (top-most first), workdir=W, ..."
    )
    layer_options.add_work(parser)
    parser.add_argument("--unpack", action="store_true", help="as it was mounted: with the layers unpacked")
    image_options.add_source(parser)
    parser.add_argument(
        "--for-kernel",
        action="store_true",
        help="leave no metacopy and no redirect marks, which the kernel does not follow with userxattr",
    )
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    from unionfs.adapters import stack
    from unionfs.cli.target import image_layers
    from unionfs.errors import ConfigError

    if len(args.places) > 2:
        raise ConfigError(f"one upper directory is needed, not {len(args.places)}: {' '.join(args.places)}")
    *image, upper = args.places
    layers = image_layers(image[0], image_options.source(args), unpacked=args.unpack)[1] if image else []
    options = stack.absolute(layer_options.options(args, upper))
    stack.check(options, image=layers)
    kept = options._replace(metacopy=True, redirect_dir=True)  # what is plain afterwards is asked for here
    with stack.opened(kept, layers) as union:
        for path in union.recovered:
            print(f"finished {os.fsdecode(path)}")
        if args.for_kernel:
            union.make_plain(files=True, directories=True)
    return 0
