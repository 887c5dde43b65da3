"""``unionfs ps``: what is mounted on this machine, of which layers, and what is left to do for it."""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from typing import TYPE_CHECKING

from unionfs.cli.names import beneath_lines
from unionfs.cli.parsers import Subparsers
from unionfs.cli.sizes import shown_size_if_known
from unionfs.errors import printable

if TYPE_CHECKING:
    from unionfs.adapters.fuse.inventory import Mounted
    from unionfs.adapters.fuse.records import Record

_HEADING = f"{'PID':>7} {'STATE':<8} {'SIZE':>8} {'PENDING':>7} MOUNTPOINT"


def add_parser(subparsers: Subparsers) -> None:
    parser = subparsers.add_parser(
        "ps",
        usage="[--json]",
        help="list mounts with their layers, and what is left to do",
        description="List this machine's mounts, as far as this user may know of them: the daemon; whether it"
        " is running, dead, or detached (unmounted but not finished yet, or of another mount namespace); how"
        " much the upper layer takes on the disk; how many of its files are still being copied up; and the"
        " layers, the top-most first.",
    )
    parser.add_argument("--json", action="store_true", help="one JSON object a line, sizes in bytes")
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    from unionfs.adapters.fuse import inventory

    if not args.json:
        print(_HEADING)
    for mounted in inventory.mounted():
        if args.json:
            print(_as_json(mounted))
        else:
            print(_as_row(mounted), *_layers(mounted.record), sep="\n    ")
    return 0


def _as_row(mounted: Mounted) -> str:
    pid = mounted.record.pid if mounted.record else "-"
    pending = mounted.pending()
    return (
        f"{pid:>7} {mounted.state:<8} {shown_size_if_known(mounted.size()):>8}"
        f" {'-' if pending is None else pending:>7} {printable(mounted.mountpoint)}"
    )


def _layers(record: Record | None) -> Iterator[str]:
    if record is None:
        return
    if record.options.upper:
        yield f"upper  {printable(record.options.upper)}"
    yield from beneath_lines(record.options.lowers, record.image, unpacked=record.unpacked)
    for volume in record.volumes:
        yield f"volume {printable(str(volume))}"


def _as_json(mounted: Mounted) -> str:
    import json

    record = mounted.record
    facts = {
        "mountpoint": mounted.mountpoint,
        "state": mounted.state,
        "user": mounted.owner,
        "pid": record and record.pid,
        "upper": record and record.options.upper,
        "work": record and record.options.work,
        "lowers": record and record.options.lowers,
        "image": record and record.image,
        "volumes": record and [str(volume) for volume in record.volumes],
        "size": mounted.size(),
        "pending": mounted.pending(),
    }
    return json.dumps(facts)
