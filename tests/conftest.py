"""Real programs on real mounts. One that is not installed leaves its tests out, by name (see tests/run)."""

from __future__ import annotations

import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from boxes import Box


def pytest_configure(config: pytest.Config) -> None:
    config.addinivalue_line("markers", "programs(*names): what has to be installed for a test")


def pytest_runtest_setup(item: pytest.Item) -> None:
    for mark in item.iter_markers("programs"):
        missing = [name for name in mark.args if shutil.which(name) is None]
        if missing:
            pytest.skip(f"not installed: {' '.join(missing)}")


@pytest.fixture
def box() -> Iterator[Box]:
    """In a directory that others can reach, unlike pytest's."""
    directory = Path(tempfile.mkdtemp(prefix="unionfs-client-"))
    yield Box(directory)
    subprocess.run(["rm", "-rf", "--one-file-system", directory], check=True)
