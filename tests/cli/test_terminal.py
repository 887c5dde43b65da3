"""What is printed fits where it is printed to: pipes, terminals of any kind, full disks, nowhere."""

from __future__ import annotations

import os
import pty
import subprocess
from pathlib import Path

import pytest
from commandline import COMMAND

from unionfs.cli import demo_image
from unionfs.cli.failures import reason

ODD = os.fsdecode(b"odd\xff")


@pytest.fixture
def image(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    monkeypatch.setenv("UNIONFS_STORE", str(tmp_path / "store"))
    return demo_image.make(str(tmp_path / "image"))


def run(*arguments: str, **environment: str) -> subprocess.CompletedProcess[bytes]:
    return subprocess.run(
        [*COMMAND, *arguments], env=os.environ | environment, capture_output=True, check=False, timeout=60
    )


def on_a_terminal(*arguments: str, **environment: str) -> str:
    """What a terminal is sent."""
    ours, theirs = pty.openpty()
    with open(ours, "rb", buffering=0) as screen:
        with open(theirs, "wb", buffering=0) as terminal:
            subprocess.run(
                [*COMMAND, *arguments],
                env=os.environ | environment,
                stdout=subprocess.DEVNULL,
                stderr=terminal,
                check=True,
                timeout=60,
            )
        shown = bytearray()
        try:
            while data := screen.read(4096):
                shown += data
        except OSError:  # EIO: the other side is closed
            pass
    return shown.decode()


@pytest.mark.parametrize("command", [("layers",), ("store", "ls")])
def test_tables_fit(image: str, command: tuple[str, ...]) -> None:
    assert run("layers", image).returncode == 0
    done = run(*command, *([image] if command == ("layers",) else []))
    lines = done.stdout.decode().splitlines()
    assert lines
    assert [line for line in lines if len(line) > 80] == []


def test_nothing_but_text_is_piped(image: str) -> None:
    for command in (("tree", image), ("layers", image), ("diff", image, image), ("convert", image, image)):
        done = run(*command)
        assert done.returncode == 0
        assert b"\x1b" not in done.stdout + done.stderr
        assert b"\r" not in done.stdout + done.stderr


@pytest.mark.parametrize(("term", "lines"), [("xterm", True), ("dumb", False)])
def test_a_terminal_is_told_how_far_it_is(image: str, term: str, lines: bool) -> None:
    shown = on_a_terminal("layers", image, TERM=term)
    assert ("\r\x1b[K" in shown) is lines
    assert shown.rpartition("\x1b[K")[2] == ""  # nothing of it stays


def test_a_tree_in_ascii(image: str) -> None:
    done = run("tree", image, PYTHONIOENCODING="ascii")
    assert (done.returncode, done.stderr) == (0, b"")
    assert b"`- motd" in done.stdout


def test_names_that_are_no_text_are_printed_as_they_are(tmp_path: Path, image: str) -> None:
    upper = tmp_path / "upper"
    (upper / ODD).mkdir(parents=True)
    (upper / ODD / "f").touch()
    assert run("commit", str(upper), f"oci:{tmp_path}/{ODD}:1").returncode == 0
    listed = run("ls", "-R", f"oci:{tmp_path}/{ODD}:1")
    assert (listed.stderr, listed.stdout) == (b"", b"/:\nodd\xff\n\n/odd\xff:\nf\n")
    failed = run("cat", f"oci:{tmp_path}/{ODD}:1:/{ODD}/missing")
    assert failed.stderr == b"unionfs cat: /odd\\udcff/missing: No such file or directory\n"


@pytest.mark.parametrize("command", ["tree", "ls", "layers"])
def test_a_full_disk_is_told(image: str, command: str) -> None:
    with open("/dev/full", "wb") as full:
        done = subprocess.run(
            [*COMMAND, command, image], stdout=full, stderr=subprocess.PIPE, check=False, timeout=60
        )
    assert done.returncode == 1
    assert done.stderr == f"unionfs {command}: No space left on device\n".encode()


def test_nobody_to_read_it_is_no_mishap(image: str) -> None:
    reading, writing = os.pipe()
    os.close(reading)
    with open(writing, "wb") as pipe:
        done = subprocess.run(
            [*COMMAND, "tree", image], stdout=pipe, stderr=subprocess.PIPE, check=False, timeout=60
        )
    assert (done.returncode, done.stderr) == (1, b"")


def test_without_any_output(image: str) -> None:
    done = subprocess.run(
        ["bash", "-c", '"$@" >&- 2>&-', "bash", *COMMAND, "layers", image], check=False, timeout=60
    )
    assert done.returncode == 0


@pytest.mark.parametrize(
    ("failure", "words"),
    [
        (PermissionError(13, "Permission denied", "/x"), "/x: Permission denied"),
        (PermissionError(13, "Permission denied", b"/x"), "/x: Permission denied"),
        (OSError(18, "Invalid cross-device link", "/x", None, "/y"), "/x: /y: Invalid cross-device link"),
        (OSError(28, "No space left on device"), "No space left on device"),
        (OSError("words"), "words"),
        (ValueError("words"), "words"),
    ],
)
def test_a_reason_names_its_file_first(failure: Exception, words: str) -> None:
    assert reason(failure) == words
