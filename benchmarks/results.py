"""What a run has found: seconds by figure and peer, and who failed."""

from __future__ import annotations

import statistics
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

from benchmarks.workload import Goal


class Spread(NamedTuple):
    """Seconds, of all repeats."""

    median: float
    low: float
    high: float
    samples: tuple[float, ...]


@dataclass
class Row:
    """One figure of one workload."""

    workload: str
    title: str
    goal: Goal | None
    spreads: dict[str, Spread] = field(default_factory=dict)
    """By peer."""
    failures: dict[str, str] = field(default_factory=dict)

    def ratio(self, peer: str, to: str) -> float | None:
        """The medians' ratio; None where one of them was not measured."""
        if peer not in self.spreads or to not in self.spreads:
            return None
        return self.spreads[peer].median / (self.spreads[to].median or float("inf"))

    def as_json(self) -> dict[str, object]:
        return {
            "workload": self.workload,
            "title": self.title,
            "goal": self.goal._asdict() if self.goal else None,
            "seconds": {peer: spread._asdict() for peer, spread in self.spreads.items()},
            "failures": self.failures,
        }


def spread(samples: Sequence[float]) -> Spread:
    return Spread(statistics.median(samples), min(samples), max(samples), tuple(samples))
