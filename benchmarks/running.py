"""Repeats, round robin over the peers."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from subprocess import SubprocessError
from typing import Any

from benchmarks.measuring import MeasuringError, measure
from benchmarks.mounting import MountError
from benchmarks.peers import Peer
from benchmarks.results import Row, spread
from benchmarks.trees import Forest
from benchmarks.workload import Workload

Watch = Callable[[str], None]
"""Told what is being done."""


class Runner:
    """Measures workloads with the same peers in one scratch directory."""

    def __init__(self, peers: Sequence[Peer], repeats: int, scratch: Path, watch: Watch) -> None:
        self._peers = peers
        self._repeats = repeats
        self._scratch = scratch
        self._forest = Forest(scratch)
        self._watch = watch

    def run(self, workload: Workload[Any]) -> list[Row]:
        """A row for each of its figures. A peer that fails once is left out from then on."""
        self._watch(f"{workload.name}: making its tree")
        self._forest.warm(workload.tree)
        samples: dict[str, list[list[float]]] = {}
        failures: dict[str, str] = {}
        for repeat in range(self._repeats):
            for peer in self._turn(repeat):
                if peer.name in failures:
                    continue
                self._watch(f"{workload.name}: {peer.name}, {repeat + 1} of {self._repeats}")
                try:
                    seconds = measure(workload, peer, self._forest, self._scratch)
                    samples.setdefault(peer.name, []).append(seconds)
                except (MountError, MeasuringError, OSError, SubprocessError) as failure:
                    failures[peer.name] = str(failure)
        return self._rows(workload, samples, failures)

    def _turn(self, repeat: int) -> list[Peer]:
        """Each time another begins, so that nobody always comes after the same one."""
        first = repeat % len(self._peers)
        return [*self._peers[first:], *self._peers[:first]]

    def _rows(
        self, workload: Workload[Any], samples: dict[str, list[list[float]]], failures: dict[str, str]
    ) -> list[Row]:
        rows = []
        for number, figure in enumerate(workload.figures):
            row = Row(workload.name, workload.title(figure), figure.goal, failures=failures)
            for peer in self._peers:
                if peer.name in samples and peer.name not in failures:
                    row.spreads[peer.name] = spread([seconds[number] for seconds in samples[peer.name]])
            rows.append(row)
        return rows
