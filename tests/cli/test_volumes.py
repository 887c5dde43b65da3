"""Volumes: paths of the host in a mount, which no layer and no commit knows of."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from commandline import run, unionfs, unmounted_at_the_end

from unionfs.adapters.fuse import records
from unionfs.adapters.mountinfo import mounts

LAYERS = ("-o", "lowerdir=L,upperdir=U,workdir=W", "M")


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    if os.geteuid() != 0:
        pytest.fail("only root can mount volumes")
    monkeypatch.chdir(tmp_path)
    for name in ("L/data", "L/etc", "U", "W", "M", "host", "other"):
        (tmp_path / name).mkdir(parents=True)
    (tmp_path / "L/data/below").write_text("hidden")
    (tmp_path / "host/f").write_text("of the host")
    (tmp_path / "file").write_text("a file of the host")
    with unmounted_at_the_end(tmp_path):
        yield tmp_path


def below(mountpoint: Path) -> list[str]:
    return [each.mountpoint for each in mounts() if each.mountpoint.startswith(f"{mountpoint}")]


def test_a_volume_is_outside_the_layers(here: Path) -> None:
    unionfs(
        "mount",
        *LAYERS,
        "--volume",
        "host:/data",
        "--volume",
        "other:/new/deep:ro",
        "--volume",
        "file:/etc/f",
    )
    assert (here / "M/data/f").read_text() == "of the host"
    assert not (here / "M/data/below").exists()
    (here / "M/data/g").write_text("written")
    assert (here / "host/g").read_text() == "written"
    (here / "host/h").write_text("from outside")
    assert (here / "M/data/h").read_text() == "from outside"
    with pytest.raises(OSError, match="Read-only file system"):
        (here / "M/new/deep/x").touch()
    assert (here / "M/etc/f").read_text() == "a file of the host"
    # What was made to mount on is all that the upper layer has of them, as with other engines.
    assert unionfs("diff", "M") == "C /etc\nA /etc/f\nA /new\nA /new/deep\n"
    unionfs("umount", "M")
    assert below(here / "M") == []
    assert not (here / "U/data").exists()
    assert (here / "host/g").exists()


def test_a_volume_goes_with_a_directory_that_is_renamed(here: Path) -> None:
    unionfs("mount", *LAYERS, "--volume", "host:/new/deep", "--volume", "file:/new/f")
    (here / "M/new").rename(here / "M/newer")
    assert (here / "M/newer/deep/f").read_text() == "of the host"
    unionfs("umount", "M")
    assert below(here / "M") == []
    assert (here / "host/f").exists()


def test_what_a_killed_daemon_leaves_is_taken_away(here: Path) -> None:
    unionfs("mount", *LAYERS, "--volume", "host:/data")
    (record,) = (each for each in records.living() if each.mountpoint == str(here / "M"))
    os.kill(record.pid, signal.SIGKILL)
    deadline = time.monotonic() + 10
    while os.path.exists(here / "M") and time.monotonic() < deadline:
        time.sleep(0.01)
    unionfs("mount", *LAYERS)
    assert below(here / "M") == [str(here / "M")]
    assert (here / "M/data/below").read_text() == "hidden"
    unionfs("umount", "M")
    assert (here / "host/f").exists()


def test_a_signal_takes_volumes_away_too(here: Path) -> None:
    unionfs("mount", *LAYERS, "--volume", "host:/data")
    (record,) = (each for each in records.living() if each.mountpoint == str(here / "M"))
    os.kill(record.pid, signal.SIGTERM)
    records.wait_until_gone(record)
    assert below(here / "M") == []


def test_a_link_in_the_image_leads_nowhere(here: Path) -> None:
    (here / "L/out").symlink_to(here / "other")
    (here / "L/etc/out").symlink_to("/")
    for path in ("/out", "/etc/out/tmp", "/out/x"):
        done = run("mount", *LAYERS, "--volume", f"host:{path}")
        assert done.returncode == 1
        assert f"volume {here}/host:{path}: " in done.stderr
        assert below(here / "M") == []
    assert os.listdir(here / "other") == []


@pytest.mark.parametrize(
    ("volume", "words"),
    [
        ("host", "not HOST:PATH"),
        ("host:data", "not HOST:PATH"),
        (":/data", "not HOST:PATH"),
        ("host:/data:rx", "not HOST:PATH"),
        ("host:/", "the path in the union is '/'"),
        ("host:/data/../..", "has '.', '..'"),
        ("nowhere:/data", "nowhere does not exist"),
        ("file:/data", "Not a directory"),
    ],
)
def test_refusals(here: Path, volume: str, words: str) -> None:
    done = run("mount", *LAYERS, "--volume", "other:/first", "--volume", volume)
    assert done.returncode == 1
    assert words in done.stderr
    assert len(done.stderr.splitlines()) == 1
    assert below(here / "M") == []


def test_in_a_user_namespace(here: Path) -> None:
    script = (
        "unionfs mount -o lowerdir=L,upperdir=U,workdir=W M --volume host:/data --volume other:/o:ro &&"
        "cat M/data/f && ! touch M/o/x 2>/dev/null && unionfs umount M && ls M"
    )
    path = f"{Path(sys.executable).parent}:{os.environ['PATH']}"
    done = subprocess.run(
        ["unshare", "-rm", "env", f"PATH={path}", "sh", "-c", script],
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    assert (done.returncode, done.stdout, done.stderr) == (0, "of the host", "")
