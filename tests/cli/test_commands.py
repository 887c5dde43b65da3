"""Command lines that can be carried out without a mount."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from unionfs import __version__
from unionfs.cli.main import main


def test_version_is_said_without_loading_much() -> None:
    done = subprocess.run(
        [sys.executable, "-X", "importtime", "-m", "unionfs.cli", "--version"],
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout == f"unionfs {__version__}\n"
    loaded = {line.split("|")[-1].strip() for line in done.stderr.splitlines()}
    assert "argparse" in loaded
    assert not loaded & {
        "fuse",
        "ctypes",
        "json",
        "subprocess",
        "unionfs.core.union",
        "unionfs.images",
        "unionfs.bench",
    }


def test_diff_of_an_upper_that_is_not_mounted(
    tmp_path: Path, capfdbinary: pytest.CaptureFixture[bytes]
) -> None:
    name = os.fsdecode(b"\xff")
    (tmp_path / "d").mkdir()
    (tmp_path / "d" / name).write_bytes(b"12345")
    assert main(["diff", str(tmp_path)]) == 0
    assert capfdbinary.readouterr().out == b"A /d\nA /d/\xff\n"
    assert main(["diff", "--json", str(tmp_path)]) == 0
    lines = [json.loads(line) for line in capfdbinary.readouterr().out.splitlines()]
    assert lines == [
        {"path": "/d", "change": "A", "kind": "dir", "size": 0},
        {"path": f"/d/{name}", "change": "A", "kind": "file", "size": 5},
    ]
