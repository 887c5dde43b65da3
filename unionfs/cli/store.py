"""``unionfs store``: what the local store keeps of images."""

from __future__ import annotations

import argparse
import time
from typing import TYPE_CHECKING

from unionfs.cli import Subparsers
from unionfs.cli.progress import Line
from unionfs.cli.sizes import shown_size

if TYPE_CHECKING:
    from unionfs.images.housekeeping import Item

_DAY = 86400


def add_parser(subparsers: Subparsers) -> None:
    parser = subparsers.add_parser(
        "store",
        help="list, check or clear the local store",
        description="The local store keeps what is known of images' layers; all of it can be made again.",
    )
    actions = parser.add_subparsers(dest="action", metavar="ACTION", required=True)
    listing = actions.add_parser("ls", help="list what is kept")
    listing.set_defaults(run=run_ls)
    checking = actions.add_parser("verify", help="read all of it, and name what is damaged; 1 if anything is")
    checking.add_argument("--repair", action="store_true", help="remove what is damaged")
    checking.set_defaults(run=run_verify)
    pruning = actions.add_parser("prune", help="remove what no mount uses")
    pruning.add_argument(
        "--unused-for", type=_days, default=0, metavar="DAYS", help="and none has in so long"
    )
    pruning.set_defaults(run=run_prune)


def run_ls(_args: argparse.Namespace) -> int:
    from unionfs.images import LayerStore, housekeeping

    for item in housekeeping.items(LayerStore()):
        print(_line(item))
    return 0


def run_verify(args: argparse.Namespace) -> int:
    from unionfs.images import LayerStore, housekeeping

    line, code = Line(), 0
    for item, problem in housekeeping.verify(LayerStore(), line):
        line.clear()
        print(f"{item.path}: {problem}")
        code = 1
        if args.repair:
            housekeeping.repair(item)
    line.clear()
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
    return f"{item.kind:<7} {item.digest} {shown_size(item.size):>8} {used:>10}"


def _days(text: str) -> float:
    try:
        days = float(text)
    except ValueError:
        days = -1
    if not 0 <= days < float("inf"):
        raise argparse.ArgumentTypeError(f"not a number of days: {text}")
    return days
