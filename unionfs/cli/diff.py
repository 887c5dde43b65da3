"""``unionfs diff``: what an upper layer changes of the layers beneath it."""

from __future__ import annotations

import argparse
import os
import sys
from typing import TYPE_CHECKING

from unionfs.cli import Subparsers, image_options
from unionfs.cli.sizes import shown_size
from unionfs.types import Kind

if TYPE_CHECKING:
    from unionfs.core.diff import Change


_SIZE = 9
"""The column of sizes, in characters."""


def add_parser(subparsers: Subparsers) -> None:
    parser = subparsers.add_parser(
        "diff",
        help="list what has changed in the upper layer",
        description="List what the upper layer adds (A), changes (C) and removes (D).",
    )
    parser.add_argument("target", metavar="MOUNTPOINT|UPPER")
    parser.add_argument("-s", "--sizes", action="store_true", help="how large each is, and all together")
    parser.add_argument(
        "--json", action="store_true", help="one JSON object a line: path, change, kind, size"
    )
    image_options.add_beneath(parser)
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    from unionfs.cli.target import inspected

    total = 0
    with inspected(args.target, base=args.base, words=args.words) as (union, _):
        for change in union.diff():
            total += change.size if change.letter != "D" else 0
            _print(_as_json(change) if args.json else _as_text(change, sizes=args.sizes))
    if args.sizes and not args.json:
        _print(f"{shown_size(total):>{_SIZE}} in all".encode())
    return 0


def _as_text(change: Change, *, sizes: bool) -> bytes:
    line = b"%s /%s" % (change.letter.encode(), change.path)
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
        "change": change.letter,
        "kind": change.kind.name.lower(),
        "size": change.size,
    }
    return json.dumps(fields).encode()
