"""The repository's ``benchmarks/``: that it runs, counts what it says, and draws what it kept."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest

from unionfs.bench.results import Row, read_report

CHECKOUT = Path(__file__).parents[2]
NAMES = 2_000
WORKLOADS = ("missing", "git-status", "import", "layers-missing")


@pytest.fixture(scope="module")
def results() -> Iterator[Path]:
    with TemporaryDirectory(dir="/dev/shm") as directory:
        place = Path(directory)
        peers = ("--peers", "unionfs", "overlayfs", "directory")
        arguments = ("--quick", "--repeats", "1", "--directory", directory, "--json", place / "r.json")
        run("benchmarks", *WORKLOADS, *peers, *arguments)
        assert [path.name for path in place.iterdir()] == ["r.json"]
        yield place / "r.json"


@pytest.fixture(scope="module")
def rows(results: Path) -> dict[str, Row]:
    return {row.heading: row for row in read_report(results).rows}


def run(module: str, *arguments: str | Path) -> str:
    command = [sys.executable, "-m", module, *map(str, arguments)]
    done = subprocess.run(command, cwd=CHECKOUT, capture_output=True, text=True, timeout=110)
    assert (done.returncode, done.stderr) == (0, "")
    return done.stdout


def test_everybody_did_everything(rows: dict[str, Row]) -> None:
    assert {row.workload for row in rows.values()} == set(WORKLOADS)
    for row in rows.values():
        assert row.failures == {}
        assert set(row.spreads) == {"unionfs", "overlayfs", "directory"}


def test_a_missing_name_is_one_request_and_the_second_time_none(rows: dict[str, Row]) -> None:
    first, second = (
        rows[f"requests to the daemon for missing names, {time} time"] for time in ("first", "second")
    )
    assert NAMES <= first.spreads["unionfs"].median < NAMES * 1.1
    assert second.spreads["unionfs"].median == 0
    assert first.spreads["overlayfs"].median == 0  # which has no daemon


def test_the_results_say_what_was_measured_where(results: Path) -> None:
    about = read_report(results).about
    assert set(about) >= {"commit", "machine", "peers", "repeats", "quick"}
    assert about["machine"]["filesystem"] == "tmpfs"


def test_they_are_drawn(results: Path, tmp_path: Path) -> None:
    run("benchmarks.plot", "--workloads", results, "--into", tmp_path / "plots")
    drawn = {path.name for path in (tmp_path / "plots").iterdir()}
    assert drawn >= {"workloads.svg", "layers.svg"}


def test_what_can_be_measured_is_listed() -> None:
    listed = run("benchmarks", "--list")
    assert "requests to the daemon for missing names, second time" in listed
    assert "memory, 1,000,000 files" in listed


@pytest.mark.parametrize("module", ["image_mounts", "transfers"])
def test_figures_of_images_are_there_too(module: str) -> None:
    assert f"python -m benchmarks.{module}" in run(f"benchmarks.{module}", "--help")
