"""Moves and whiteouts: the plans, and what a reader sees when a crash cuts them short."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

import pytest
from dialect_cases import AUFS, BY_HAND, DEVICE, FORMS, XATTR, all_steps, crashes, memory_upper, run

from unionfs.core.dialect import NO_MARKS, Dialect, Listing, Marks, Occupant
from unionfs.core.layer import UpperLayer
from unionfs.core.steps import (
    At,
    Discard,
    Link,
    MakeDir,
    MakeFile,
    MakeWhiteout,
    Move,
    Plan,
    Remove,
    RemoveDir,
    SetXattr,
    Tree,
    upper,
    work,
)
from unionfs.dialects.overlay import OverlayDialect, Whiteouts
from unionfs.types import Kind, RenameFlags

OLD, NEW = upper(b"d/old"), upper(b"d/new")
BUILT, AWAY, TEMP, SECOND = work(b"built"), work(b"away"), work(b"temp"), work(b"temp+")
EXCHANGE, WHITEOUT = RenameFlags.EXCHANGE, RenameFlags.WHITEOUT

A_DEVICE = MakeWhiteout(TEMP)
AN_XATTR = (MakeFile(TEMP, 0o644), SetXattr(TEMP, b"user.overlay.whiteout", b""))
ANNOUNCED = SetXattr(upper(b"d"), b"user.overlay.opaque", b"x")


# Golden plans


class Situation(NamedTuple):
    source: At = OLD
    target: At = NEW
    kind: Kind = Kind.FILE
    leave: bool = False
    onto: Occupant = Occupant.NOTHING
    beneath: bool = False
    """Whether the lower layers have the new name."""

    def plan(self, dialect: Dialect) -> Plan:
        return dialect.move(
            self.source, self.target, self.kind, leave_whiteout=self.leave, onto=self.onto, temp=TEMP
        )


GOLDEN: list[tuple[Dialect, Situation, Plan]] = [
    (DEVICE, Situation(), Plan(commit=(Move(OLD, NEW),))),
    (DEVICE, Situation(leave=True), Plan(commit=(Move(OLD, NEW, WHITEOUT),))),
    (DEVICE, Situation(onto=Occupant.WHITEOUT), Plan(commit=(Move(OLD, NEW),))),
    (DEVICE, Situation(leave=True, onto=Occupant.WHITEOUT), Plan(commit=(Move(OLD, NEW, WHITEOUT),))),
    (
        DEVICE,
        Situation(kind=Kind.DIR, onto=Occupant.WHITEOUT),
        Plan(commit=(Move(OLD, NEW, EXCHANGE),), tidy=(Remove(OLD),)),
    ),
    (
        DEVICE,
        Situation(kind=Kind.DIR, leave=True, onto=Occupant.WHITEOUT),
        Plan(commit=(Move(OLD, NEW, EXCHANGE),)),
    ),
    (
        DEVICE,
        Situation(BUILT, kind=Kind.DIR, onto=Occupant.WHITEOUT),
        Plan(commit=(Move(BUILT, NEW, EXCHANGE),), tidy=(Remove(BUILT),)),
    ),
    (DEVICE, Situation(BUILT, leave=True), Plan(commit=(Move(BUILT, NEW),))),
    (DEVICE, Situation(target=AWAY, leave=True), Plan(commit=(Move(OLD, AWAY, WHITEOUT),))),
    (
        BY_HAND,
        Situation(target=AWAY, leave=True),
        Plan(build=(MakeWhiteout(AWAY),), commit=(Move(OLD, AWAY, EXCHANGE),)),
    ),
    (
        BY_HAND,
        Situation(leave=True),
        Plan(build=(Link(OLD, SECOND), A_DEVICE), commit=(Move(SECOND, NEW), Move(TEMP, OLD))),
    ),
    (
        BY_HAND,
        Situation(leave=True, onto=Occupant.ENTRY),
        Plan(
            build=(Link(OLD, SECOND), A_DEVICE),
            commit=(Move(SECOND, NEW, EXCHANGE), Move(TEMP, OLD)),
            tidy=(Discard(SECOND),),
        ),
    ),
    (BY_HAND, Situation(leave=True, onto=Occupant.WHITEOUT), Plan(commit=(Move(OLD, NEW, EXCHANGE),))),
    (
        BY_HAND,
        Situation(kind=Kind.DIR, leave=True),
        Plan(build=(A_DEVICE,), commit=(Move(TEMP, NEW), Move(OLD, NEW, EXCHANGE))),
    ),
    (
        BY_HAND,
        Situation(kind=Kind.DIR, leave=True, onto=Occupant.ENTRY),
        Plan(
            build=(A_DEVICE,),
            commit=(Move(TEMP, NEW, EXCHANGE), Move(OLD, NEW, EXCHANGE)),
            tidy=(RemoveDir(TEMP),),
        ),
    ),
    (
        XATTR,
        Situation(kind=Kind.DIR, leave=True),
        Plan(build=(ANNOUNCED, *AN_XATTR), commit=(Move(TEMP, NEW), Move(OLD, NEW, EXCHANGE))),
    ),
    (
        XATTR,
        Situation(leave=True, onto=Occupant.WHITEOUT),
        Plan(build=(ANNOUNCED,), commit=(Move(OLD, NEW, EXCHANGE),)),
    ),
    (
        XATTR,
        Situation(kind=Kind.DIR, onto=Occupant.WHITEOUT),
        Plan(commit=(Move(OLD, NEW, EXCHANGE), Remove(OLD))),
    ),
    (AUFS, Situation(), Plan(commit=(Move(OLD, NEW),))),
    (
        AUFS,
        Situation(leave=True, onto=Occupant.WHITEOUT),
        Plan(
            build=(MakeFile(TEMP, 0o444),),
            commit=(Move(TEMP, upper(b"d/.wh.old")), Move(OLD, NEW)),
            tidy=(Remove(upper(b"d/.wh.new")),),
        ),
    ),
]


@pytest.mark.parametrize(("dialect", "situation", "plan"), GOLDEN)
def test_plans_of_moves(dialect: Dialect, situation: Situation, plan: Plan) -> None:
    assert situation.plan(dialect) == plan


@pytest.mark.parametrize(
    ("dialect", "plan"),
    [
        (DEVICE, Plan(commit=(MakeWhiteout(OLD),))),
        (XATTR, Plan(build=(ANNOUNCED, *AN_XATTR), commit=(Move(TEMP, OLD),))),
        (AUFS, Plan(commit=(MakeFile(upper(b"d/.wh.old"), 0o444),))),
    ],
)
def test_plans_of_whiteouts(dialect: Dialect, plan: Plan) -> None:
    assert dialect.hide(OLD.path, TEMP) == plan


def test_marks_at_the_root() -> None:
    assert AUFS.hide(b"old", TEMP) == Plan(commit=(MakeFile(upper(b".wh.old"), 0o444),))
    opaque = AUFS.mark(upper(b""), NO_MARKS, Marks(opaque=True))
    assert opaque == (MakeFile(upper(b".wh..wh..opq"), 0o444),)


def test_aufs_cannot_hide_what_reads_as_a_mark() -> None:
    with pytest.raises(PermissionError, match=r"d/\.wh\.old"):
        AUFS.hide(b"d/.wh.old", TEMP)


# What a reader sees


class Seen(NamedTuple):
    """What a reader finds under a name: a number of an upper file, and whether something lower shows."""

    upper: int | None
    lower: bool


class World:
    """A directory `d` of an upper layer over a lower that has some names, a situation set up in it."""

    def __init__(self, dialect: Dialect, situation: Situation) -> None:
        self.layer = memory_upper(dialect)
        self.lower = {b"old"} if situation.leave else set()
        if situation.beneath:
            self.lower.add(b"new")
        run(self.layer, (MakeDir(upper(b"d"), 0o755),))
        self._make(situation.source, situation.kind)
        if situation.onto is Occupant.WHITEOUT:
            run(self.layer, all_steps(dialect.hide(NEW.path, TEMP)))
        elif situation.onto is Occupant.ENTRY:
            self._make(situation.target, situation.kind)
        self.source = self._ino(situation.source)

    def _make(self, at: At, kind: Kind) -> None:
        if kind is Kind.FILE:
            run(self.layer, (MakeFile(at, 0o644),))
            return
        opaque = self.layer.dialect.mark(TEMP, NO_MARKS, Marks(opaque=True))
        bare = at.tree is Tree.UPPER and at.path == NEW.path  # what rename(2) can replace is truly empty
        run(self.layer, (MakeDir(TEMP, 0o755), *(() if bare else opaque), Move(TEMP, at)))

    def _ino(self, at: At) -> int:
        return self.layer.tree(at).stat(at.path).ino

    def seen(self) -> dict[bytes, Seen]:
        return {name: self._seen(name) for name in (b"old", b"new")}

    def _seen(self, name: bytes) -> Seen:
        store, dialect, path = self.layer.store, self.layer.dialect, b"d/" + name
        listing = dialect.listing(store, b"d")
        beneath = name in self.lower and name not in listing.whiteouts
        if name not in listing.entries:
            return Seen(None, beneath)
        stat = store.stat(path)
        merges = stat.kind is Kind.DIR and not dialect.marks(store, path, stat).opaque
        return Seen(stat.ino, beneath and merges)

    def names(self, layer_tree: Tree, path: bytes) -> set[bytes]:
        return {name for name, _kind in self.layer.tree(At(layer_tree, b"")).scan(path)}


def every_situation() -> Iterator[Situation]:
    occupants = [(Occupant.NOTHING, False), (Occupant.NOTHING, True)]
    occupants += [(Occupant.WHITEOUT, True), (Occupant.ENTRY, False)]
    for kind in (Kind.FILE, Kind.DIR):
        for leave in (False, True):
            yield Situation(OLD, AWAY, kind, leave)
            for onto, beneath in occupants:
                yield Situation(OLD, NEW, kind, leave, onto, beneath)
        for onto, beneath in occupants:
            yield Situation(BUILT, NEW, kind, False, onto, beneath)


SITUATIONS = list(every_situation())


def between(dialect: Dialect, situation: Situation, before: World) -> list[dict[bytes, Seen]]:
    """The third state that a crash may leave where no single rename does it all; see the docstrings there."""
    by_hand = isinstance(dialect, OverlayDialect) and (
        not dialect.rename_whiteout or dialect.whiteouts is Whiteouts.XATTR
    )
    exchanged = situation.onto is Occupant.WHITEOUT or situation.target.tree is Tree.WORK
    if not by_hand or not situation.leave or exchanged:
        return []
    source = Seen(before.source, False)
    return [{b"old": source, b"new": source if situation.kind is Kind.FILE else Seen(None, False)}]


def after(situation: Situation, before: World) -> dict[bytes, Seen]:
    state = before.seen()
    if situation.source == OLD:
        state[b"old"] = Seen(None, False)
    if situation.target == NEW:
        state[b"new"] = Seen(before.source, False)
    return state


@pytest.mark.parametrize("situation", SITUATIONS)
@pytest.mark.parametrize("form", FORMS)
def test_a_crash_leaves_the_old_or_the_new(form: str, situation: Situation) -> None:
    dialect = FORMS[form]
    plan = situation.plan(dialect)
    for done in crashes(plan):
        world = World(dialect, situation)
        allowed = [world.seen(), *between(dialect, situation, world), after(situation, world)]
        run(world.layer, done)
        assert world.seen() in allowed, f"after {done}"
        if len(done) <= len(plan.build):
            assert world.seen() == allowed[0], "seen before the commit"
        if len(done) >= len(plan.build) + len(plan.commit):
            assert world.seen() == allowed[-1], "not seen after the commit"


@pytest.mark.parametrize("situation", SITUATIONS)
@pytest.mark.parametrize("form", FORMS)
def test_nothing_is_left_over(form: str, situation: Situation) -> None:
    world = World(FORMS[form], situation)
    run(world.layer, all_steps(situation.plan(FORMS[form])))
    names = {b"new"} if situation.target == NEW else set()
    if situation.leave:
        names.add(b".wh.old" if form == "aufs" else b"old")
    assert world.names(Tree.UPPER, b"d") == names
    assert world.names(Tree.WORK, b"") == ({b"away"} if situation.target == AWAY else set())
    assert world.layer.tree(situation.target).stat(situation.target.path).ino == world.source


@pytest.mark.parametrize("form", FORMS)
def test_a_whiteout_hides_at_once(form: str) -> None:
    dialect = FORMS[form]
    plan = dialect.hide(OLD.path, TEMP)
    for done in crashes(plan):
        layer = memory_upper(dialect)
        run(layer, (MakeDir(upper(b"d"), 0o755), *done))
        hidden = len(done) == len(all_steps(plan))
        assert dialect.listing(layer.store, b"d") == Listing({}, frozenset({b"old"} if hidden else ()))
        assert dialect.is_whiteout(layer.store, OLD.path) is hidden


@pytest.mark.parametrize("onto", [Occupant.NOTHING, Occupant.WHITEOUT])
def test_a_whiteout_that_a_crash_left_behind_is_no_obstacle(onto: Occupant) -> None:
    situation = Situation(leave=True, onto=onto, beneath=True)
    world = World(AUFS, situation)
    run(world.layer, (MakeFile(upper(b"d/.wh.old"), 0o444),))
    run(world.layer, all_steps(situation.plan(AUFS)))
    assert world.seen() == after(situation, world)


@pytest.mark.parametrize(
    ("situation", "name"),
    [
        (Situation(upper(b"e/old"), NEW, Kind.DIR, onto=Occupant.WHITEOUT, beneath=True), b"e/old"),
        (Situation(OLD, upper(b"e/new"), Kind.DIR, leave=True), b"e/new"),
    ],
)
def test_the_one_window_of_xattr_whiteouts(situation: Situation, name: bytes) -> None:
    """Where a directory goes, an empty file is seen for a moment if no whiteouts are announced there."""
    layer = memory_upper(XATTR)
    run(layer, (MakeDir(upper(b"d"), 0o755), MakeDir(upper(b"e"), 0o755), MakeDir(situation.source, 0o755)))
    if situation.onto is Occupant.WHITEOUT:
        run(layer, all_steps(XATTR.hide(situation.target.path, TEMP)))
    plan = situation.plan(XATTR)
    run(layer, plan.build + plan.commit[:1])
    assert XATTR.listing(layer.store, b"e").entries == {name[2:]: Kind.FILE}
    run(layer, plan.commit[1:] + plan.tidy)
    shown = {b"new": Kind.DIR} if situation.target.path == name else {}
    assert XATTR.listing(layer.store, b"e").entries == shown


def test_opaque_is_one_file_or_one_xattr_in_the_entry() -> None:
    layer: UpperLayer = memory_upper(AUFS)
    at = work(b"dir")
    run(layer, (MakeDir(at, 0o755), *AUFS.mark(at, NO_MARKS, Marks(opaque=True)), Move(at, upper(b"dir"))))
    assert AUFS.marks(layer.store, b"dir", layer.store.stat(b"dir")) == Marks(opaque=True)
    assert AUFS.listing(layer.store, b"dir") == Listing({}, frozenset())
