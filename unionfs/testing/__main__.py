"""Hold a file system against what any file system, and a union in particular, has to do.

    python -m unionfs.testing MOUNTPOINT                    run every check there
    python -m unionfs.testing --prepare DIR                 make layers for the checks that need some
    python -m unionfs.testing MOUNTPOINT --stress           random operations from many processes

Exit status: 0, or 1 if anything failed.
"""

from __future__ import annotations

import argparse
import fnmatch
import os
import subprocess
import sys
from collections.abc import Iterable, Sequence

from unionfs import standard_output
from unionfs.adapters.mountinfo import mounted_at
from unionfs.testing.conformance import departures, needs, report, scenes
from unionfs.testing.conformance.check import Check
from unionfs.testing.conformance.needs import Need
from unionfs.testing.conformance.runner import Remount, Result, Status, run
from unionfs.testing.conformance.stress.run import stress
from unionfs.testing.conformance.table import TABLE


def main(arguments: Sequence[str] | None = None) -> int:
    options = _parser().parse_args(arguments)
    try:
        code = _do(options, _chosen(options.k or ()))
        standard_output.flush()
    except BrokenPipeError:
        standard_output.drop_unwritten()
        return 1
    return code


def _do(options: argparse.Namespace, checks: Sequence[Check]) -> int:
    if options.list:
        print("\n".join(check.name for check in checks))
        return 0
    if options.prepare:
        return _prepare(options.prepare, checks, flat=options.flat)
    if options.stress:
        return _stress(options)
    return _run(options, checks)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m unionfs.testing",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument(
        "mountpoint", nargs="?", metavar="MOUNTPOINT", help="an empty directory of it is enough"
    )
    parser.add_argument(
        "-k",
        metavar="PATTERN",
        action="append",
        help="only checks whose name matches (*, ?), or holds it; repeatable",
    )
    parser.add_argument("--list", action="store_true", help="print the names of the checks")
    parser.add_argument("--json", action="store_true", help="print every result as JSON")
    parser.add_argument("--prepare", metavar="DIR", help="make DIR/lower0 (top-most) and DIR/lower1")
    parser.add_argument(
        "--flat", action="store_true", help="with --prepare: what a union of them shows, in DIR"
    )
    parser.add_argument("--remount", metavar="COMMAND", help="a shell command that mounts MOUNTPOINT anew")
    parser.add_argument(
        "--departures",
        metavar="NAME",
        help=f"known to differ: {', '.join(departures.NAMES)} (by default: its type)",
    )
    parser.add_argument("--stress", action="store_true", help="random operations in place of the checks")
    parser.add_argument("--seed", type=int, default=0, help="of the random operations")
    parser.add_argument("--seconds", type=float, default=30, help="how long the random operations go on")
    parser.add_argument("--processes", type=int, default=4, help="how many do them at the same time")
    return parser


def _chosen(patterns: Sequence[str]) -> list[Check]:
    wanted = [pattern if "*" in pattern or "?" in pattern else f"*{pattern}*" for pattern in patterns]
    return [
        check
        for check in TABLE.values()
        if not wanted or any(fnmatch.fnmatchcase(check.name, pattern) for pattern in wanted)
    ]


def _prepare(directory: str, checks: Iterable[Check], *, flat: bool) -> int:
    missing = needs.missing(directory, can_remount=True)
    checks = [check for check in checks if not any(need in missing for need in check.needs)]
    if flat:
        scenes.prepare_flat(directory, checks)
    else:
        dialect = "overlay.user" if Need.TRUSTED in missing else "overlay"
        print(":".join(scenes.prepare(directory, checks, dialect)))
    return 0


def _run(options: argparse.Namespace, checks: Sequence[Check]) -> int:
    mountpoint = os.path.abspath(options.mountpoint)
    mounted = mounted_at(mountpoint)
    known = departures.of(options.departures or (mounted.type if mounted else ""))
    missing = needs.missing(mountpoint, can_remount=options.remount is not None)
    failed = False

    def seen(results: Iterable[Result]) -> Iterable[Result]:
        nonlocal failed
        for result in results:
            failed = failed or result.status is Status.FAILED
            yield result

    results = seen(run(checks, mountpoint, missing, _remounting(options.remount), known))
    if options.json:
        print(report.as_json(results))
    else:
        for line in report.as_lines(results):
            print(line, flush=True)
    return 1 if failed else 0


def _stress(options: argparse.Namespace) -> int:
    failed = stress(os.path.abspath(options.mountpoint), options.seed, options.seconds, options.processes)
    print("\n".join(failed) or "nothing failed")
    return 1 if failed else 0


def _remounting(command: str | None) -> Remount | None:
    if command is None:
        return None

    def remount() -> None:
        subprocess.run(["sh", "-c", command], check=True, stdout=subprocess.DEVNULL)

    return remount


if __name__ == "__main__":
    sys.exit(main())
