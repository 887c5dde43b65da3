"""What makes a page fail, and what does not."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest
from blocks import parsers
from sessions import session
from sybil import Document

GOOD = {
    "output that is shown": "```console\n$ echo one; echo two\none\ntwo\n```",
    "anything where it says so": "```console\n$ echo one; echo two\n...\ntwo\n```",
    "output that is not shown": "```console\n$ echo one\n$ echo two\ntwo\n```",
    "what goes to the other output": "```console\n$ echo one >&2\none\n```",
    "a command of several lines": "```console\n$ cat <<END\n> one\n> END\none\n```",
    "variables that stay": "```console\n$ x=1\n```\n\n```sh\n[ $x = 1 ]\n```",
    "directories that stay": "```console\n$ mkdir d && cd d\n$ rmdir ../d\n```",
    "a status that is asked for": "```console\n$ (exit 3)\n$ echo $?\n3\n```",
    "what Python prints": "```python\nx = 1\n```\n\n```python\nprint(x)\n```\n\n```output\n1\n```",
    "a doctest": "```python\n>>> 1 + 1\n2\n```",
    "a file": "```python made.py\nprint(1)\n```\n\n```console\n$ cat made.py\nprint(1)\n```",
    "what is only drawn": "```text\n$ false\n```",
}

BAD = {
    "other output": "```console\n$ echo one\ntwo\n```",
    "no output": "```console\n$ true\none\n```",
    "a command that fails": "```console\n$ false\n```",
    "a command that fails before another": "```console\n$ false; true\n```",
    "a pipe that fails": "```console\n$ false | true\n```",
    "a script with a command that fails": "```sh\nfalse\ntrue\n```",
    "another status": "```console\n$ false\n$ echo $?\n3\n```",
    "output of no command": "```console\none\n```",
    "no shell": "```console\n$ if\n```",
    "a shell that ends": "```console\n$ exit\n```",
    "other words of Python": "```python\nprint(1)\n```\n\n```output\n2\n```",
    "an exception": "```python\n1 / 0\n```",
    "another doctest": "```python\n>>> 1 + 1\n3\n```",
}


def run(page: str, directory: Path) -> None:
    (directory / "page.md").write_text(page + "\n")
    with session(["bash"], directory, {"PATH": "/usr/bin:/bin"}, patience=10) as bash:
        for example in Document.parse(str(directory / "page.md"), *parsers(bash.run)).examples():
            example.evaluate()


@pytest.mark.parametrize("page", GOOD.values(), ids=GOOD)
def test_a_page_passes_with(page: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    run(page, tmp_path)


@pytest.mark.parametrize("page", BAD.values(), ids=BAD)
def test_a_page_fails_with(page: str, tmp_path: Path) -> None:
    with pytest.raises(Exception):  # noqa: B017, PT011 - of any kind: who runs the page hands it on
        run(page, tmp_path)


def test_what_a_command_leaves_running_keeps_nobody_waiting(tmp_path: Path) -> None:
    with session(["bash"], tmp_path, {"PATH": "/usr/bin:/bin"}, patience=10) as bash:
        said, status = bash.run("sleep 100 & echo $!")
        assert status == 0
        subprocess.run(["kill", said.strip()], check=True)


def test_a_command_without_end_is_named(tmp_path: Path) -> None:
    unfinished = pytest.raises(AssertionError, match="no end of: echo said; sleep 5\nsaid")
    with unfinished, session(["bash"], tmp_path, {"PATH": "/usr/bin:/bin"}, patience=0.2) as bash:
        bash.run("echo said; sleep 5")
