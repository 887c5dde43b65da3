"""What the tests of the dialects share: the forms, an upper layer to write them in, plans with a crash."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress

from unionfs.core.apply import Build
from unionfs.core.dialect import Dialect
from unionfs.core.layer import UpperLayer
from unionfs.core.steps import Plan, Steps
from unionfs.core.whiteout import WhiteoutDevice
from unionfs.dialects.aufs import AufsDialect
from unionfs.dialects.mixed import MixedDialect
from unionfs.dialects.overlay import TRUSTED, USER, OverlayDialect, Whiteouts
from unionfs.layers.memory import MemoryStore

DEVICE = OverlayDialect(TRUSTED)
BY_HAND = OverlayDialect(TRUSTED, rename_whiteout=False)
XATTR = OverlayDialect(USER, Whiteouts.XATTR)
AUFS = AufsDialect()
MIXED = MixedDialect(DEVICE)

FORMS: dict[str, Dialect] = {
    "trusted": DEVICE,
    "user": OverlayDialect(USER),
    "by hand": BY_HAND,
    "xattr": XATTR,
    "aufs": AUFS,
    "mixed": MIXED,
}


FIRST_WHITEOUT = b"first whiteout"


def memory_upper(dialect: Dialect) -> UpperLayer:
    store = MemoryStore("upper")
    return UpperLayer(store, dialect, MemoryStore("work", beside=store))


def run(layer: UpperLayer, steps: Steps) -> None:
    """Run steps and stop, as a daemon that is killed after them: nothing is undone."""
    build = Build(layer, WhiteoutDevice(layer.work, FIRST_WHITEOUT))
    for step in steps:
        build.run((step,))
    with suppress(FileNotFoundError):
        layer.work.unlink(FIRST_WHITEOUT)


def all_steps(plan: Plan) -> Steps:
    return plan.build + plan.commit + plan.tidy


def crashes(plan: Plan) -> Iterator[Steps]:
    """What has been run when a crash comes: nothing, one step, …, everything."""
    steps = all_steps(plan)
    return (steps[:count] for count in range(len(steps) + 1))
