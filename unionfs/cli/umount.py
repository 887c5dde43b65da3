"""``unionfs umount``: unmount, and return when everything is on disk."""

from __future__ import annotations

import argparse

from unionfs.cli.parsers import Subparsers
from unionfs.cli.progress import Line


def add_parser(subparsers: Subparsers) -> None:
    parser = subparsers.add_parser(
        "umount",
        usage="[-l] MOUNTPOINT",
        help="unmount a union",
        description="Unmount a union, or what a killed daemon left, and wait until its daemon has finished.",
    )
    parser.add_argument("mountpoint", metavar="MOUNTPOINT", help="where it is mounted")
    parser.add_argument("-l", "--lazy", action="store_true", help="detach it now, even where it is in use")
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    from unionfs.adapters.fuse.unmounting import unmount

    with Line() as line:
        unmount(args.mountpoint, lazy=args.lazy, progress=line.left)
    return 0
