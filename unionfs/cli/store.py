"""``unionfs store``: what the local store keeps of images."""

from __future__ import annotations

import argparse
import time
from typing import TYPE_CHECKING

from unionfs.cli.parsers import Subparsers, add_commands
from unionfs.cli.progress import Line
from unionfs.cli.sizes import SHORT, shown_size

if TYPE_CHECKING:
    from unionfs.images.housekeeping import Item

_DAY = 86400


def add_parser(subparsers: Subparsers) -> None:
    parser = subparsers.add_parser(
        "store",
        usage="ACTION ...",
        help="list, check or clear the local store",
        description="The local store keeps what is known of images' layers; all of it can be made again.",
    )
    actions = add_commands(parser, "ACTION", "action")
    listing = actions.add_parser(
        "ls",
        usage="[--json]",
        help="list what is kept",
        description="List what is kept: of what kind it is, the digest of the layer that it is about,"
        " its size, and the day of its last use.",
    )
    listing.add_argument(
        "--json", action="store_true", help="one JSON object a line, digests whole, sizes in bytes"
    )
    listing.set_defaults(run=run_ls)
    checking = actions.add_parser(
        "verify",
        usage="[--repair]",
        help="read all of it, and name what is damaged",
        description="Read all that is kept, and name what is damaged; exit with 1 if anything is.",
    )
    checking.add_argument("--repair", action="store_true", help="remove what is damaged")
    checking.set_defaults(run=run_verify)
    pruning = actions.add_parser(
        "prune",
        usage="[--unused-for DAYS]",
        help="remove what no mount uses",
        description="Remove, and name, what no mount uses. It is made again when it is needed.",
    )
    pruning.add_argument(
        "--unused-for", type=_days, default=0, metavar="DAYS", help="only what none has used in so long"
    )
    pruning.set_defaults(run=run_prune)


def run_ls(args: argparse.Namespace) -> int:
    from unionfs.images import LayerStore, housekeeping

    if not args.json:
        print(_row("KIND", "DIGEST", "SIZE", "USED"))
    for item in housekeeping.items(LayerStore()):
        print(_json(item) if args.json else _line(item))
    return 0


def run_verify(args: argparse.Namespace) -> int:
    from unionfs.images import LayerStore, housekeeping

    code = 0
    with Line() as line:
        for item, problem in housekeeping.verify(LayerStore(), line):
            line.clear()
            print(f"{item.path}: {problem}")
            code = 1
            if args.repair:
                housekeeping.repair(item)
    return code


def run_prune(args: argparse.Namespace) -> int:
    from unionfs.images import LayerStore, housekeeping

    freed = 0
    for item in housekeeping.prune(LayerStore(), args.unused_for * _DAY):
        print(_line(item))
        freed += item.size
    print(f"{shown_size(freed)} freed")
    return 0


def _line(item: Item) -> str:
    used = "in use" if item.in_use else time.strftime("%Y-%m-%d", time.localtime(item.used))
    return _row(item.kind, str(item.digest)[:SHORT], shown_size(item.size), used)


def _row(kind: str, digest: str, size: str, used: str) -> str:
    return f"{kind:<7} {digest:<{SHORT}} {size:>8} {used:>10}"


def _json(item: Item) -> str:
    import json

    return json.dumps(item._asdict() | {"digest": str(item.digest), "path": str(item.path)})


def _days(text: str) -> float:
    try:
        days = float(text)
    except ValueError:
        days = -1
    if not 0 <= days < float("inf"):
        raise argparse.ArgumentTypeError(f"not a number of days: {text}")
    return days
