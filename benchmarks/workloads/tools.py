"""What bodies of several themes do."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Callable, Iterable
from functools import partial

from benchmarks.trees import Grid
from unionfs.bench.workload import Scene

_PIPE = 1 << 16
"""How much a pipe holds (pipe(7)), in bytes."""


def look_for(names: Iterable[str]) -> None:
    for name in names:
        os.access(name, os.F_OK)  # the same look-up as stat's, without an exception to be made


def find_all(scene: Scene[Grid]) -> None:
    lines = printed(["find", ".", "-ls"], scene.root, lambda output: output.count(b"\n"))
    assert lines == 1 + scene.tree.directories + scene.tree.files, "find left files out"


def printed(command: list[str], directory: str, count: Callable[[bytes], int]) -> int:
    """Run `command`, and count something in what it prints."""
    with subprocess.Popen(command, cwd=directory, stdout=subprocess.PIPE, bufsize=0) as process:
        assert process.stdout is not None
        counted = sum(map(count, iter(partial(process.stdout.read, _PIPE), b"")))
    if process.returncode:
        raise ChildProcessError(f"{command[0]} ended with status {process.returncode}")
    return counted


def requests(daemons: Iterable[int]) -> int:
    """How many requests daemons have answered, where they write nothing else (proc_pid_io(5)).

    Their calls of read(2) say less: a daemon may look for requests where there are none.
    """
    return sum(_fact(f"/proc/{pid}/io", "syscw:") for pid in daemons)


def memory(daemons: Iterable[int]) -> int:
    """The bytes of memory that daemons have (proc_pid_status(5))."""
    return sum(_fact(f"/proc/{pid}/status", "VmRSS:") * 1024 for pid in daemons)


def _fact(path: str, name: str) -> int:
    with open(path) as facts:
        return next(int(line.split()[1]) for line in facts if line.startswith(name))
