"""``unionfs layers``: what each layer of an image adds, changes, removes and wastes."""

from __future__ import annotations

import argparse
from collections.abc import Iterable

from unionfs.cli import image_options
from unionfs.cli.parsers import Subparsers
from unionfs.cli.sizes import SHORT, shown_size

_FIELDS = ("layer", "packed", "size", "wasted", "added", "changed", "removed")


def add_parser(subparsers: Subparsers) -> None:
    parser = subparsers.add_parser(
        "layers",
        usage="[OPTION]... IMAGE",
        help="show what each layer of an image is good for",
        description="List an image's layers, the lowest first: the size of the blob and of the files in it,"
        " of those that layers above hide (wasted), and how many files it adds, changes and removes.",
    )
    parser.add_argument("image", metavar="IMAGE", help=image_options.FORMS)
    parser.add_argument(
        "--json", action="store_true", help="one JSON object a line, digests whole, sizes in bytes"
    )
    image_options.add_source(parser)
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    import json

    from unionfs.cli.target import opened
    from unionfs.images.report import report

    image, layers = opened(args.image, image_options.source(args))
    try:
        reports = report(layers) if image.layers else []
    finally:
        image.close()
        for layer in layers:
            layer.store.close()
    rows = [(layer.descriptor, found) for layer, found in zip(image.layers, reports, strict=True)]
    if args.json:
        for blob, found in rows:
            print(json.dumps({"layer": str(blob.digest), "packed": blob.size} | found._asdict()))
        return 0
    print(_line(map(str.upper, _FIELDS)))
    for blob, found in rows:
        sizes = map(shown_size, (blob.size, found.size, found.wasted))
        print(
            _line([str(blob.digest)[:SHORT], *sizes, *map(str, (found.added, found.changed, found.removed))])
        )
    return 0


def _line(cells: Iterable[str]) -> str:
    first, *others = cells
    return f"{first:<{SHORT}}" + "".join(f" {cell:>9}" for cell in others)
