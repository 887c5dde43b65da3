"""``unionfs bench``: how long things take here, and beside peers that are installed."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from unionfs.cli.parsers import Subparsers, add_commands, examples

if TYPE_CHECKING:
    from unionfs.bench.peers import Peer
    from unionfs.bench.results import Report

_SIZES = "4K,64K,1M,16M,128M,1G"
_PEERS = "unionfs,fuse-overlayfs,overlayfs,unionfs-fuse"
_REPEATS = 5

_DESCRIPTION = (
    "Measure what the first change of a lower file costs, by the file's size: how long the first write "
    "takes, how long until the copy is whole and on the disk (and how long cp takes for the same), chmod "
    "and unlink, and how long others wait for their answers meanwhile. All peers that are here take turns "
    "on the same files, each time with a fresh mount and an empty upper layer. Everything is made in a "
    "directory of its own in DIRECTORY, and removed afterwards."
)


def add_parser(subparsers: Subparsers) -> None:
    parser = subparsers.add_parser(
        "bench",
        usage="SUBJECT ...",
        help="measure this project beside its peers",
        description="Measure unions beside each other.",
    )
    subjects = add_commands(parser, "SUBJECT", "subject")
    _add_copyup(subjects)


def _add_copyup(subjects: Subparsers) -> None:
    parser = subjects.add_parser(
        "copy-up",
        usage="[OPTION]... [DIRECTORY]",
        help="what the first change of a lower file costs",
        description=_DESCRIPTION,
        epilog=examples("unionfs bench copy-up /var/tmp --sizes 4K,1M,64M --plot copy-up.svg"),
    )
    parser.add_argument(
        "directory",
        nargs="?",
        type=Path,
        default=".",
        metavar="DIRECTORY",
        help="on the file system to be measured; default: the current one",
    )
    parser.add_argument(
        "--sizes", type=_sizes, default=_SIZES, metavar="SIZE,...", help=f"of the files; default: {_SIZES}"
    )
    parser.add_argument(
        "--repeats",
        type=_repeats,
        default=_REPEATS,
        metavar="N",
        help=f"of each measurement; default: {_REPEATS}",
    )
    parser.add_argument(
        "--peers",
        type=lambda text: text.split(","),
        default=_PEERS,
        metavar="PEER,...",
        help=f"those of them that are here; default: {_PEERS.replace(',', ', ')}; also known: "
        "unionfs-fusepy (the other transport), overlayfs-metacopy (the kernel's with metacopy=on)",
    )
    parser.add_argument(
        "--mount-program",
        action="append",
        type=_mount_program,
        default=[],
        metavar="NAME=FILE",
        help="one more peer: a program that takes fuse-overlayfs's arguments",
    )
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the results there, too")
    parser.add_argument(
        "--plot", type=Path, metavar="FILE", help="draw them, as .svg or .png (needs unionfs[plot])"
    )
    parser.add_argument("--quiet", action="store_true", help="no progress on the terminal")
    parser.set_defaults(run=run)


def _sizes(text: str) -> list[int]:
    from unionfs.bench.units import parse_size

    try:
        return [parse_size(size) for size in text.split(",")]
    except ValueError as failure:
        raise argparse.ArgumentTypeError(str(failure)) from failure


def _repeats(text: str) -> int:
    from unionfs.bench import choosing

    return choosing.repeats(text)


def _mount_program(text: str) -> Peer:
    from unionfs.bench import choosing

    return choosing.mount_program(text)


def run(args: argparse.Namespace) -> int:
    from unionfs.bench import choosing, copyup, matrix, outputs
    from unionfs.bench.peers import PEERS, Directory, Mounting

    mounting = [peer for peer in PEERS if isinstance(peer, Mounting)]
    peers = [*choosing.by_name(mounting, args.peers), *args.mount_program]
    outputs.check(args.json, args.plot)
    copyup.require_room(args.directory, args.sizes)
    report = _measured(args, [*choosing.present(peers), Directory()])
    outputs.write(report, args.json, args.plot)  # first: who reads the table may stop reading
    print(*matrix.lines(report.rows, list(report.about["peers"])), sep="\n")
    return 1 if report.failed else 0


def _measured(args: argparse.Namespace, peers: Sequence[Peer]) -> Report:
    from unionfs.bench import copyup
    from unionfs.bench.ending import orderly_end
    from unionfs.bench.mounting import adopt_daemons
    from unionfs.bench.results import Report
    from unionfs.bench.running import Runner
    from unionfs.bench.scratch import temporary
    from unionfs.cli.progress import Line

    adopt_daemons()
    with orderly_end(), Line(quiet=args.quiet) as line, temporary(args.directory) as place:
        runner = Runner(peers, args.repeats, place, line.show)
        about = runner.about
        rows = [row for found in runner.run(copyup.workloads(args.sizes)) for row in found]
        return Report(about, rows)
