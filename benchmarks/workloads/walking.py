"""Looking at many small files."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Callable, Iterable, Iterator
from functools import partial

from benchmarks.peers import FUSE_OVERLAYFS, OVERLAYFS
from benchmarks.trees import Grid
from benchmarks.workload import Figure, Goal, Scene, Use, seconds, workload

_MANY_LAYERS = Grid(20_000, over=20)
_SMALL_FILES = Grid(20_000, over=10, size=1024)

_PIPE = 1 << 16
"""How much a pipe holds (pipe(7)), in bytes."""


@workload(
    "find",
    _MANY_LAYERS,
    Figure("find -ls, {tree}, first time", Goal(FUSE_OVERLAYFS, 1.0, 0.6)),
    Figure("find -ls, {tree}, second time", Goal(OVERLAYFS, 1.2, 1.0)),
    use=Use.READING,
)
def find(scene: Scene[Grid]) -> Iterator[float]:
    for _ in range(2):
        yield seconds(_find, scene)


@workload(
    "tar",
    _SMALL_FILES,
    Figure("tar, {tree}, first time", Goal(FUSE_OVERLAYFS, 0.8, 0.5)),
    use=Use.READING,
)
def tar(scene: Scene[Grid]) -> Iterator[float]:
    yield seconds(_tar, scene)


@workload(
    "tar-ro",
    _SMALL_FILES,
    Figure("tar, {tree}, read-only union, first time"),
    Figure("tar, {tree}, read-only union, second time", Goal(OVERLAYFS, 1.3, 1.0)),
    use=Use.READ_ONLY,
)
def tar_read_only(scene: Scene[Grid]) -> Iterator[float]:
    for _ in range(2):
        yield seconds(_tar, scene)


@workload(
    "missing",
    _MANY_LAYERS,
    Figure("{amount} stats of missing names, 20 layers, first time", Goal(FUSE_OVERLAYFS, 1.0, 0.6)),
    Figure("{amount} stats of missing names, 20 layers, second time"),
    use=Use.READING,
    amount=20_000,
)
def missing(scene: Scene[Grid]) -> Iterator[float]:
    os.chdir(scene.root)
    names = [f"{path}.missing" for path in scene.tree.paths[: scene.amount]]
    for _ in range(2):
        yield seconds(_look_for, names)


def _look_for(names: Iterable[str]) -> None:
    for name in names:
        os.access(name, os.F_OK)  # the same look-up as stat's, without an exception to be made


def _tar(scene: Scene[Grid]) -> None:
    # Into a pipe: GNU tar reads no file whose archive goes to /dev/null.
    printed = _printed(["tar", "-c", "-f", "-", "."], scene.root, len)
    assert printed > scene.tree.files * scene.tree.size, "tar left files out"


def _find(scene: Scene[Grid]) -> None:
    lines = _printed(["find", ".", "-ls"], scene.root, lambda printed: printed.count(b"\n"))
    assert lines == 1 + scene.tree.directories + scene.tree.files, "find left files out"


def _printed(command: list[str], directory: str, count: Callable[[bytes], int]) -> int:
    """Run `command`, and count something in what it prints."""
    with subprocess.Popen(command, cwd=directory, stdout=subprocess.PIPE, bufsize=0) as process:
        assert process.stdout is not None
        counted = sum(map(count, iter(partial(process.stdout.read, _PIPE), b"")))
    if process.returncode:
        raise ChildProcessError(f"{command[0]} ended with status {process.returncode}")
    return counted
