"""How it grows: with the layers, with the files."""

from __future__ import annotations

import os
from collections.abc import Iterator

from benchmarks.trees import Grid
from benchmarks.workload import workload
from benchmarks.workloads.tools import find_all, look_for, memory
from unionfs.bench.peers import has_daemon, is_mounting
from unionfs.bench.units import Axis, Point, Unit
from unionfs.bench.workload import Figure, Scene, Use, seconds

_LAYERS = (1, 10, 100, 500)
_FILES = (1_000, 10_000, 100_000, 1_000_000)
_HUGE = 1_000_000
_FILES_OF_LAYERS = 2_000


def layers_mount(scene: Scene[Grid]) -> Iterator[float]:
    yield scene.mount_seconds


def layers(scene: Scene[Grid]) -> Iterator[float]:
    for _ in range(2):
        yield seconds(find_all, scene)


def layers_missing(scene: Scene[Grid]) -> Iterator[float]:
    os.chdir(scene.root)
    yield seconds(look_for, [f"{path}.missing" for path in scene.tree.paths])


def files(scene: Scene[Grid]) -> Iterator[float]:
    for _ in range(2):
        yield seconds(find_all, scene)


def memory_of_daemon(scene: Scene[Grid]) -> Iterator[float]:
    before = memory(scene.daemons)
    find_all(scene)
    after = memory(scene.daemons)
    yield after
    yield (after - before) / scene.tree.files


for _count in _LAYERS:
    _tree, _at = Grid(_FILES_OF_LAYERS, over=_count), Point(Axis.LAYERS, _count)
    workload(
        "layers-mount",
        _tree,
        Figure("mount command to first listing, by layers"),
        use=Use.READING,
        at=_at,
        of=is_mounting,
    )(layers_mount)
    workload(
        "layers",
        _tree,
        Figure("find -ls, {tree.files:,} files, first time, by layers"),
        Figure("find -ls, {tree.files:,} files, second time, by layers"),
        use=Use.READING,
        at=_at,
    )(layers)
    workload(
        "layers-missing",
        _tree,
        Figure("{tree.files:,} stats of missing names, by layers"),
        use=Use.READING,
        at=_at,
    )(layers_missing)

for _count in _FILES:
    _tree, _at = Grid(_count, over=10), Point(Axis.FILES, _count)
    workload(
        "files",
        _tree,
        Figure("find -ls, 10 layers, first time, by files"),
        Figure("find -ls, 10 layers, second time, by files"),
        use=Use.READING,
        at=_at,
        huge=_count >= _HUGE,
    )(files)
    workload(
        "memory",
        _tree,
        Figure("the daemon's memory after find -ls, by files", unit=Unit.BYTES),
        Figure("the same a file, without what it had before, by files", unit=Unit.BYTES),
        use=Use.READING,
        at=_at,
        of=has_daemon,
        huge=_count >= _HUGE,
    )(memory_of_daemon)
