"""``unionfs demo`` in both of its forms."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest


def demo(*arguments: str, directory: Path, **environment: str) -> list[str]:
    done = subprocess.run(
        [sys.executable, "-m", "unionfs.cli", "demo", *arguments],
        env={**os.environ, "TMPDIR": str(directory), **environment},
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    )
    assert done.stderr == ""
    return done.stdout.splitlines()


@pytest.mark.parametrize(("arguments", "how"), [([], "mounted on"), (["--no-mount"], "in memory, because")])
def test_the_demo_shows_the_whole_round_and_leaves_nothing(
    arguments: list[str], how: str, tmp_path: Path
) -> None:
    lines = demo(*arguments, directory=tmp_path)
    assert any(line.startswith(f"== A union over it: {how}") for line in lines)
    assert "   │  └─ motd                         upper" in lines
    changes = [line.strip() for line in lines if line.strip()[:3] in {"A /", "C /", "D /"}]
    assert changes == [
        "C /bin",
        "D /bin/hi",
        "C /etc",
        "C /etc/motd",
        "A /source",
        "A /source/main.c",
        "D /src",
    ]
    assert lines[-1] == "== A fresh union over the four layers: the same tree"
    assert list(tmp_path.iterdir()) == []


def test_both_forms_commit_the_same_layer(tmp_path: Path) -> None:
    def committed(*arguments: str) -> str:
        lines = demo(*arguments, directory=tmp_path, SOURCE_DATE_EPOCH="1700000000")
        (line,) = (line for line in lines if "fourth layer: sha256:" in line)
        return line

    assert committed() == committed("--no-mount")


def test_without_a_fuse_device_it_says_why(tmp_path: Path) -> None:
    program = (
        "import sys, os; real = os.access;"
        "os.access = lambda path, mode, **k: path != '/dev/fuse' and real(path, mode, **k);"
        "sys.modules['fuse'] = None; sys.modules['mfusepy'] = None;"
        "from unionfs.cli.main import main; sys.exit(main(['demo']))"
    )
    done = subprocess.run(
        [sys.executable, "-c", program],
        env={**os.environ, "TMPDIR": str(tmp_path)},
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    )
    assert "in memory, because mounting failed (no FUSE here" in done.stdout
    assert done.stdout.splitlines()[-1].endswith("the same tree")


def test_an_unprivileged_user_sees_it_without_a_complaint() -> None:
    """With the modules loaded beforehand, for nobody may not be able to read this Python."""
    program = (
        "import os, sys, tempfile, unionfs;"
        "import unionfs.images, unionfs.cli.demo_image, unionfs.cli.tree, unionfs.core.union;"
        "from unionfs import UnionFS, UnionPath; from unionfs.cli.main import main;"
        "main(['demo', '--no-mount']);"
        "os.setgroups([]); os.setresgid(65534, 65534, 65534); os.setresuid(65534, 65534, 65534);"
        "print('as nobody'); sys.exit(main(['demo', '--no-mount']))"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, timeout=60, check=True
    )
    assert done.stderr == ""
    assert done.stdout.partition("as nobody")[2].endswith("the same tree\n")
