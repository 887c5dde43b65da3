"""Results that are kept: one JSON file a run, named after its time and the commit that was measured."""

from __future__ import annotations

import subprocess
from datetime import UTC, datetime
from pathlib import Path

DIRECTORY = Path(__file__).parent / "results"


def commit() -> str:
    """The checkout's commit, with ``-dirty`` where it was changed since."""
    command = ["git", "describe", "--always", "--dirty", "--abbrev=12", "--exclude=*"]
    return subprocess.run(
        command, cwd=DIRECTORY.parent, check=True, stdout=subprocess.PIPE, text=True
    ).stdout.strip()


def place(subject: str) -> Path:
    """Where results about `subject` are kept that are taken now."""
    return DIRECTORY / f"{datetime.now(UTC):%Y-%m-%d-%H%M}-{subject}-{commit()}.json"


def latest(subject: str) -> Path | None:
    """The last results about `subject` that were kept; None if there are none."""
    return max(DIRECTORY.glob(f"*-{subject}-*.json"), default=None)
