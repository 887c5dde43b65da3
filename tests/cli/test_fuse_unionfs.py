"""fuse-overlayfs's command line, in the forms that its clients send."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from commandline import unmounted_at_the_end

from unionfs import __version__
from unionfs.adapters.mountinfo import mounted_at

COMMAND = (sys.executable, "-c", "import sys; from unionfs.cli.fuse_unionfs import main; sys.exit(main())")
LAYERS = "lowerdir=A:B,upperdir=U,workdir=W"


def fuse_unionfs(*arguments: str, cwd: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [*COMMAND, *arguments], cwd=cwd, capture_output=True, text=True, check=False, timeout=60
    )


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """``A``, ``B`` (lower layers), ``U``, ``W``, ``M``."""
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(tmp_path))
    for name in ("A", "B", "U", "W", "M"):
        (tmp_path / name).mkdir()
    (tmp_path / "A/f").write_text("A")
    with unmounted_at_the_end(tmp_path):
        yield tmp_path


@pytest.mark.parametrize(
    "arguments",
    [
        ["-o", f"{LAYERS},,volatile", "M"],
        ["-o", f"{LAYERS},private", "M"],
        ["-o", f"{LAYERS},,uidmapping=:0:100000:65536,gidmapping=:0:100000:65536", "M"],
        ["-o", f"{LAYERS},squash_to_uid=1000,squash_to_gid=1000", "M"],
        ["-o", "lowerdir=A:B", "M"],
        ["overlay", "M", "-o", f"{LAYERS},dev,suid"],
        ["overlay", "M", "-o", f"rw,{LAYERS}"],
        ["overlay", "-o", LAYERS, "M"],
        ["M", "-o", LAYERS],
        [f"-o{LAYERS}", "-s", "M"],
        ["-o", "lowerdir=A:B", "-o", "upperdir=U", "-o", "workdir=W", "M"],
        ["-o", f"{LAYERS},threaded=1,timeout=1000000,fsync=0,redirect_dir=off,xattr_permissions=0", "M"],
    ],
)
def test_what_clients_send(here: Path, arguments: list[str]) -> None:
    done = fuse_unionfs(*arguments, cwd=here)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
    assert (here / "M/f").read_text() == "A"  # it answers by now
    mounted = mounted_at(str(here / "M"))
    assert mounted is not None
    assert mounted.type == "fuse.unionfs"


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["-o", f"{LAYERS},nosuchthing", "M"], "unknown option: nosuchthing"),
        (["-o", f"{LAYERS},xattr_permissions=3", "M"], "xattr_permissions=3: not one of 0, 1, 2"),
        (["-o", f"{LAYERS},plugins=/x.so", "M"], "option cannot be met: plugins=/x.so"),
        (["-o", f"{LAYERS},uidmapping=0:1", "M"], "uidmapping=0:1: not triples of numbers"),
        (["-o", f'{LAYERS},context="u:r:c1,c2"', "M"], "context=u:r:c1,c2: there is no SELinux here"),
        (["-o", "lowerdir=missing", "M"], "/missing: No such file or directory"),
        (["-o", "upperdir=U,workdir=W", "M"], "no lower layer"),
        (["-o", LAYERS, "missing"], "/missing: No such file or directory"),
    ],
)
def test_what_cannot_be_done_is_said_in_one_line(here: Path, arguments: list[str], said: str) -> None:
    if "context" in said and os.path.isdir("/sys/fs/selinux"):
        pytest.skip("there is SELinux here")
    done = fuse_unionfs(*arguments, cwd=here)
    assert (done.returncode, done.stdout, done.stderr.count("\n")) == (1, "", 1)
    assert done.stderr.startswith("fuse-unionfs: ")
    assert said in done.stderr
    assert os.listdir(here / "M") == []


@pytest.mark.parametrize("arguments", [["M", "-x"], ["A", "B", "M"], []])
def test_a_wrong_command_line_is_answered_with_the_right_one(here: Path, arguments: list[str]) -> None:
    done = fuse_unionfs(*arguments, cwd=here)
    assert done.returncode == 2
    assert done.stderr.startswith("usage: fuse-unionfs [-f] [-d] [-o OPTIONS] [SOURCE] TARGET\n")


@pytest.mark.parametrize("flag", ["-V", "--version"])
def test_the_version_is_said_as_fuse_overlayfs_says_it(here: Path, flag: str) -> None:
    done = fuse_unionfs(flag, cwd=here)
    assert done.stdout == f"fuse-unionfs: version {__version__}\n"
    assert re.search(r"version (\d+\.\d+)", done.stdout)


@pytest.mark.parametrize("flag", ["-h", "--help"])
def test_help_is_had(here: Path, flag: str) -> None:
    done = fuse_unionfs(flag, cwd=here)
    assert done.returncode == 0
    assert "-o OPTIONS" in done.stdout


@pytest.mark.parametrize("flags", [["-f"], ["-d"], ["--debug"], ["-o", "debug"]])
def test_in_the_foreground(here: Path, flags: list[str]) -> None:
    with subprocess.Popen([*COMMAND, *flags, "-o", LAYERS, "M"], cwd=here) as process:
        deadline = time.monotonic() + 20
        while mounted_at(str(here / "M")) is None:
            assert time.monotonic() < deadline
            time.sleep(0.01)
        assert (here / "M/f").read_text() == "A"
        assert process.poll() is None
        subprocess.run(["umount", "M"], cwd=here, check=True)
        assert process.wait(20) == 0


def test_layers_are_marked_in_both_forms(here: Path) -> None:
    """containers/storage unpacks images with AuFS's whiteouts, and mounts such a layer as an upper one."""
    for name in ("gone", "kept", "opaque/below", "again/below"):
        (here / "B" / name).parent.mkdir(exist_ok=True)
        (here / "B" / name).touch()
    for whiteout in ("A/.wh.gone", "U/.wh.kept", "U/.wh.again", "U/opaque/.wh..wh..opq"):
        (here / whiteout).parent.mkdir(exist_ok=True)
        (here / whiteout).touch()
    assert fuse_unionfs("-o", LAYERS, "M", cwd=here).returncode == 0
    merged = here / "M"
    assert sorted(os.listdir(merged)) == ["f", "opaque"]
    assert os.listdir(merged / "opaque") == []
    (merged / "again").mkdir()
    (merged / "kept").write_text("new")
    (merged / "opaque").rename(merged / "moved")
    for again in range(2):
        assert sorted(os.listdir(merged)) == ["again", "f", "kept", "moved"], again
        assert os.listdir(merged / "again") == os.listdir(merged / "moved") == []
        subprocess.run(["umount", merged], check=True)
        assert fuse_unionfs("-o", LAYERS, "M", cwd=here).returncode == 0
    (merged / "kept").unlink()
    (merged / "again").rmdir()
    (merged / "moved").rmdir()
    assert os.listdir(merged) == ["f"]
    subprocess.run(["umount", merged], check=True)
    assert fuse_unionfs("-o", LAYERS, "M", cwd=here).returncode == 0
    assert os.listdir(merged) == ["f"]


def test_directories_over_whiteouts_leave_nothing_in_the_work_directory(here: Path) -> None:
    for name in ("one", "two"):
        (here / "A" / name).touch()
    assert fuse_unionfs("-o", LAYERS, "M", cwd=here).returncode == 0
    for name in ("one", "two"):
        (here / "M" / name).unlink()
    left = os.listdir(here / "W/work")
    (here / "M/one").mkdir()
    (here / "M/one").rename(here / "M/two")
    assert sorted(os.listdir(here / "M")) == ["f", "two"]
    assert os.listdir(here / "W/work") == left


def test_a_name_that_would_be_a_mark_is_refused(here: Path) -> None:
    assert fuse_unionfs("-o", LAYERS, "M", cwd=here).returncode == 0
    with pytest.raises(PermissionError):
        (here / "M/.wh.f").touch()
    assert (here / "M/f").exists()


def test_only_what_a_mount_needs_is_loaded(here: Path) -> None:
    """podman mounts often."""
    done = subprocess.run(
        [sys.executable, "-X", "importtime", *COMMAND[1:], "-o", LAYERS, "M"],
        cwd=here,
        capture_output=True,
        text=True,
        check=True,
    )
    loaded = {line.split("|")[-1].strip() for line in done.stderr.splitlines()}
    assert "unionfs.core.union" in loaded
    assert not loaded & {"fuse", "subprocess", "socket", "inspect", "shutil"}
    assert not loaded & {"unionfs.images", "unionfs.layers.memory", "unionfs.cli.main"}
