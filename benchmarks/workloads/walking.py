"""Looking at many small files."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from itertools import pairwise

from benchmarks.trees import Grid
from benchmarks.workload import workload
from benchmarks.workloads.tools import find_all, look_for, printed, requests
from unionfs.bench.peers import FUSE_OVERLAYFS, OVERLAYFS
from unionfs.bench.units import Unit
from unionfs.bench.workload import Figure, Goal, Scene, Use, seconds

_MANY_LAYERS = Grid(20_000, over=20)
_SMALL_FILES = Grid(20_000, over=10, size=1024)


@workload(
    "find",
    _MANY_LAYERS,
    Figure("find -ls, {tree}, first time", Goal(1.0, FUSE_OVERLAYFS), Goal(0.6, FUSE_OVERLAYFS)),
    Figure("find -ls, {tree}, second time", Goal(1.2, OVERLAYFS), Goal(1.0, OVERLAYFS)),
    Figure("requests to the daemon for find -ls, first time", unit=Unit.REQUESTS),
    Figure("requests to the daemon for find -ls, second time", unit=Unit.REQUESTS),
    use=Use.READING,
)
def find(scene: Scene[Grid]) -> Iterator[float]:
    yield from _twice(scene, find_all, scene)


@workload(
    "tar",
    _SMALL_FILES,
    Figure("tar, {tree}, first time", Goal(0.8, FUSE_OVERLAYFS), Goal(0.5, FUSE_OVERLAYFS)),
    use=Use.READING,
)
def tar(scene: Scene[Grid]) -> Iterator[float]:
    yield seconds(_tar, scene)


@workload(
    "tar-ro",
    _SMALL_FILES,
    Figure("tar, {tree}, read-only union, first time"),
    Figure("tar, {tree}, read-only union, second time", Goal(1.3, OVERLAYFS), Goal(1.0, OVERLAYFS)),
    Figure("requests to the daemon for tar, read-only union, first time", unit=Unit.REQUESTS),
    Figure("requests to the daemon for tar, read-only union, second time", Goal(0, None), unit=Unit.REQUESTS),
    use=Use.READ_ONLY,
)
def tar_read_only(scene: Scene[Grid]) -> Iterator[float]:
    yield from _twice(scene, _tar, scene)


@workload(
    "missing",
    _MANY_LAYERS,
    Figure(
        "{amount} stats of missing names, 20 layers, first time",
        Goal(1.0, FUSE_OVERLAYFS),
        Goal(0.6, FUSE_OVERLAYFS),
    ),
    Figure("{amount} stats of missing names, 20 layers, second time"),
    Figure("requests to the daemon for missing names, first time", unit=Unit.REQUESTS),
    Figure("requests to the daemon for missing names, second time", Goal(0, None), unit=Unit.REQUESTS),
    use=Use.READING,
    amount=20_000,
)
def missing(scene: Scene[Grid]) -> Iterator[float]:
    os.chdir(scene.root)
    names = [f"{path}.missing" for path in scene.tree.paths[: scene.amount]]
    yield from _twice(scene, look_for, names)


@workload(
    "readdir",
    Grid(100_000, over=2, per_directory=100_000),
    Figure("list a directory of {tree}, first time"),
    Figure("list a directory of {tree}, second time"),
    use=Use.READING,
)
def readdir(scene: Scene[Grid]) -> Iterator[float]:
    directory = os.path.join(scene.root, os.path.dirname(scene.tree.paths[0]))
    os.stat(directory)
    for _ in range(2):
        yield seconds(os.listdir, directory)


def _twice(scene: Scene[Grid], work: Callable[..., object], *arguments: object) -> Iterator[float]:
    """The seconds that `work` takes the first and the second time, and the requests of each."""
    counted = [requests(scene.daemons)]
    for _ in range(2):
        yield seconds(work, *arguments)
        counted.append(requests(scene.daemons))
    yield from (after - before for before, after in pairwise(counted))


def _tar(scene: Scene[Grid]) -> None:
    # Into a pipe: GNU tar reads no file whose archive goes to /dev/null.
    archived = printed(["tar", "-c", "-f", "-", "."], scene.root, len)
    assert archived > scene.tree.files * scene.tree.size, "tar left files out"
