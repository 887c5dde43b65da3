"""Results for people, in 80 columns."""

from __future__ import annotations

from collections.abc import Iterator

from unionfs.bench.peers import FUSE_OVERLAYFS, OVERLAYFS
from unionfs.bench.results import Row, Spread
from unionfs.bench.workload import Goal

HEADER = f"{'':22}{'median':>9}{'min .. max':>19}{'/fuse-overlayfs':>17}{'/overlayfs':>12}"


def lines(row: Row) -> Iterator[str]:
    """A figure's heading with its goal, and a line for each peer."""
    yield ""
    yield f"{row.heading}; {row.unit.shown}"
    if row.goal:
        aim = f"; aim {_goal(row, row.aim)}" if row.aim else ""
        yield f"  [at most {_goal(row, row.goal)}{aim}]"
    for peer, spread in row.spreads.items():
        yield _line(row, peer, spread).rstrip()
    for peer, failure in row.failures.items():
        yield f"  {peer:20} failed: {failure}"


def _goal(row: Row, goal: Goal) -> str:
    said = f"{goal.at_most:g} x {goal.peer}" if goal.peer else f"{row.unit.text(goal.at_most)}"
    return said + {True: ", met", False: ", missed", None: ""}[row.meets(goal)]


def _line(row: Row, peer: str, spread: Spread) -> str:
    text = row.unit.text
    ratios = _ratio(row, peer, FUSE_OVERLAYFS), _ratio(row, peer, OVERLAYFS)
    between = f"{text(spread.low)} .. {text(spread.high)}"
    return f"  {peer:20}{text(spread.median):>9}{between:>19}{ratios[0]:>17}{ratios[1]:>12}"


def _ratio(row: Row, peer: str, to: str) -> str:
    ratio = row.ratio(peer, to)
    if ratio is None or peer == to:
        return ""
    return f"{ratio:.{0 if ratio >= 100 else 2 if ratio >= 0.1 else 4}f}"
