"""What bash, zsh and fish complete with the scripts that ``unionfs completion`` prints."""

from __future__ import annotations

import os
import pty
import select
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from commandline import COMMAND

SHELLS = ("bash", "zsh", "fish")
_ON_BASHS_OWN = """
source "$1"; shift
COMP_WORDS=("$@") COMP_CWORD=$(($# - 1))
compopt() { :; }  # which bash has only while somebody presses Tab
_shtab_unionfs
printf '%s\\n' "${COMPREPLY[@]}"
"""

CASES = [
    (["mo"], ["mount"]),
    (["st"], ["stat", "store"]),
    (["store", ""], ["ls", "prune", "verify"]),
    (["bench", ""], ["copy-up"]),
    (["mount", "--co"], ["--copy-up"]),
    (["mount", "--cache", ""], ["always", "auto"]),
    (["commit", "--compression", "z"], ["zstd"]),
    (["umount", "di"], ["directory"]),
    (["mount", "-f", "di"], ["directory"]),
    (["mount", "--upper", ""], ["directory"]),
    (["bench", "copy-up", "--json", "fi"], ["file"]),
    (["completion", ""], ["bash", "fish", "zsh"]),
]


@pytest.fixture(scope="module", params=SHELLS)
def script(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("completion") / request.param
    with path.open("wb") as file:
        subprocess.run([*COMMAND, "completion", request.param], stdout=file, check=True, timeout=60)
    return path


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A directory and a file to be completed."""
    (tmp_path / "directory").mkdir()
    (tmp_path / "file").touch()
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_it_is_a_script(script: Path) -> None:
    done = subprocess.run([script.name, "-n", script], capture_output=True, check=True, timeout=60)
    assert done.stderr == b""


@pytest.mark.parametrize(("words", "offered"), CASES)
@pytest.mark.parametrize("script", ["bash"], indirect=True)
def test_what_bash_offers(script: Path, here: Path, words: list[str], offered: list[str]) -> None:
    command = ["bash", "--norc", "-c", _ON_BASHS_OWN, "bash", script, "unionfs", *words]
    done = subprocess.run(command, capture_output=True, text=True, check=True, timeout=60)
    assert sorted(done.stdout.split()) == offered


@pytest.mark.parametrize(("words", "offered"), CASES)
@pytest.mark.parametrize("script", ["fish"], indirect=True)
def test_what_fish_offers(script: Path, here: Path, words: list[str], offered: list[str]) -> None:
    line = " ".join(["unionfs", *words])
    command = ["fish", "--no-config", "-c", "source $argv[1]; complete -C $argv[2]", str(script), line]
    done = subprocess.run(command, capture_output=True, text=True, check=True, timeout=60)
    assert sorted(line.split("\t")[0].rstrip("/") for line in done.stdout.splitlines()) == offered


_SETUPS = {
    "bash": (("bash", "--norc", "--noprofile", "-i"), "source {script}\n"),
    "zsh": (("zsh", "-f", "-i"), 'autoload -U compinit; compinit -D; eval "$(cat {script})"\n'),
}


@pytest.mark.parametrize("script", ["bash", "zsh"], indirect=True)
def test_tab_is_pressed(script: Path, here: Path) -> None:
    command, setup = _SETUPS[script.name]
    with terminal(command) as keyboard:
        os.write(keyboard, setup.format(script=script).encode() + b"echo prepa''red\n")
        read_until(keyboard, b"\nprepared")
        os.write(keyboard, b"echo begin; unionfs umou\t")
        read_until(keyboard, b"unionfs umount ")
        os.write(keyboard, b"dir\t")
        read_until(keyboard, b"directory/")


@contextmanager
def terminal(command: tuple[str, ...]) -> Iterator[int]:
    """A shell that takes us for somebody at a terminal; the descriptor of both keyboard and screen."""
    ours, theirs = pty.openpty()
    environment = os.environ | {"TERM": "dumb", "PS1": "$ "}
    with subprocess.Popen(
        command, stdin=theirs, stdout=theirs, stderr=theirs, env=environment, start_new_session=True
    ) as shell:
        os.close(theirs)
        try:
            yield ours
        finally:
            shell.kill()
            os.close(ours)


def read_until(screen: int, expected: bytes) -> None:
    shown = b""
    deadline = time.monotonic() + 20
    while expected not in shown:
        ready, _, _ = select.select([screen], [], [], deadline - time.monotonic())
        assert ready, shown
        shown += os.read(screen, 4096)


def test_without_shtab_it_says_what_to_install() -> None:
    program = (
        "import sys; sys.modules['shtab'] = None; from unionfs.cli.main import main;"
        "sys.exit(main(['completion', 'bash']))"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, check=False, timeout=60)
    assert (done.returncode, done.stdout) == (1, b"")
    assert done.stderr == b"unionfs completion: needs shtab: pip install 'unionfs[completion]'\n"
