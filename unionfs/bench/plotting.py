"""Drawing results. matplotlib, the extra ``plot``, is loaded when something is drawn."""

from __future__ import annotations

import importlib.util
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from unionfs.bench.peers import FUSE_OVERLAYFS, OURS, OVERLAYFS
from unionfs.bench.results import Row
from unionfs.bench.units import Axis, Unit, size_text
from unionfs.errors import ConfigError

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.axis import Axis as MatplotlibAxis
    from matplotlib.figure import Figure

_FORMATS = {".svg": {"Date": None}, ".png": {}}
"""What can be drawn, with the metadata that keeps the same results the same file."""

_COLOURS = {
    OURS: "#D55E00",
    FUSE_OVERLAYFS: "#0072B2",
    OVERLAYFS: "#009E73",
    "unionfs-fuse": "#CC79A7",
    "directory": "#777777",
    "unionfs-fusepy": "#E69F00",
    "overlayfs-metacopy": "#56B4E9",
}
"""Of Okabe and Ito, which people who do not see red and green apart can tell apart, too."""
_MARKERS = dict(zip(_COLOURS, "os^Dxv<", strict=True))
_STRANGER = "#000000"

_WIDTH = 5.2
_HEIGHT = 3.2
"""Of a panel, in inches."""


class Panel(NamedTuple):
    """One figure, over what it grows with."""

    title: str
    rows: Sequence[Row]
    beside: Sequence[Row] = ()
    """Drawn with broken lines."""


def require(target: Path) -> None:
    """`ConfigError` if nothing can be drawn, or not in the form that the name `target` asks for."""
    if target.suffix not in _FORMATS:
        raise ConfigError(f"{target}: plots are {' or '.join(_FORMATS)}")
    if importlib.util.find_spec("matplotlib") is None:
        raise ConfigError(f"{target}: plots need matplotlib: pip install 'unionfs[plot]'")


def draw_panels(panels: Sequence[Panel], target: Path, *, columns: int = 2) -> None:
    """Write the panels to `target`: medians as lines, the spread as bands, all axes logarithmic."""
    lines = -(-len(panels) // columns)
    figure = _figure(_WIDTH * columns, _HEIGHT * lines)
    for number, panel in enumerate(panels, 1):
        _draw_panel(figure.add_subplot(lines, columns, number), panel)
    _finish(figure, target)


def draw_ratios(rows: Iterable[Row], to: str, target: Path) -> None:
    """Write to `target` what each time is as a multiple of the peer `to`'s: a line of marks each."""
    shown = [row for row in rows if to in row.spreads and row.unit is Unit.SECONDS]
    figure = _figure(10, 1 + 0.32 * len(shown))
    axes = figure.add_subplot()
    for peer in dict.fromkeys(peer for row in shown for peer in row.spreads if peer != to):
        ratios = [row.ratio(peer, to) for row in shown]
        _draw_marks(axes, ratios, peer, linestyle="", **_style(peer))
    goals = [_allowed(row, to) for row in shown]
    _draw_marks(axes, goals, f"goal of {OURS}", color="black", marker="|", markersize=11, linestyle="")
    axes.set_xscale("log")
    axes.axvline(1, color=_COLOURS.get(to, _STRANGER), linewidth=1)
    axes.set_yticks(range(len(shown)), [row.heading for row in shown])
    axes.set_ylim(max(len(shown), 1) - 0.5, -0.5)
    axes.grid(alpha=0.25)
    _mark(axes.xaxis, *axes.get_xlim())
    axes.xaxis.set_major_formatter(lambda value, _: f"{value:g}")
    axes.set_xlabel(f"times what {to} takes (less is better)")
    _finish(figure, target)


def _draw_marks(axes: Axes, values: Iterable[float | None], label: str, **style: Any) -> None:
    """Each value in a line of its own."""
    known = {line: value for line, value in enumerate(values) if value}
    axes.plot([*known.values()], [*known], label=label, **style)


def _allowed(row: Row, to: str) -> float | None:
    """What the row's goal allows this project, as a multiple of `to`'s."""
    if row.goal is None or row.goal.peer is None:
        return None
    times = row.ratio(row.goal.peer, to)
    return times and row.goal.at_most * times


def _draw_panel(axes: Axes, panel: Panel) -> None:
    for peer in dict.fromkeys(peer for row in [*panel.rows, *panel.beside] for peer in row.spreads):
        _draw_curve(axes, panel.rows, peer)
        _draw_curve(axes, panel.beside, peer, broken=True)
    axes.set_title(panel.title, fontsize="medium")
    axes.set_xscale("log")
    axes.set_yscale("log")
    axes.grid(alpha=0.25)
    points = [row.at for row in panel.rows if row.at]
    axes.set_xticks([point.value for point in points], [_short(*point) for point in points])
    axes.minorticks_off()
    _mark(axes.yaxis, *axes.get_ylim())
    unit = panel.rows[0].unit
    axes.yaxis.set_major_formatter(lambda value, _: _quantity(unit, value))


def _mark(axis: MatplotlibAxis, low: float, high: float) -> None:
    """Put marks on a logarithmic axis, so many that it can be read and so few that they have room."""
    from matplotlib.ticker import LogLocator, NullLocator

    span = high / low
    axis.set_major_locator(LogLocator(subs=(1, 2, 5) if span < 1e2 else (1, 3) if span < 1e6 else (1,)))
    axis.set_minor_locator(NullLocator())


def _draw_curve(axes: Axes, rows: Iterable[Row], peer: str, *, broken: bool = False) -> None:
    points = [(row.at.value, row.spreads[peer]) for row in rows if row.at and peer in row.spreads]
    if not points:
        return
    along = [value for value, _ in points]
    style = {**_style(peer), "linestyle": "--" if broken else "-", "linewidth": 1.5}
    label = None if broken else peer
    axes.plot(along, [spread.median for _, spread in points], label=label, **style)
    low, high = [spread.low for _, spread in points], [spread.high for _, spread in points]
    axes.fill_between(along, low, high, color=style["color"], alpha=0.12, linewidth=0)


def _short(axis: Axis, value: int) -> str:
    """A value on an axis, as a command line would have it: ``128M``."""
    return size_text(value).replace(" ", "").removesuffix("iB") if axis is Axis.BYTES else f"{value:,}"


def _quantity(unit: Unit, value: float) -> str:
    """`value` on an axis, as short as it can be said."""
    for name, times in _SCALES.get(unit, ()):
        if value * times >= 0.999:
            return f"{value * times:.3g} {name}"
    return f"{value:,g} {unit.value}"


_SCALES = {
    Unit.SECONDS: (("s", 1), ("ms", 1e3), ("µs", 1e6), ("ns", 1e9)),
    Unit.BYTES: (("GB", 1e-9), ("MB", 1e-6), ("kB", 1e-3)),
}
"""What people are told values of a unit in, the first that they make one of."""


def _style(peer: str) -> dict[str, Any]:
    colour, marker = _COLOURS.get(peer, _STRANGER), _MARKERS.get(peer, "*")
    return {"color": colour, "marker": marker, "markersize": 5, "zorder": 4 if peer == OURS else 3}


def _figure(width: float, height: float) -> Figure:
    from matplotlib.figure import Figure

    return Figure(figsize=(width, height), layout="constrained")


def _finish(figure: Figure, target: Path) -> None:
    """With one legend for all, written whole or not at all."""
    from matplotlib import rc_context

    entries: dict[str, Any] = {}
    for axes in figure.axes:
        handles, labels = axes.get_legend_handles_labels()
        entries.update(zip(labels, handles, strict=True))
    figure.legend(
        entries.values(), entries.keys(), loc="outside upper center", ncols=len(entries) or 1, frameon=False
    )
    unfinished = target.with_name(target.name + ".part")
    # Names in the file that do not change with every run, and letters instead of their outlines.
    with rc_context({"svg.hashsalt": "unionfs", "svg.fonttype": "none"}):
        figure.savefig(
            unfinished, format=target.suffix.lstrip("."), metadata=_FORMATS[target.suffix], dpi=110
        )
    unfinished.replace(target)
