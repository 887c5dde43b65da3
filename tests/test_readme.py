"""What the README shows works as shown."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

README = Path(__file__).parent.parent / "README.md"


def test_the_python_example_runs() -> None:
    (example,) = re.findall(r"```python\n(.*?)```", README.read_text(), re.DOTALL)
    done = subprocess.run([sys.executable, "-c", example], capture_output=True, text=True, check=True)
    assert {"C /hostname", "D /passwd"} <= set(done.stdout.splitlines())
    assert done.stderr == ""


def test_the_commands_exist() -> None:
    named = re.findall(r"^    unionfs ([\w|]+)", README.read_text(), re.MULTILINE)
    commands = {command for each in named for command in each.split("|")}
    assert commands == {
        *("mount", "diff", "commit", "convert", "umount"),
        *("ls", "cat", "stat", "tree", "store", "fsck", "bench"),
    }
    for command in commands:
        subprocess.run(
            [sys.executable, "-m", "unionfs.cli", command, "--help"], capture_output=True, check=True
        )


def test_the_test_command_is_what_ci_runs() -> None:
    ci = README.parent / ".ci/run"
    assert "    ./tests/run\n" in README.read_text()
    assert "tests/run" in ci.read_text().splitlines()[-1]
