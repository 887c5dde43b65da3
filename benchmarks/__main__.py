"""``python -m benchmarks``"""

from __future__ import annotations

import argparse
import json
import os
import signal
import sys
from collections.abc import Sequence
from pathlib import Path
from types import FrameType
from typing import Any, TypeVar

import benchmarks.workloads  # noqa: F401 - fills ALL
from benchmarks import machine, table
from benchmarks.mounting import adopt_daemons
from benchmarks.peers import PEERS, USUAL, MountProgram, Peer
from benchmarks.results import Row
from benchmarks.running import Runner
from benchmarks.scratch import DEFAULT, scratch
from benchmarks.workload import ALL, Workload

_KNOWN = [peer.name for peer in PEERS]
_ALL_PEERS = "all"
_PEERS_HELP = f"those of them that are here; default: {' '.join(USUAL)}; {_ALL_PEERS}: {' '.join(_KNOWN)}"
_DIRECTORY_HELP = f"where the layers are made; default: {DEFAULT}, as root on a new ext4 in a file there"

_QUICK = 10
"""How many times less there is to do in a quick run."""


def main() -> int:
    parser = _parser()
    args = parser.parse_args()
    try:
        peers = [*_chosen_peers(args.peers), *args.mount_program]
        workloads = _chosen(ALL, args.workloads)
    except LookupError as unknown:
        parser.error(str(unknown.args[0]))
    if args.list:
        _list([*PEERS, *args.mount_program], workloads)
        return 0
    signal.signal(signal.SIGTERM, _stop)
    try:
        with scratch(args.directory) as place:
            return _run(args, peers, workloads, place)
    except KeyboardInterrupt:
        return 128 + signal.SIGINT


def _stop(signum: int, frame: FrameType | None) -> None:
    """End as an error does, so that what is mounted is unmounted."""
    sys.exit(f"ended by {signal.Signals(signum).name}")


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks",
        description="Measure unionfs beside its peers on the same trees.",
    )
    parser.add_argument("workloads", nargs="*", metavar="WORKLOAD", help="all if none is named; see --list")
    parser.add_argument("--peers", nargs="+", metavar="PEER", default=list(USUAL), help=_PEERS_HELP)
    parser.add_argument(
        "--mount-program",
        action="append",
        type=_mount_program,
        default=[],
        metavar="NAME=FILE",
        help="one more peer: a program that takes fuse-overlayfs's arguments",
    )
    parser.add_argument("--repeats", type=_positive, metavar="N", help="default: 5, with --quick 3")
    parser.add_argument("--quick", action="store_true", help=f"{_QUICK} times less of everything")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the results there, too")
    parser.add_argument("--directory", metavar="DIR", help=_DIRECTORY_HELP)
    parser.add_argument("--list", action="store_true", help="list peers and workloads, and measure nothing")
    return parser


def _positive(text: str) -> int:
    if not text.isdecimal() or not int(text):
        raise argparse.ArgumentTypeError(f"not a number of repeats: {text}")
    return int(text)


def _mount_program(text: str) -> Peer:
    name, equals, program = text.partition("=")
    if not equals:
        raise argparse.ArgumentTypeError(f"not NAME=FILE: {text}")
    return MountProgram(os.path.abspath(program), name)


Named = TypeVar("Named", Peer, Workload[Any])


def _chosen(known: Sequence[Named], names: Sequence[str]) -> list[Named]:
    """Those of these names; all if there are none."""
    strangers = sorted(set(names) - {each.name for each in known})
    if strangers:
        raise LookupError(f"unknown: {' '.join(strangers)} (see --list)")
    return [each for each in known if not names or each.name in names]


def _chosen_peers(names: Sequence[str]) -> list[Peer]:
    return _chosen(PEERS, [] if _ALL_PEERS in names else names)


def _list(peers: Sequence[Peer], workloads: Sequence[Workload[Any]]) -> None:
    for peer in peers:
        print(f"{peer.name:15} {peer.lack() or peer.version()}")
    print()
    for workload in workloads:
        for figure in workload.figures:
            print(f"{workload.name:15} {workload.title(figure)}")


def _run(
    args: argparse.Namespace, peers: Sequence[Peer], workloads: Sequence[Workload[Any]], place: Path
) -> int:
    adopt_daemons()
    here = [peer for peer in peers if _is_here(peer)]
    repeats = args.repeats or (3 if args.quick else 5)
    runner = Runner(here, repeats, place, _watch)
    about = {
        "machine": machine.description(place),
        "peers": {peer.name: peer.version() for peer in here},
        "repeats": repeats,
        "quick": args.quick,
    }
    rows = _measure(runner, [each.scaled(_QUICK) if args.quick else each for each in workloads])
    if args.json:
        args.json.write_text(json.dumps({**about, "rows": [row.as_json() for row in rows]}, indent=1) + "\n")
    return 1 if any(row.failures for row in rows) else 0


def _is_here(peer: Peer) -> bool:
    lack = peer.lack()
    if lack:
        print(f"{peer.name} is left out: {lack}", file=sys.stderr)
    return lack is None


def _measure(runner: Runner, workloads: Sequence[Workload[Any]]) -> list[Row]:
    rows = []
    print(table.HEADER)
    for workload in workloads:
        found = runner.run(workload)
        rows += found
        _watch("")
        for row in found:
            print(*table.lines(row), sep="\n", flush=True)
    return rows


def _watch(doing: str) -> None:
    """Progress, where somebody sees it; the next line takes its place."""
    if sys.stderr.isatty():
        print(f"\r\x1b[K{doing}", end="", file=sys.stderr, flush=True)


if __name__ == "__main__":
    sys.exit(main())
