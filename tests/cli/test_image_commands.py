"""Images through the command line: mount, change, commit, and mount what was committed."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from unionfs.adapters.mountinfo import mounted_at


def unionfs(*arguments: str, cwd: Path) -> str:
    command = [sys.executable, "-m", "unionfs.cli", *arguments]
    done = subprocess.run(command, cwd=cwd, capture_output=True, text=True, check=False, timeout=60)
    assert (done.returncode, done.stderr) == (0, "")
    return done.stdout


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    for name in ("empty", "U", "W", "U2", "W2", "M"):
        (tmp_path / name).mkdir()
    monkeypatch.setenv("UNIONFS_STORE", str(tmp_path / "store"))
    yield tmp_path
    while mounted_at(str(tmp_path / "M")):
        subprocess.run(["umount", "-l", str(tmp_path / "M")], check=True)


def listing(root: Path) -> dict[str, bytes | None]:
    paths = sorted(root.rglob("*"))
    return {str(path.relative_to(root)): path.read_bytes() if path.is_file() else None for path in paths}


def test_what_is_committed_is_what_was_mounted(here: Path) -> None:
    unionfs("mount", "-o", "lowerdir=empty,upperdir=U,workdir=W", "M", cwd=here)
    (here / "M/d/sub").mkdir(parents=True)
    (here / "M/d/sub/f").write_bytes(b"first")
    (here / "M/gone").write_bytes(b"gone")
    assert unionfs("commit", "M", "oci:image:one", cwd=here).startswith("sha256:")
    unionfs("umount", "M", cwd=here)

    unionfs("mount", "oci:image:one", "M", "--upper", "U2", "--work", "W2", cwd=here)
    (here / "M/gone").unlink()
    (here / "M/d").rename(here / "M/e")
    (here / "M/e/sub/f").write_bytes(b"second")
    changed = listing(here / "M")
    assert unionfs("diff", "M", cwd=here).splitlines()[0] == "D /d"
    unionfs("commit", str(here / "M"), f"oci:{here}/image:two", cwd=Path("/"))
    unionfs("umount", "M", cwd=here)

    unionfs("mount", "oci:image:two", "M", cwd=here)
    assert listing(here / "M") == changed == {"e": None, "e/sub": None, "e/sub/f": b"second"}
    unionfs("umount", "M", cwd=here)
