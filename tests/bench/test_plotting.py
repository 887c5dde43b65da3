"""Plots: whole files of the form that was asked for, the same for the same results."""

from __future__ import annotations

import sys
import xml.etree.ElementTree as ElementTree
from pathlib import Path

import pytest
from rows import copyup_rows, growth, row

from unionfs.bench import copyup_plot, plotting
from unionfs.bench.plotting import Panel
from unionfs.bench.units import Unit
from unionfs.errors import ConfigError


def test_copy_up_as_svg_and_png(tmp_path: Path) -> None:
    for name in ("plot.svg", "plot.png"):
        copyup_plot.draw(copyup_rows(), tmp_path / name)
    assert ElementTree.parse(tmp_path / "plot.svg").getroot().tag.endswith("svg")
    assert (tmp_path / "plot.png").read_bytes().startswith(b"\x89PNG")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["plot.png", "plot.svg"]


def test_the_same_results_are_the_same_file(tmp_path: Path) -> None:
    for name in ("1.svg", "2.svg"):
        copyup_plot.draw(copyup_rows(), tmp_path / name)
    assert (tmp_path / "1.svg").read_bytes() == (tmp_path / "2.svg").read_bytes()


@pytest.mark.parametrize("unit", Unit)
def test_growth_in_every_unit(unit: Unit, tmp_path: Path) -> None:
    plotting.draw_panels([Panel("growth", growth(unit))], tmp_path / "plot.svg")
    assert (tmp_path / "plot.svg").stat().st_size


def test_ratios_leave_out_what_cannot_be_held_against_the_peer(tmp_path: Path) -> None:
    rows = [row(unionfs=1.0, overlayfs=2.0, fuse_overlayfs=3.0), row(unionfs=1.0), *growth()]
    plotting.draw_ratios(rows, "overlayfs", tmp_path / "some.svg")
    plotting.draw_ratios(rows[:1], "overlayfs", tmp_path / "one.svg")
    assert (tmp_path / "some.svg").read_bytes() == (tmp_path / "one.svg").read_bytes()


def test_where_everybody_failed_there_is_an_empty_plot(tmp_path: Path) -> None:
    rows = copyup_rows()
    for each in rows:
        each.spreads = {}
    copyup_plot.draw(rows, tmp_path / "plot.svg")
    plotting.draw_ratios(rows, "overlayfs", tmp_path / "ratios.svg")
    assert len(list(tmp_path.iterdir())) == 2


def test_another_form_is_refused() -> None:
    with pytest.raises(ConfigError, match=r"plot\.gif: plots are \.svg or \.png"):
        plotting.require(Path("plot.gif"))


def test_without_matplotlib_it_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    with pytest.raises(ConfigError, match=r"pip install 'unionfs\[plot\]'"):
        plotting.require(Path("plot.svg"))
