"""Figures of whole commands, beside other tools on the same image; everything is in the page cache.

The parties take turns. Needs root, for what the others do.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import NamedTuple

from benchmarks import sample_image
from benchmarks.scratch import scratch
from unionfs.bench import machine
from unionfs.bench.results import spread

# An installed program has its bytecode; a developer's environment may forbid keeping it.
OURS = ["env", "-u", "PYTHONDONTWRITEBYTECODE", sys.executable, "-m", "unionfs.cli"]
PATIENCE = 300
"""Seconds that a command has."""


class Figure(NamedTuple):
    """What two parties take for the same work, in seconds, and the ratio to reach."""

    title: str
    peer: str
    at_most: float
    aim: float
    ours: list[float]
    theirs: list[float]

    @property
    def ratio(self) -> float:
        return spread(self.ours).median / spread(self.theirs).median


Measure = Callable[[Path, str, int], Sequence[Figure]]
"""Given a directory, the reference of an image in it, and the number of repeats."""


def main(module: str, about: str | None, tools: Sequence[str], measures: Sequence[Measure]) -> int:
    """Run ``python -m benchmarks.MODULE``, which needs `tools`."""
    parser = argparse.ArgumentParser(prog=f"python -m benchmarks.{module}", description=about)
    parser.add_argument("--repeats", type=int, default=5, metavar="N")
    parser.add_argument("--quick", action="store_true", help="an image of a tenth of the size")
    parser.add_argument("--directory", metavar="DIR", help="where to work; default: a new ext4 in /var/tmp")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the results there, too")
    args = parser.parse_args()
    missing = [tool for tool in tools if shutil.which(tool) is None]
    if missing or os.geteuid() != 0:
        parser.error(f"needs root and {', '.join(missing or tools)}")
    files, size = (each // (10 if args.quick else 1) for each in (sample_image.FILES, sample_image.BYTES))
    with scratch(args.directory) as place:
        where = machine.description(place)
        reference = sample_image.make(place / "image", files, size)
        figures = [figure for measure in measures for figure in measure(place, reference, args.repeats)]
    for figure in figures:
        _print(figure)
    if args.json:
        rows = [figure._asdict() | {"ratio": figure.ratio} for figure in figures]
        args.json.write_text(json.dumps({"machine": where, "rows": rows}, indent=1) + "\n")
    return 0


def _print(figure: Figure) -> None:
    print(f"{figure.title}  [at most {figure.at_most:g} x {figure.peer}, aim {figure.aim:g}]")
    for name, samples in (("unionfs", figure.ours), (figure.peer, figure.theirs)):
        found = spread(samples)
        print(f"  {name:28} {found.median:8.3f} s   {found.low:.3f} .. {found.high:.3f}")
    print(f"  {'ratio':28} {figure.ratio:8.3f}")


def seconds(*command: str) -> float:
    os.sync()  # nobody is to wait for what another has left to be written
    start = time.perf_counter()
    run(*command)
    return time.perf_counter() - start


def run(*command: str) -> None:
    done = subprocess.run(command, capture_output=True, text=True, timeout=PATIENCE)
    if done.returncode:
        sys.exit(f"{' '.join(command)}: {done.stderr.strip()}")
