"""``unionfs upper``: upper layers with a name (``unionfs mount --name``), listed, taken back, removed."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING

from unionfs.cli import image_options
from unionfs.cli.names import beneath_lines
from unionfs.cli.parsers import Subparsers, add_commands, examples
from unionfs.cli.sizes import shown_size_if_known
from unionfs.errors import printable

if TYPE_CHECKING:
    from unionfs.adapters.uppers import Named, Uppers


def add_parser(subparsers: Subparsers) -> None:
    parser = subparsers.add_parser(
        "upper",
        usage="ACTION ...",
        help="list, reset or remove named upper layers",
        description="List, reset or remove the upper layers that 'unionfs mount --name' made.",
    )
    actions = add_commands(parser, "ACTION", "action")
    ls = actions.add_parser(
        "ls",
        usage="[--json]",
        help="list them",
        description="List the named uppers: how large each is, what it lies on, and where it is mounted.",
    )
    ls.add_argument("--json", action="store_true", help="one JSON object a line")
    ls.set_defaults(run=run_ls)
    reset = actions.add_parser(
        "reset",
        usage="[OPTION]... NAME [IMAGE]",
        help="discard all changes",
        description="Discard all changes in an upper, and go on from what it lies on, or from another image.",
        epilog=examples("unionfs upper reset web", "unionfs upper reset web oci:images:1.1"),
    )
    reset.add_argument("name", metavar="NAME", help="of the upper")
    reset.add_argument(
        "image", metavar="IMAGE", nargs="?", help="an earlier or later commit (default: what it lies on)"
    )
    image_options.add_source(reset)
    reset.set_defaults(run=run_reset)
    rm = actions.add_parser(
        "rm",
        usage="NAME...",
        help="remove one, with all changes",
        description="Remove uppers, with all changes in them.",
    )
    rm.add_argument("names", metavar="NAME", nargs="+", help="of an upper")
    rm.set_defaults(run=run_rm)


def uppers() -> Uppers:
    """Those in the local state directory, beside the store."""
    from unionfs.adapters.uppers import Uppers
    from unionfs.images import default_root

    return Uppers(default_root() / "uppers")


def run_ls(args: argparse.Namespace) -> int:
    from unionfs.adapters.fuse import records

    places = uppers()
    if not args.json:
        print(_row("NAME", "SIZE", "MOUNTPOINT"))
    for name in places.names():
        named = places.find(name)
        if named is not None:
            record = records.of(named.upper)
            mountpoint = record.mountpoint if record else None
            print(_as_json(named, mountpoint) if args.json else _as_text(named, mountpoint))
    return 0


def _as_text(named: Named, mountpoint: str | None) -> str:
    row = _row(named.name, shown_size_if_known(named.size()), printable(mountpoint or "-"))
    beneath = beneath_lines(named.beneath.lowers, named.beneath.image, unpacked=named.beneath.unpacked)
    return "\n    ".join([row, *beneath])


def _row(name: str, size: str, mountpoint: str) -> str:
    return f"{name:<20} {size:>8} {mountpoint}"


def _as_json(named: Named, mountpoint: str | None) -> str:
    import json

    beneath = named.beneath._asdict()
    return json.dumps({"name": named.name, "size": named.size(), **beneath, "mountpoint": mountpoint})


def run_reset(args: argparse.Namespace) -> int:
    from unionfs.adapters.uppers import Beneath
    from unionfs.images import DEFAULT_LIMITS, LayerStore

    places = uppers()
    beneath = None
    if args.image:
        unpacked = places.get(args.name).beneath.unpacked
        limits, platform, tls_verify = image_options.source(args)
        with LayerStore().open_image(
            args.image, limits or DEFAULT_LIMITS, platform=platform, tls_verify=tls_verify
        ) as image:
            beneath = Beneath(str(image.reference.pinned(image.descriptor.digest)), unpacked=unpacked)
    places.reset(args.name, beneath)
    return 0


def run_rm(args: argparse.Namespace) -> int:
    for name in args.names:
        uppers().remove(name)
    return 0
