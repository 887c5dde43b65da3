"""``unionfs diff``: what an upper layer changes of the layers beneath it, or one image of another."""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Iterator
from typing import TYPE_CHECKING

from unionfs.cli import Subparsers, limits

if TYPE_CHECKING:
    from unionfs.core.diff import Change


def add_parser(subparsers: Subparsers) -> None:
    parser = subparsers.add_parser(
        "diff",
        help="list what has changed in the upper layer, or from one image to another",
        description="List what the upper layer, or the second image, adds (A), changes (C) and removes (D).",
    )
    parser.add_argument("target", metavar="MOUNTPOINT|UPPER|IMAGE")
    parser.add_argument("other", metavar="IMAGE", nargs="?", help="what the image before it is compared to")
    parser.add_argument(
        "--json", action="store_true", help="one JSON object a line: path, change, kind, size"
    )
    limits.add_arguments(parser)
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    for change in _between_images(args) if args.other else _of_upper(args.target):
        _print(_as_json(change) if args.json else b"%s /%s" % (change.letter.encode(), change.path))
    return 0


def _of_upper(target: str) -> Iterator[Change]:
    from unionfs.cli.target import inspected

    with inspected(target) as (union, _):
        yield from union.diff()


def _between_images(args: argparse.Namespace) -> Iterator[Change]:
    from unionfs.cli.target import image_union
    from unionfs.images.compare import compare

    believed = limits.limits(args)
    with image_union(args.target, believed) as old, image_union(args.other, believed) as new:
        yield from compare(old, new)


def _print(line: bytes) -> None:
    sys.stdout.buffer.write(line + b"\n")


def _as_json(change: Change) -> bytes:
    import json

    fields = {
        "path": "/" + os.fsdecode(change.path),
        "change": change.letter,
        "kind": change.kind.name.lower(),
        "size": change.size,
    }
    return json.dumps(fields).encode()
