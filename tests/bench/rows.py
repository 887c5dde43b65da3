"""Results that nobody had to wait for."""

from __future__ import annotations

from unionfs.bench import copyup
from unionfs.bench.results import Row, spread
from unionfs.bench.units import Axis, Point, Unit
from unionfs.bench.workload import Goal

PEERS = ("unionfs", "fuse-overlayfs", "overlayfs", "unionfs-fuse", "another")


def row(**medians: float) -> Row:
    """A row of times with a spread of a tenth to both sides, by peer; ``_`` stands for ``-``."""
    found = Row("work", "work of 10 files", goal=Goal(1.5, "overlayfs"), aim=Goal(0.2, None))
    for peer, median in medians.items():
        found.spreads[peer.replace("_", "-")] = spread([median * 0.9, median, median * 1.1])
    return found


def copyup_rows() -> list[Row]:
    """What a run of `unionfs bench copy-up` with all `PEERS` could have found."""
    return [
        Row(
            workload.name,
            figure.title,
            figure.unit,
            workload.at,
            spreads={
                peer: spread([workload.amount * (number + 1) / 1e9]) for number, peer in enumerate(PEERS)
            },
        )
        for workload in copyup.workloads([4096, 1 << 20, 1 << 30])
        for figure in workload.figures
    ]


def growth(unit: Unit = Unit.SECONDS) -> list[Row]:
    return [
        Row(
            "grow",
            "growth",
            unit,
            Point(Axis.LAYERS, layers),
            spreads={"unionfs": spread([layers, layers * 2])},
        )
        for layers in (1, 10, 100)
    ]
