"""Where results go besides the terminal. What cannot be written is found out before anything is measured."""

from __future__ import annotations

import os
from pathlib import Path

from unionfs.bench import copyup_plot, plotting
from unionfs.bench.results import Report
from unionfs.errors import ConfigError


def check(json: Path | None, plot: Path | None) -> None:
    """`ConfigError` if one of the two could not be written."""
    for path in filter(None, (json, plot)):
        if path.is_dir() or not os.access(path.parent, os.W_OK | os.X_OK):
            raise ConfigError(f"{path}: cannot be written")
    if plot:
        plotting.require(plot)


def write(report: Report, json: Path | None, plot: Path | None) -> None:
    if json:
        report.write(json)
    if plot:
        copyup_plot.draw(report.rows, plot)
