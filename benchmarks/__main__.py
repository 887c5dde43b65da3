"""``python -m benchmarks``"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

import benchmarks.workloads  # noqa: F401 - fills ALL
from benchmarks import keeping, table
from benchmarks.scratch import DEFAULT, scratch
from benchmarks.workload import ALL, Scaled
from unionfs.bench import choosing
from unionfs.bench.ending import orderly_end
from unionfs.bench.mounting import adopt_daemons
from unionfs.bench.peers import FUSE_OVERLAYFS, OURS, OVERLAYFS, PEERS, Directory, Peer
from unionfs.bench.results import Report, Row
from unionfs.bench.running import Runner
from unionfs.cli.progress import Line
from unionfs.errors import ConfigError

_USUAL = (OURS, FUSE_OVERLAYFS, OVERLAYFS, Directory.name)
"""Who is measured unless told otherwise: the others take most of a run's time."""
_KNOWN = [peer.name for peer in PEERS]
_ALL_PEERS = "all"
_PEERS_HELP = f"those of them that are here; default: {' '.join(_USUAL)}; {_ALL_PEERS}: {' '.join(_KNOWN)}"
_DIRECTORY_HELP = f"where the layers are made; default: {DEFAULT}, as root on a new ext4 in a file there"

_QUICK = 10
"""How many times less there is to do in a quick run."""


def main() -> int:
    parser = _parser()
    args = parser.parse_args()
    try:
        named = _KNOWN if _ALL_PEERS in args.peers else args.peers
        peers = [*choosing.by_name(PEERS, named), *args.mount_program]
        workloads = choosing.by_name(ALL, args.workloads or [each.name for each in ALL])
    except ConfigError as unknown:
        parser.error(str(unknown))
    if args.list:
        _list([*PEERS, *args.mount_program], workloads)
        return 0
    with orderly_end():
        return _run(args, peers, [each for each in workloads if args.huge or not each.huge])


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks",
        description="Measure unionfs beside its peers on the same trees.",
    )
    parser.add_argument("workloads", nargs="*", metavar="WORKLOAD", help="all if none is named; see --list")
    parser.add_argument("--peers", nargs="+", metavar="PEER", default=list(_USUAL), help=_PEERS_HELP)
    parser.add_argument(
        "--mount-program",
        action="append",
        type=choosing.mount_program,
        default=[],
        metavar="NAME=FILE",
        help="one more peer: a program that takes fuse-overlayfs's arguments",
    )
    parser.add_argument("--repeats", type=choosing.repeats, metavar="N", help="default: 5, with --quick 3")
    parser.add_argument("--quick", action="store_true", help=f"{_QUICK} times less of everything")
    parser.add_argument("--huge", action="store_true", help="a million files, too, which take half an hour")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the results there, too")
    parser.add_argument("--keep", action="store_true", help=f"keep the results in {keeping.DIRECTORY.name}/")
    parser.add_argument("--directory", metavar="DIR", help=_DIRECTORY_HELP)
    parser.add_argument("--list", action="store_true", help="list peers and workloads, and measure nothing")
    return parser


def _list(peers: Sequence[Peer], workloads: Sequence[Scaled]) -> None:
    for peer in peers:
        print(f"{peer.name:20} {peer.lack() or peer.version()}")
    print()
    for workload in workloads:
        for figure in workload.figures:
            print(f"{workload!s:20} {workload.title(figure)}")


def _run(args: argparse.Namespace, peers: Sequence[Peer], workloads: Sequence[Scaled]) -> int:
    adopt_daemons()
    repeats = args.repeats or (3 if args.quick else 5)
    kept = [path for path in (args.json, keeping.place("workloads") if args.keep else None) if path]
    with Line() as line, scratch(args.directory) as place:
        runner = Runner(choosing.present(peers), repeats, place, line.show)
        about = {**runner.about, "commit": keeping.commit(), "quick": args.quick}
        scaled = [each.scaled(_QUICK) if args.quick else each for each in workloads]
        report = Report(about, _measured(runner, scaled, line))
    for path in kept:
        report.write(path)
    return 1 if report.failed else 0


def _measured(runner: Runner, workloads: Sequence[Scaled], line: Line) -> list[Row]:
    rows = []
    print(table.HEADER)
    for found in runner.run(workloads):
        rows += found
        line.clear()
        for row in found:
            print(*table.lines(row), sep="\n", flush=True)
    return rows


if __name__ == "__main__":
    sys.exit(main())
