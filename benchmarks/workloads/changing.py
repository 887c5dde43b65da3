"""Making, changing and removing many small files."""

from __future__ import annotations

import os
from collections.abc import Iterator

from benchmarks.trees import Grid
from benchmarks.workload import workload
from unionfs.bench.peers import FUSE_OVERLAYFS, OVERLAYFS
from unionfs.bench.workload import Figure, Goal, Scene, Use, seconds

_LOWER_FILES = Grid(4_000, size=1024)
_FEW_FILES = Grid(200, size=1024)


@workload(
    "create",
    _FEW_FILES,
    Figure("create and remove {amount} files of 1 kB", Goal(1.0, FUSE_OVERLAYFS), Goal(0.6, FUSE_OVERLAYFS)),
    use=Use.CHANGING,
    amount=5_000,
)
def create(scene: Scene[Grid]) -> Iterator[float]:
    os.mkdir(os.path.join(scene.root, "new"))
    os.chdir(os.path.join(scene.root, "new"))
    yield seconds(_create_and_remove, [str(number) for number in range(scene.amount)])


@workload(
    "remove",
    _LOWER_FILES,
    Figure("remove {tree}", Goal(0.5, FUSE_OVERLAYFS), Goal(1.5, OVERLAYFS)),
    use=Use.CHANGING,
)
def remove(scene: Scene[Grid]) -> Iterator[float]:
    os.chdir(scene.root)
    yield seconds(_remove, scene.tree.paths)


@workload(
    "append",
    _LOWER_FILES,
    Figure("append a line to each of {tree}", Goal(1.0, FUSE_OVERLAYFS)),
    use=Use.CHANGING,
)
def append(scene: Scene[Grid]) -> Iterator[float]:
    os.chdir(scene.root)
    yield seconds(_append, scene.tree.paths)
    _remove(scene.tree.paths)


def _create_and_remove(names: list[str]) -> None:
    content = bytes(1024)
    for name in names:
        with open(name, "xb", buffering=0) as file:
            file.write(content)
    _remove(names)


def _append(names: list[str]) -> None:
    for name in names:
        with open(name, "ab", buffering=0) as file:
            file.write(b"one more line\n")


def _remove(names: list[str]) -> None:
    for name in names:
        os.unlink(name)
