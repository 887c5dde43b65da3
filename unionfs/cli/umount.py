"""``unionfs umount``: unmount, and return when everything is on disk."""

from __future__ import annotations

import argparse
import sys

from unionfs.cli import Subparsers


def add_parser(subparsers: Subparsers) -> None:
    parser = subparsers.add_parser(
        "umount",
        help="unmount a union",
        description="Unmount a union, or what a killed daemon left, and wait until its daemon has finished.",
    )
    parser.add_argument("mountpoint", metavar="MOUNTPOINT")
    parser.add_argument("-l", "--lazy", action="store_true", help="detach it now, even where it is in use")
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    from unionfs.adapters.fuse import mounting

    if not sys.stderr.isatty():
        mounting.unmount(args.mountpoint, lazy=args.lazy)
        return 0
    try:
        mounting.unmount(args.mountpoint, lazy=args.lazy, progress=_show)
    finally:
        print("\r\x1b[K", end="", file=sys.stderr, flush=True)
    return 0


def _show(left: int) -> None:
    print(f"\r\x1b[Kcopying: {left / (1 << 20):,.0f} MiB left", end="", file=sys.stderr, flush=True)
