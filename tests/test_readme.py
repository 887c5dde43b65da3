"""What the README says of the project itself. What it shows is run by tests/docs."""

from __future__ import annotations

import re
from pathlib import Path

README = Path(__file__).parent.parent / "README.md"


def test_what_it_points_to_is_there() -> None:
    places = re.findall(r"\]\((?!https?:)([^)#]+)", README.read_text())
    assert len(places) > 10
    assert [place for place in places if not (README.parent / place).exists()] == []


def test_the_test_command_is_what_ci_runs() -> None:
    ci = README.parent / ".ci/run"
    assert "\n./tests/run\n" in README.read_text()
    assert "tests/run" in ci.read_text().splitlines()[-1]
