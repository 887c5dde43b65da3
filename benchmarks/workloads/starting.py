"""Coming up."""

from __future__ import annotations

from collections.abc import Iterator

from benchmarks.peers import FUSE_OVERLAYFS
from benchmarks.trees import Grid
from benchmarks.workload import Figure, Goal, Scene, Use, workload


@workload(
    "mount",
    Grid(20_000, over=20),
    Figure("mount command to first listing, {tree}", Goal(FUSE_OVERLAYFS, 1.5)),
    use=Use.READING,
)
def mount(scene: Scene[Grid]) -> Iterator[float]:
    yield scene.mount_seconds
