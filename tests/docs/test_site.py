"""The documentation is built without a warning: every page is found, every reference leads somewhere."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import unionfs

ROOT = Path(__file__).parents[2]


def test_the_site_is_built_without_warnings(tmp_path: Path) -> None:
    build = [sys.executable, "-m", "sphinx", "-W", "--keep-going", "-q", "-d", tmp_path / "read"]
    done = subprocess.run([*build, ROOT / "docs", tmp_path / "site"], capture_output=True, text=True)
    assert (done.returncode, done.stderr) == (0, "")
    reference = (tmp_path / "site/reference.html").read_text()
    assert [name for name in unionfs.__all__ if f'id="unionfs.{name}"' not in reference] == []
    commands = (tmp_path / "site/cli.html").read_text()
    assert 'id="unionfs-mount"' in commands
