"""The results of `copyup` as a plot: what a change costs as the file grows."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from unionfs.bench import copyup, plotting
from unionfs.bench.matrix import by_title
from unionfs.bench.plotting import Panel
from unionfs.bench.results import Row


def draw(rows: Iterable[Row], target: Path) -> None:
    """Write the plot to `target`, in the form that its suffix names."""
    of = by_title(rows)
    panels = [
        Panel("First write: open, one byte, close", of[copyup.FIRST_WRITE.title]),
        Panel(
            "First write and fsync, throughput (broken: cp)",
            of[copyup.THROUGHPUT.title],
            of[copyup.CP.title],
        ),
        Panel("chmod", of[copyup.CHMOD.title]),
        Panel("unlink", of[copyup.UNLINK.title]),
        Panel(
            "Others' stat + read meanwhile, median (broken: idle)",
            of[copyup.BUSY_P50.title],
            of[copyup.IDLE_P50.title],
        ),
        Panel(
            "Others' stat + read meanwhile, 99th percentile (broken: idle)",
            of[copyup.BUSY_P99.title],
            of[copyup.IDLE_P99.title],
        ),
    ]
    plotting.draw_panels(panels, target)
