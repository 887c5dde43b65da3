"""``unionfs diff``: what an upper layer changes of the layers beneath it."""

from __future__ import annotations

import argparse
import os
import sys
from typing import TYPE_CHECKING

from unionfs.cli import Subparsers

if TYPE_CHECKING:
    from unionfs.core.diff import Change


def add_parser(subparsers: Subparsers) -> None:
    parser = subparsers.add_parser(
        "diff",
        help="list what has changed in the upper layer",
        description="List what the upper layer adds (A), changes (C) and removes (D).",
    )
    parser.add_argument("target", metavar="MOUNTPOINT|UPPER")
    parser.add_argument(
        "--json", action="store_true", help="one JSON object a line: path, change, kind, size"
    )
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    from unionfs.cli.target import inspected

    with inspected(args.target) as (union, _):
        for change in union.diff():
            _print(_as_json(change) if args.json else b"%s /%s" % (change.letter.encode(), change.path))
    return 0


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
