"""Coming up."""

from __future__ import annotations

from collections.abc import Iterator

from benchmarks.trees import Grid
from benchmarks.workload import workload
from unionfs.bench.peers import FUSE_OVERLAYFS, is_mounting
from unionfs.bench.workload import Figure, Goal, Scene, Use


@workload(
    "mount",
    Grid(20_000, over=20),
    Figure("mount command to first listing, {tree}", Goal(1.5, FUSE_OVERLAYFS), Goal(0.2, None)),
    use=Use.READING,
    of=is_mounting,
)
def mount(scene: Scene[Grid]) -> Iterator[float]:
    yield scene.mount_seconds
