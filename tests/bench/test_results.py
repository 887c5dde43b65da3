"""What a run keeps, and what it says of goals."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from rows import copyup_rows, growth, row

from unionfs.bench.results import Report, Row, read_report, row_from_json, spread
from unionfs.bench.units import Unit
from unionfs.bench.workload import Goal
from unionfs.errors import ConfigError

FAILED = Row("work", "work", failures={"unionfs": "No space left on device"})


@pytest.mark.parametrize("found", [row(unionfs=1.0, overlayfs=2.0), FAILED, *growth(Unit.BYTES)])
def test_a_row_comes_back_from_json(found: Row) -> None:
    assert row_from_json(json.loads(json.dumps(found.as_json()))) == found


def test_a_report_comes_back_from_its_file(tmp_path: Path) -> None:
    report = Report({"machine": {"cpus": 2}, "peers": {"unionfs": "0.1"}, "repeats": 3}, copyup_rows())
    report.write(tmp_path / "r.json")
    assert read_report(tmp_path / "r.json") == report
    assert [path.name for path in tmp_path.iterdir()] == ["r.json"]


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"rows": 1}', '{"rows": [{}]}', '{"rows": [1]}', "\xff"])
def test_what_is_no_report(text: str, tmp_path: Path) -> None:
    (tmp_path / "r.json").write_text(text, encoding="latin-1")
    with pytest.raises(ConfigError, match=r"r\.json: not the results of a benchmark"):
        read_report(tmp_path / "r.json")


def test_spreads() -> None:
    assert spread([3.0, 1.0, 2.0]) == (2.0, 1.0, 3.0, (3.0, 1.0, 2.0))


def test_ratios() -> None:
    found = row(unionfs=1.0, overlayfs=4.0, none=0.0)
    assert found.ratio("unionfs", "overlayfs") == 0.25
    assert found.ratio("unionfs", "none") is None
    assert found.ratio("unionfs", "fuse-overlayfs") is None


@pytest.mark.parametrize(
    ("goal", "met"),
    [
        (Goal(0.5, "overlayfs"), True),
        (Goal(0.49, "overlayfs"), False),
        (Goal(0.5, "fuse-overlayfs"), None),
        (Goal(1.0, None), True),
        (Goal(0.9, None), False),
    ],
)
def test_goals(goal: Goal, met: bool | None) -> None:
    assert row(unionfs=1.0, overlayfs=2.0).meets(goal) is met
    assert row(overlayfs=2.0).meets(goal) is None
