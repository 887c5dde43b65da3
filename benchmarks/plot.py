"""``python -m benchmarks.plot``: draw the last results that were kept, for docs/."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from benchmarks import keeping
from unionfs.bench import copyup_plot, plotting
from unionfs.bench.matrix import by_title
from unionfs.bench.peers import OVERLAYFS
from unionfs.bench.plotting import Panel
from unionfs.bench.results import Row, read_report
from unionfs.bench.units import Axis
from unionfs.errors import ConfigError

_PLOTS = Path(__file__).parent.parent / "docs/plots"


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.plot", description=__doc__)
    parser.add_argument("--workloads", type=Path, metavar="FILE", default=keeping.latest("workloads"))
    parser.add_argument("--growth", type=Path, metavar="FILE", default=keeping.latest("growth"))
    parser.add_argument("--copy-up", type=Path, metavar="FILE", default=keeping.latest("copy-up"))
    parser.add_argument("--into", type=Path, metavar="DIR", default=_PLOTS)
    args = parser.parse_args()
    args.into.mkdir(exist_ok=True)
    try:
        if args.copy_up:
            copyup_plot.draw(read_report(args.copy_up).rows, args.into / "copy-up.svg")
        if args.workloads:
            _draw_workloads(read_report(args.workloads).rows, args.into)
        if args.growth:  # measured by itself, for a million files take a while
            _draw_growth(read_report(args.growth).rows, args.into)
    except ConfigError as failure:
        sys.exit(str(failure))
    return 0


def _draw_workloads(rows: Sequence[Row], into: Path) -> None:
    plotting.draw_ratios([row for row in rows if row.at is None], OVERLAYFS, into / "workloads.svg")
    _draw_growth(rows, into)


def _draw_growth(rows: Sequence[Row], into: Path) -> None:
    for axis in (Axis.LAYERS, Axis.FILES):
        growing = by_title(row for row in rows if row.at and row.at.axis is axis)
        panels = [Panel(title, of_title) for title, of_title in growing.items()]
        if panels:
            plotting.draw_panels(panels, into / f"{axis.value}.svg")


if __name__ == "__main__":
    sys.exit(main())
