"""What a run has found: values by figure and peer, who failed, and all of it as JSON."""

from __future__ import annotations

import json
import statistics
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

from unionfs.bench.peers import OURS
from unionfs.bench.units import Axis, Point, Unit
from unionfs.bench.workload import Goal
from unionfs.errors import ConfigError


class Spread(NamedTuple):
    """Values of all repeats, in the row's unit."""

    median: float
    low: float
    high: float
    samples: tuple[float, ...]


def spread(samples: Sequence[float]) -> Spread:
    return Spread(statistics.median(samples), min(samples), max(samples), tuple(samples))


@dataclass
class Row:
    """One figure of one workload."""

    workload: str
    title: str
    unit: Unit = Unit.SECONDS
    at: Point | None = None
    goal: Goal | None = None
    aim: Goal | None = None
    spreads: dict[str, Spread] = field(default_factory=dict)
    """By peer."""
    failures: dict[str, str] = field(default_factory=dict)

    @property
    def heading(self) -> str:
        return f"{self.title}, {self.at}" if self.at else self.title

    def ratio(self, peer: str, to: str) -> float | None:
        """The medians' ratio; None where one of them was not measured, or the second is 0."""
        if peer not in self.spreads or to not in self.spreads or not self.spreads[to].median:
            return None
        return self.spreads[peer].median / self.spreads[to].median

    def meets(self, goal: Goal) -> bool | None:
        """Whether this project does; None where it, or the peer to hold it against, was not measured."""
        measured = {*self.spreads} >= {OURS, goal.peer or OURS}
        if not measured:
            return None
        unit = self.spreads[goal.peer].median if goal.peer else 1
        return self.spreads[OURS].median <= goal.at_most * unit

    def as_json(self) -> dict[str, Any]:
        return {
            "workload": self.workload,
            "title": self.title,
            "unit": self.unit.value,
            "at": {self.at.axis.value: self.at.value} if self.at else None,
            "goal": self.goal._asdict() if self.goal else None,
            "aim": self.aim._asdict() if self.aim else None,
            "peers": {peer: spread._asdict() for peer, spread in self.spreads.items()},
            "failures": self.failures,
        }


def row_from_json(document: dict[str, Any]) -> Row:
    """The row that `Row.as_json` wrote."""
    return Row(
        document["workload"],
        document["title"],
        Unit(document["unit"]),
        next((Point(Axis(axis), value) for axis, value in (document["at"] or {}).items()), None),
        Goal(**document["goal"]) if document["goal"] else None,
        Goal(**document["aim"]) if document["aim"] else None,
        {peer: spread(values["samples"]) for peer, values in document["peers"].items()},
        document["failures"],
    )


class Report(NamedTuple):
    """A run, and what came of it."""

    about: dict[str, Any]
    """`machine`, `peers` with their versions, `repeats`, and what else the run wants to be known by."""
    rows: list[Row]

    @property
    def failed(self) -> bool:
        return any(row.failures for row in self.rows)

    def write(self, path: Path) -> None:
        """As JSON, whole or not at all."""
        document = {**self.about, "rows": [row.as_json() for row in self.rows]}
        unfinished = path.with_name(path.name + ".part")
        unfinished.write_text(json.dumps(document, indent=1) + "\n")
        unfinished.replace(path)


def read_report(path: Path) -> Report:
    """The report that `Report.write` wrote. `ConfigError` if `path` holds something else."""
    try:
        about = json.loads(path.read_text())
        rows = [row_from_json(row) for row in about.pop("rows")]
    except (ValueError, KeyError, TypeError, AttributeError) as failure:
        raise ConfigError(f"{path}: not the results of a benchmark: {failure!r}") from failure
    return Report(about, rows)
