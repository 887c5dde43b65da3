"""Command lines that cannot be carried out: one line names the culprit, and nothing happens."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from commandline import mounted_below, run, unmounted_at_the_end


def tree(root: Path) -> dict[str, tuple[object, ...]]:
    """Everything below `root`: attributes, and the content of files."""
    found: dict[str, tuple[object, ...]] = {}
    for path in sorted(root.rglob("*")):
        status = path.lstat()
        content = path.read_bytes() if path.is_file() else b""
        found[str(path)] = (status.st_mode, status.st_nlink, status.st_size, status.st_mtime_ns, content)
    return found


@pytest.fixture
def here(tmp_path: Path) -> Iterator[Path]:
    """``A``, ``B`` (lower layers), ``U``, ``W``, ``M`` and a few odd things beside them."""
    for name in ("A/d", "B", "U/inside", "W", "M", "full"):
        (tmp_path / name).mkdir(parents=True)
    for name in ("file", "full/stranger"):
        (tmp_path / name).write_text("content")
    with unmounted_at_the_end(tmp_path):
        yield tmp_path


LAYERS = "lowerdir=A:B,upperdir=U,workdir=W"

CASES = [
    ("a missing lower", "lowerdir=A:nowhere", "M", "lowerdir=nowhere: No such file or directory"),
    ("a lower that is a file", "lowerdir=A:file", "M", "lowerdir=file: Not a directory"),
    ("a missing upper", "lowerdir=A,upperdir=no,workdir=W", "M", "upperdir=no: No such file or directory"),
    ("an upper that is a file", "lowerdir=A,upperdir=file,workdir=W", "M", "upperdir=file: Not a directory"),
    ("a missing work directory", "lowerdir=A,upperdir=U,workdir=no", "M", "workdir=no: No such file"),
    ("no work directory", "lowerdir=A,upperdir=U", "M", "upperdir=U needs a workdir"),
    (
        "an upper inside a lower",
        "lowerdir=A,upperdir=A/d,workdir=W",
        "M",
        "upperdir=A/d: overlaps lowerdir=A",
    ),
    ("an upper that is a lower", "lowerdir=B:U,upperdir=U,workdir=W", "M", "upperdir=U: overlaps lowerdir=U"),
    (
        "a lower inside the upper",
        "lowerdir=U/inside,upperdir=U,workdir=W",
        "M",
        "upperdir=U: overlaps lowerdir",
    ),
    (
        "work inside the upper",
        "lowerdir=A,upperdir=U,workdir=U/inside",
        "M",
        "workdir=U/inside: overlaps upper",
    ),
    ("work inside a lower", "lowerdir=A,upperdir=U,workdir=A/d", "M", "workdir=A/d: overlaps lowerdir=A"),
    (
        "a full work directory",
        "lowerdir=A,upperdir=U,workdir=full",
        "M",
        "workdir=full: not empty, it holds stranger",
    ),
    (
        "work on another file system",
        "lowerdir=A,upperdir=U,workdir=S",
        "M",
        "workdir=S: not on the file system of",
    ),
    ("a mountpoint that is a lower", LAYERS, "A", "mountpoint=A: is in its own layer lowerdir=A"),
    ("a mountpoint inside a lower", LAYERS, "A/d", "mountpoint=A/d: is in its own layer lowerdir=A"),
    ("a mountpoint that is the upper", LAYERS, "U", "mountpoint=U: is in its own layer upperdir=U"),
    ("a mountpoint in the work directory", LAYERS, "W", "mountpoint=W: is in its own layer workdir=W"),
    ("a missing mountpoint", LAYERS, "no", "mountpoint=no: No such file or directory"),
    ("a mountpoint that is a file", LAYERS, "file", "mountpoint=file: Not a directory"),
    ("an unknown word", f"{LAYERS},shiny", "M", "unknown option: shiny"),
    ("an unknown word with a value", f"{LAYERS},colour=red", "M", "unknown option: colour=red"),
    ("a word that cannot be met", f"{LAYERS},nfs_export=on", "M", "option cannot be met: nfs_export=on"),
    ("no layer at all", "rw", "M", "no lower layer"),
    ("an empty layer", "lowerdir=A:", "M", "empty lower layer in lowerdir=A:"),
    ("an unknown dialect", "lowerdir=A,dialect=welsh", "M", "welsh"),
]


@pytest.mark.parametrize(
    ("words", "mountpoint", "reason"), [case[1:] for case in CASES], ids=[c[0] for c in CASES]
)
def test_mount_refuses(here: Path, words: str, mountpoint: str, reason: str) -> None:
    (here / "S").symlink_to("/dev/shm")
    before = tree(here)
    done = run("mount", "-o", words, mountpoint, cwd=here)
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr.startswith("unionfs mount: ")
    assert done.stderr.count("\n") == 1
    assert reason in done.stderr.replace(f"{here}/", "")
    assert tree(here) == before
    assert mounted_below(here) == []


def test_an_upper_in_use_by_another_mount(here: Path) -> None:
    assert run("mount", "-o", LAYERS, "M", cwd=here).returncode == 0
    before = tree(here)
    (here / "W2").mkdir()
    (here / "M2").mkdir()
    for work, culprit in (("W", "upperdir"), ("W2", "upperdir")):
        done = run("mount", "-o", f"lowerdir=A,upperdir=U,workdir={work}", "M2", cwd=here)
        assert done.returncode == 1
        assert done.stderr == f"unionfs mount: {culprit}={here}/U: in use by another mount\n"
    (here / "W2").rmdir()
    (here / "M2").rmdir()
    assert tree(here) == before


def test_an_upper_in_use_by_the_kernels_overlay(here: Path) -> None:
    (here / "K").mkdir()
    words = f"lowerdir={here}/A,upperdir={here}/U,workdir={here}/W"
    subprocess.run(["mount", "-t", "overlay", "overlay", "-o", words, here / "K"], check=True)
    done = run("mount", "-o", LAYERS, "M", cwd=here)
    assert done.returncode == 1
    assert "in use by the overlay on" in done.stderr
    assert f"{here}/K" in done.stderr
    assert mounted_below(here) == [f"{here}/K"]


def test_an_overlay_somewhere_else_with_the_same_relative_names(here: Path) -> None:
    other = here / "full"
    for name in ("A", "U", "W", "K"):
        (other / name).mkdir()
    words = "lowerdir=A,upperdir=U,workdir=W"
    subprocess.run(["mount", "-t", "overlay", "overlay", "-o", words, "K"], cwd=other, check=True)
    assert run("mount", "-o", LAYERS, "M", cwd=here).returncode == 0


def test_the_kernels_own_work_directory_is_not_a_stranger(here: Path) -> None:
    (here / "K").mkdir()
    subprocess.run(
        ["mount", "-t", "overlay", "overlay", "-o", f"{LAYERS},index=on", "K"], cwd=here, check=True
    )
    (here / "K/new").write_text("kernel")
    subprocess.run(["umount", "K"], cwd=here, check=True)
    assert sorted(os.listdir(here / "W")) == ["index", "work"]
    assert run("mount", "-o", LAYERS, "M", cwd=here).returncode == 0
    assert (here / "M/new").read_text() == "kernel"


def test_a_mountpoint_already_in_use(here: Path) -> None:
    assert run("mount", "-o", "lowerdir=A", "M", cwd=here).returncode == 0
    done = run("mount", "-o", "lowerdir=B", "M", cwd=here)
    assert (done.returncode, done.stderr) == (
        1,
        f"unionfs mount: mountpoint={here}/M: already a unionfs mount\n",
    )


@pytest.mark.parametrize(
    ("arguments", "line"),
    [
        (["umount", "M"], "unionfs umount: {here}/M: not a unionfs mount"),
        (["umount", "/proc"], "unionfs umount: /proc: not a unionfs mount"),
        (["umount", "no"], "unionfs umount: {here}/no: not a unionfs mount"),
        (["diff", "no"], "unionfs diff: upperdir={here}/no: No such file or directory"),
        (["diff", "file"], "unionfs diff: upperdir={here}/file: Not a directory"),
        (
            ["mount", "a", "b", "M", "-o", "lowerdir=A"],
            "unionfs mount: one mountpoint is needed, not 3: a b M",
        ),
    ],
)
def test_other_commands_refuse(here: Path, arguments: list[str], line: str) -> None:
    before = tree(here)
    done = run(*arguments, cwd=here)
    assert (done.returncode, done.stdout, done.stderr) == (1, "", line.format(here=here) + "\n")
    assert tree(here) == before


@pytest.mark.parametrize("arguments", [[], ["fly"], ["mount", "--colour"], ["umount"], ["diff"]])
def test_a_wrong_command_line_is_exit_code_2(here: Path, arguments: list[str]) -> None:
    done = run(*arguments, cwd=here)
    assert done.returncode == 2
    assert done.stderr.startswith("usage: ")
