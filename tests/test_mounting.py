"""`unionfs.mounted`: a union for other programs, for the time of a block."""

from __future__ import annotations

import os
import subprocess
import time
from contextlib import ExitStack
from pathlib import Path

import pytest
from boxes import Box

import unionfs
from unionfs import ConfigError, Kind, UnionError
from unionfs.adapters.fuse import records
from unionfs.adapters.mountinfo import mounts
from unionfs.adapters.options import Options


@pytest.fixture
def lower(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A directory whose path has everything that option words take for their own; nothing is left behind."""
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path / "scratch"))
    (tmp_path / "scratch").mkdir()
    directory = tmp_path / "a:b,c\\d"
    (directory / "etc").mkdir(parents=True)
    (directory / "etc/motd").write_text("hello\n")
    directory.chmod(0o751)
    return directory


def mounted_below(directory: Path) -> list[str]:
    return [mount.mountpoint for mount in mounts() if mount.mountpoint.startswith(f"{directory}/")]


def test_programs_change_the_union_and_nothing_else(lower: Path, tmp_path: Path) -> None:
    with unionfs.mounted(lower) as mount:
        subprocess.run(["sh", "-c", "echo new > etc/new && rm etc/motd"], cwd=mount.path, check=True)
        assert [(change.letter, change.path, change.kind) for change in mount.diff()] == [
            ("C", "/etc", Kind.DIR),
            ("D", "/etc/motd", Kind.FILE),
            ("A", "/etc/new", Kind.FILE),
        ]
    assert os.listdir(lower / "etc") == ["motd"]
    assert os.listdir(tmp_path / "scratch") == []
    assert mounted_below(tmp_path) == []


def test_only_what_is_kept_is_put_on_stable_storage(lower: Path, tmp_path: Path) -> None:
    for directory in ("upper", "work"):
        (tmp_path / directory).mkdir()
    for kept in ({}, {"upper": tmp_path / "upper", "work": tmp_path / "work"}):
        with unionfs.mounted(lower, **kept) as mount:
            record = records.of(str(mount.path))
            assert record is not None
            assert record.options.volatile == (not kept)


def test_unions_without_an_upper_layer_do_not_wait_for_each_other(
    lower: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As for a daemon that has the same upper, and is still putting it on disk after it was unmounted."""
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(tmp_path))
    unmounted = records.Record(str(tmp_path / "elsewhere"), Options(lowers=(str(lower),)), None, os.getpid())
    with records.published(unmounted):
        start = time.monotonic()
        with unionfs.mounted(lower, read_only=True):
            assert time.monotonic() - start < 9


def test_the_root_is_that_of_the_top_most_layer(lower: Path) -> None:
    os.chown(lower, 1, 2)
    with unionfs.mounted(lower) as mount:
        root = mount.path.stat()
    assert (root.st_mode & 0o7777, root.st_uid, root.st_gid) == (0o751, 1, 2)


def test_changes_are_kept_in_an_upper_directory(lower: Path, tmp_path: Path) -> None:
    upper, work, at = (tmp_path / name for name in ("upper", "work", "at"))
    for directory in (upper, work, at):
        directory.mkdir()
    with unionfs.mounted(lower, at=at, upper=upper, work=work) as mount:
        assert mount.path == at
        (at / "etc/motd").write_text("changed\n")
    assert (upper / "etc/motd").read_text() == "changed\n"
    with unionfs.mounted(upper, lower, read_only=True) as mount:
        assert (mount.path / "etc/motd").read_text() == "changed\n"
        assert list(mount.diff()) == []
        with pytest.raises(OSError, match="Read-only"):
            (mount.path / "etc/motd").write_text("again\n")


def test_what_is_still_open_at_the_end_is_told(lower: Path, tmp_path: Path) -> None:
    with ExitStack() as open_files:
        with pytest.raises(UnionError, match="busy"), unionfs.mounted(lower) as mount:
            open_files.enter_context(open(mount.path / "etc/motd"))
        assert mounted_below(tmp_path) == []


def test_a_failure_in_the_block_unmounts(lower: Path, tmp_path: Path) -> None:
    with pytest.raises(KeyError), unionfs.mounted(lower):
        raise KeyError
    assert mounted_below(tmp_path) == []
    assert os.listdir(tmp_path / "scratch") == []


def test_what_does_not_fit_together(lower: Path, tmp_path: Path) -> None:
    for arguments in (
        {"upper": tmp_path},
        {"work": tmp_path},
        {"upper": tmp_path, "work": tmp_path, "read_only": True},
        {"at": lower / "etc"},
        {"at": tmp_path / "missing"},
    ):
        with pytest.raises(ConfigError), unionfs.mounted(lower, **arguments):
            pytest.fail("it was mounted")
    with pytest.raises(ConfigError, match="no lower layer"), unionfs.mounted():
        pytest.fail("it was mounted")
    assert os.listdir(tmp_path / "scratch") == []


def test_what_cannot_be_mounted_says_why(lower: Path) -> None:
    with unionfs.mounted(lower) as mount:
        twice = pytest.raises(UnionError, match=f"^mountpoint={mount.path}: already a unionfs mount$")
        with twice, unionfs.mounted(lower, at=mount.path):
            pytest.fail("it was mounted")


USERS = """
import os, subprocess, unionfs
with unionfs.mounted("project") as mount:
    subprocess.run("echo new > made; rm file", shell=True, cwd=mount.path, check=True)
    print(*(change.letter + change.path for change in mount.diff()))
print(os.listdir("project"))
"""


def test_an_ordinary_user_mounts_too(box: Box) -> None:
    script = f"mkdir project; touch project/file\ncat > program.py <<'END'{USERS}END\n"
    run = f"PYTHONPATH={box.directory}/lib python3 program.py"
    assert box.run(script + run, user=True).splitlines() == ["D/file A/made", "['file']"]
