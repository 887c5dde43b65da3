"""Results for people, in 80 columns."""

from __future__ import annotations

from collections.abc import Iterator

from benchmarks.peers import FUSE_OVERLAYFS, OVERLAYFS
from benchmarks.results import Row, Spread

HEADER = f"{'milliseconds':22}{'median':>9}{'min .. max':>19}{'/fuse-overlayfs':>17}{'/overlayfs':>12}"


def lines(row: Row) -> Iterator[str]:
    """A figure's title with its goal, and a line for each peer."""
    yield ""
    yield row.title
    if row.goal:
        aim = f", aim {row.goal.aim:g}" if row.goal.aim else ""
        yield f"  [goal: at most {row.goal.at_most:g} x {row.goal.peer}{aim}]"
    for peer, spread in row.spreads.items():
        yield _line(row, peer, spread).rstrip()
    for peer, failure in row.failures.items():
        yield f"  {peer:20} failed: {failure}"


def _line(row: Row, peer: str, spread: Spread) -> str:
    ratios = _ratio(row, peer, FUSE_OVERLAYFS), _ratio(row, peer, OVERLAYFS)
    between = f"{_milliseconds(spread.low)} .. {_milliseconds(spread.high)}"
    return f"  {peer:20}{_milliseconds(spread.median):>9}{between:>19}{ratios[0]:>17}{ratios[1]:>12}"


def _ratio(row: Row, peer: str, to: str) -> str:
    ratio = row.ratio(peer, to)
    if ratio is None or peer == to:
        return ""
    return f"{ratio:.{0 if ratio >= 100 else 2 if ratio >= 0.1 else 4}f}"


def _milliseconds(seconds: float) -> str:
    value = seconds * 1000
    return f"{value:,.{2 if value < 10 else 1 if value < 100 else 0}f}"
