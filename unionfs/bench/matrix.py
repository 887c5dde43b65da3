"""Figures that were taken at several points, for people: a line for each point, a column for each peer."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

from unionfs.bench.results import Row, Spread
from unionfs.bench.units import Unit

WIDTH = 80
_POINT_WIDTH = 14
_CELL_WIDTH = 16
_PEERS = (WIDTH - _POINT_WIDTH) // _CELL_WIDTH
"""How many have room beside each other."""


def by_title(rows: Iterable[Row]) -> dict[str, list[Row]]:
    """The rows of each figure, in the order in which they come."""
    grouped: dict[str, list[Row]] = {}
    for row in rows:
        grouped.setdefault(row.title, []).append(row)
    return grouped


def lines(rows: Sequence[Row], peers: Sequence[str]) -> Iterator[str]:
    """Medians, and how far the repeats are from them at most; then who failed at what, and why."""
    for title, of_figure in by_title(rows).items():
        yield ""
        yield f"{title}; {of_figure[0].unit.shown}"
        told = [
            peer for peer in peers if any(peer in row.spreads or peer in row.failures for row in of_figure)
        ]
        for start in range(0, len(told), _PEERS):
            yield from _block(of_figure, told[start : start + _PEERS])
    yield from _failures(rows)


def _block(rows: Sequence[Row], peers: Sequence[str]) -> Iterator[str]:
    yield _line("", peers)
    for row in rows:
        yield _line(str(row.at), [_cell(row, peer) for peer in peers])


def _line(start: str, cells: Iterable[str]) -> str:
    return f"{start:>{_POINT_WIDTH}}" + "".join(f"{cell:>{_CELL_WIDTH}}" for cell in cells)


def _cell(row: Row, peer: str) -> str:
    if peer in row.failures:
        return "failed"
    return _text(row.unit, row.spreads[peer]) if peer in row.spreads else ""


def _text(unit: Unit, spread: Spread) -> str:
    if len(spread.samples) == 1:
        return unit.text(spread.median)
    off = max(spread.high - spread.median, spread.median - spread.low)
    percent = off / spread.median if spread.median else 0
    return f"{unit.text(spread.median)} ±{percent:3.0%}"


def _failures(rows: Iterable[Row]) -> Iterator[str]:
    told = {
        (str(row.at), peer, row.workload, reason) for row in rows for peer, reason in row.failures.items()
    }
    if told:
        yield ""
    for point, peer, workload, reason in sorted(told):
        yield f"{peer} failed at {workload}, {point}: {reason}"
