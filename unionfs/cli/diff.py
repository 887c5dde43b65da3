"""``unionfs diff``: what an upper layer changes of the layers beneath it, or one image of another."""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Iterator
from typing import TYPE_CHECKING

from unionfs.cli import image_options
from unionfs.cli.names import as_printed
from unionfs.cli.parsers import Subparsers, examples
from unionfs.cli.sizes import shown_size
from unionfs.types import Kind

if TYPE_CHECKING:
    from unionfs.core.diff import Change


_SIZE = 9
"""The column of sizes, in characters."""


def add_parser(subparsers: Subparsers) -> None:
    parser = subparsers.add_parser(
        "diff",
        usage="[OPTION]... MOUNTPOINT|UPPER|IMAGE [IMAGE]",
        help="list what has changed in the upper layer, or from one image to another",
        description="List what the upper layer, or the second image, adds (A), changes (C) and removes (D).",
        epilog=examples(
            "unionfs diff MOUNTPOINT -s",
            "unionfs diff UPPER --base oci:images:1.0",
            "unionfs diff oci:images:1.0 oci:images:1.1",
        ),
    )
    parser.add_argument(
        "target",
        metavar="MOUNTPOINT|UPPER|IMAGE",
        help="where the union is mounted, or its upper, by path or name; or an older image",
    )
    parser.add_argument("other", metavar="IMAGE", nargs="?", help="what an older image is compared to")
    parser.add_argument("-s", "--sizes", action="store_true", help="how large each is, and all together")
    parser.add_argument(
        "--json", action="store_true", help="one JSON object a line: path, letter, kind, size"
    )
    image_options.add_beneath(parser)
    image_options.add_source(parser)
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    total = 0
    for change in _between_images(args) if args.other else _of_upper(args):
        total += change.size if change.letter != "D" else 0
        _print(_as_json(change) if args.json else _as_text(change, sizes=args.sizes))
    if args.sizes and not args.json:
        _print(f"{shown_size(total):>{_SIZE}} in all".encode())
    return 0


def _of_upper(args: argparse.Namespace) -> Iterator[Change]:
    from unionfs.cli.target import inspected

    source = image_options.source(args)
    with inspected(args.target, source, base=args.base, words=args.words) as (union, _):
        yield from union.diff()


def _between_images(args: argparse.Namespace) -> Iterator[Change]:
    from unionfs.cli.target import image_union
    from unionfs.images.compare import compare

    source = image_options.source(args)
    with image_union(args.target, source) as old, image_union(args.other, source) as new:
        yield from compare(old, new)


def _as_text(change: Change, *, sizes: bool) -> bytes:
    line = b"%s /%s" % (change.letter.encode(), as_printed(change.path))
    if not sizes:
        return line
    known = shown_size(change.size) if change.kind is Kind.FILE else ""
    return f"{known:>{_SIZE}} ".encode() + line


def _print(line: bytes) -> None:
    sys.stdout.buffer.write(line + b"\n")


def _as_json(change: Change) -> bytes:
    import json

    fields = {
        "path": "/" + os.fsdecode(change.path),
        "letter": change.letter,
        "kind": change.kind.name.lower(),
        "size": change.size,
    }
    return json.dumps(fields).encode()
