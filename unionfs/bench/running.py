"""Repeats, round robin over the peers."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from subprocess import SubprocessError
from typing import Any

from unionfs.bench import machine
from unionfs.bench.measuring import MeasuringError, measure
from unionfs.bench.mounting import MountError
from unionfs.bench.peers import Peer
from unionfs.bench.results import Row, spread
from unionfs.bench.trees import Forest
from unionfs.bench.workload import Workload

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

    @property
    def about(self) -> dict[str, Any]:
        """Where it measures, and whom: what a `Report` begins with."""
        return {
            "machine": machine.description(self._scratch),
            "peers": {peer.name: peer.version() for peer in self._peers},
            "repeats": self._repeats,
        }

    def run(self, workloads: Sequence[Workload[Any]]) -> Iterator[list[Row]]:
        """The rows of each workload, one a figure, when it is done."""
        for number, workload in enumerate(workloads, 1):
            yield self._run(workload, f"[{number}/{len(workloads)}] {workload}")

    def _run(self, workload: Workload[Any], title: str) -> list[Row]:
        """A peer that fails once is left out from then on."""
        peers = [peer for peer in self._peers if workload.of(peer)]
        self._watch(f"{title}: making its tree")
        try:
            self._forest.warm(workload.tree)
        except (OSError, SubprocessError) as failure:
            return self._rows(workload, {}, {peer.name: str(failure) for peer in peers})
        samples: dict[str, list[list[float]]] = {}
        failures: dict[str, str] = {}
        for repeat in range(self._repeats):
            for peer in _turn(peers, repeat):
                if peer.name in failures:
                    continue
                self._watch(f"{title}: {peer.name}, {repeat + 1} of {self._repeats}")
                try:
                    values = measure(workload, peer, self._forest, self._scratch)
                    samples.setdefault(peer.name, []).append(values)
                except (MountError, MeasuringError, OSError, SubprocessError) as failure:
                    failures[peer.name] = str(failure)
        return self._rows(workload, samples, failures)

    def _rows(
        self, workload: Workload[Any], samples: dict[str, list[list[float]]], failures: dict[str, str]
    ) -> list[Row]:
        rows = []
        for number, figure in enumerate(workload.figures):
            row = Row(
                workload.name,
                workload.title(figure),
                figure.unit,
                workload.at,
                figure.goal,
                figure.aim,
                failures=failures,
            )
            for peer in self._peers:
                if peer.name in samples and peer.name not in failures:
                    row.spreads[peer.name] = spread([values[number] for values in samples[peer.name]])
            rows.append(row)
        return rows


def _turn(peers: Sequence[Peer], repeat: int) -> list[Peer]:
    """Each time another begins, so that nobody always comes after the same one."""
    first = repeat % max(1, len(peers))
    return [*peers[first:], *peers[:first]]
