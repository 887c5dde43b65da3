"""Command lines that can be carried out without a mount."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from unionfs import __version__
from unionfs.cli import demo_image
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


@pytest.mark.parametrize("command", [["mount"], ["ps"], ["umount", "/proc"]])
def test_who_looks_for_mounts_does_not_load_what_mounts(command: list[str]) -> None:
    done = subprocess.run(
        [sys.executable, "-X", "importtime", "-m", "unionfs.cli", *command],
        capture_output=True,
        text=True,
        check=False,
    )
    loaded = {line.split("|")[-1].strip() for line in done.stderr.splitlines()}
    assert "unionfs.adapters.fuse.records" in loaded
    assert not loaded & {
        "unionfs.core.union",
        "unionfs.adapters.stack",
        "unionfs.images",
        "logging",
        "shutil",
    }


def test_an_image_that_is_known_is_mounted_without_loading_what_indexes_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("UNIONFS_STORE", str(tmp_path / "store"))
    image = demo_image.make(str(tmp_path / "image"))
    assert main(["ls", image]) == 0
    done = subprocess.run(
        [sys.executable, "-X", "importtime", "-m", "unionfs.cli", "ls", image],
        capture_output=True,
        text=True,
        check=True,
    )
    loaded = {line.split("|")[-1].strip() for line in done.stderr.splitlines()}
    assert "unionfs.layers.archive" in loaded
    assert not loaded & {
        "inspect",
        "shutil",
        "tempfile",
        "subprocess",
        "http.client",
        "unionfs.images.indexing",
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
        {"path": "/d", "letter": "A", "kind": "dir", "size": 0},
        {"path": f"/d/{name}", "letter": "A", "kind": "file", "size": 5},
    ]
