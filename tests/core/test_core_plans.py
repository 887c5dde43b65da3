"""Golden plans: from facts to steps, compared whole. Nothing is read or written."""

from __future__ import annotations

import stat as _s

import pytest
from stands import AUFS, BY_HAND, OVERLAY

from unionfs.core.dialect import NO_MARKS, Dialect, Links, Marks, Occupant, Origin
from unionfs.core.gather import Source
from unionfs.core.plans import attrs, copyup, create, remove, rename
from unionfs.core.plans.attrs import Changes
from unionfs.core.plans.rename import Moved
from unionfs.core.steps import (
    Discard,
    Link,
    MakeDir,
    MakeFile,
    MakeNode,
    MakeSymlink,
    MakeWhiteout,
    Move,
    Plan,
    Remove,
    RemoveDir,
    RemoveXattr,
    SetMode,
    SetOwner,
    SetSize,
    SetTimes,
    SetXattr,
    Steps,
    SyncFile,
    upper,
    work,
)
from unionfs.types import Kind, Owner, RenameFlags, Stat

TEMP, SPARE, KEEP = work(b"temp"), work(b"spare"), work(b"keep")
NAME, NEW = upper(b"d/name"), upper(b"d/new")
WHITEOUT, EXCHANGE = RenameFlags.WHITEOUT, RenameFlags.EXCHANGE
AUFS_MARK = upper(b"d/.wh.name")

FILE = Stat(_s.S_IFREG | 0o4755, uid=5, gid=6, size=10, atime_ns=1, mtime_ns=2)
DIR = Stat(_s.S_IFDIR | 0o2750, uid=5, gid=6, atime_ns=1, mtime_ns=2)
LINK = Stat(_s.S_IFLNK | 0o777, atime_ns=1, mtime_ns=2)
DEVICE = Stat(_s.S_IFBLK | 0o640, rdev=7, atime_ns=1, mtime_ns=2)


def trusted(name: bytes) -> bytes:
    return b"trusted.overlay." + name


FINISHED: list[tuple[Dialect, Source, Marks, Steps]] = [
    (
        OVERLAY,
        Source(FILE, ((b"user.a", b"1"), (b"trusted.overlay.opaque", b"plain"))),
        Marks(origin=Origin(2, 77, b"H"), metacopy=True, redirect=b"/d/f", links=Links(1)),
        (
            MakeFile(TEMP, 0o600),
            SetSize(TEMP, 10),
            SetOwner(TEMP, 5, 6),
            SetXattr(TEMP, b"user.a", b"1"),
            SetXattr(TEMP, trusted(b"overlay.opaque"), b"plain"),
            SetXattr(TEMP, trusted(b"unionfs.origin"), b"2:77"),
            SetXattr(TEMP, trusted(b"origin"), b"H"),
            SetXattr(TEMP, trusted(b"nlink"), b"U+1"),
            SetXattr(TEMP, trusted(b"redirect"), b"/d/f"),
            SetXattr(TEMP, trusted(b"metacopy"), b""),
            SetMode(TEMP, 0o4755),
            SetTimes(TEMP, 1, 2),
        ),
    ),
    (
        AUFS,
        Source(DIR, ((b"trusted.overlay.opaque", b"y"),)),
        NO_MARKS,
        (
            MakeDir(TEMP, 0o700),
            SetOwner(TEMP, 5, 6),
            SetXattr(TEMP, trusted(b"opaque"), b"y"),
            SetMode(TEMP, 0o2750),
            SetTimes(TEMP, 1, 2),
        ),
    ),
    (
        OVERLAY,
        Source(LINK, (), b"to"),
        NO_MARKS,
        (MakeSymlink(TEMP, b"to"), SetOwner(TEMP, 0, 0), SetTimes(TEMP, 1, 2)),
    ),
    (
        AUFS,
        Source(DEVICE, ()),
        NO_MARKS,
        (
            MakeNode(TEMP, _s.S_IFBLK | 0o600, 7),
            SetOwner(TEMP, 0, 0),
            SetMode(TEMP, 0o640),
            SetTimes(TEMP, 1, 2),
        ),
    ),
]


@pytest.mark.parametrize(("dialect", "source", "marks", "steps"), FINISHED)
def test_copy_without_data(dialect: Dialect, source: Source, marks: Marks, steps: Steps) -> None:
    assert copyup.without_data(source, TEMP, marks, dialect) == steps


def test_copy_is_published_by_one_step_and_linked_before() -> None:
    plan = copyup.publish(TEMP, b"d/name", Kind.FILE, work(b"index/ff"), b"d", DIR, OVERLAY, SPARE)
    assert plan == Plan(
        build=(Link(TEMP, work(b"index/ff")),),
        commit=(Move(TEMP, NAME),),
        tidy=(SetTimes(upper(b"d"), 1, 2),),
    )


def test_data_lasts_before_the_mark_goes() -> None:
    old = Marks(origin=Origin(0, 5), metacopy=True, redirect=b"/d/f")
    assert copyup.complete(NAME, old, OVERLAY, FILE) == Plan(
        build=(SyncFile(NAME), SetTimes(NAME, 1, 2)),
        commit=(RemoveXattr(NAME, trusted(b"metacopy")),),
        tidy=(RemoveXattr(NAME, trusted(b"redirect")),),
    )


ATTRIBUTES: list[tuple[Stat, Changes, Steps]] = [
    (FILE, Changes(mode=0o600), (SetMode(NAME, 0o600),)),
    (FILE, Changes(uid=7), (SetOwner(NAME, 7, -1), SetMode(NAME, 0o755))),
    (FILE, Changes(uid=7, mode=0o4700), (SetOwner(NAME, 7, -1), SetMode(NAME, 0o4700))),
    (FILE._replace(mode=_s.S_IFREG | 0o2644), Changes(gid=7), (SetOwner(NAME, -1, 7),)),
    (FILE._replace(mode=_s.S_IFREG | 0o2674), Changes(gid=7), (SetOwner(NAME, -1, 7), SetMode(NAME, 0o674))),
    (DIR, Changes(uid=7, gid=8), (SetOwner(NAME, 7, 8),)),
    (FILE, Changes(mtime_ns=9), (SetTimes(NAME, 1, 9),)),
    (
        FILE,
        Changes(0o600, 7, 8, 3, 4, 5),
        (SetSize(NAME, 3), SetOwner(NAME, 7, 8), SetMode(NAME, 0o600), SetTimes(NAME, 4, 5)),
    ),
]


@pytest.mark.parametrize(("stat", "changes", "steps"), ATTRIBUTES)
def test_attributes(stat: Stat, changes: Changes, steps: Steps) -> None:
    assert attrs.change(NAME, stat, changes) == Plan(commit=steps)


NOBODY = Owner()


def new(dialect: Dialect, mode: int, *, owner: Owner = NOBODY, **facts: bool) -> Plan:
    facts = {"natural": True, "over_whiteout": False, "opaque": False} | facts
    return create.new(b"d/name", mode, owner, **facts, target=b"to", dialect=dialect, temp=TEMP, spare=SPARE)


AFILE, ADIR, ALINK = _s.S_IFREG | 0o644, _s.S_IFDIR | 0o755, _s.S_IFLNK | 0o777

CREATED: list[tuple[Plan, Plan]] = [
    (new(OVERLAY, AFILE), Plan(commit=(MakeFile(NAME, 0o644),))),
    (new(AUFS, ADIR), Plan(commit=(MakeDir(NAME, 0o755),))),
    (new(OVERLAY, ALINK), Plan(commit=(MakeSymlink(NAME, b"to"),))),
    (new(OVERLAY, _s.S_IFIFO | 0o600), Plan(commit=(MakeNode(NAME, _s.S_IFIFO | 0o600),))),
    (
        new(OVERLAY, _s.S_IFREG | 0o4755, owner=Owner(5, 6), natural=False),
        Plan((MakeFile(TEMP, 0o4755), SetOwner(TEMP, 5, 6), SetMode(TEMP, 0o4755)), (Move(TEMP, NAME),)),
    ),
    (
        new(OVERLAY, AFILE, over_whiteout=True),
        Plan((MakeFile(TEMP, 0o644), SetOwner(TEMP, 0, 0)), (Move(TEMP, NAME),)),
    ),
    (
        new(OVERLAY, ADIR, over_whiteout=True, opaque=True),
        Plan(
            (MakeDir(TEMP, 0o755), SetOwner(TEMP, 0, 0), SetXattr(TEMP, trusted(b"opaque"), b"y")),
            (Move(TEMP, NAME, EXCHANGE),),
            (Remove(TEMP),),
        ),
    ),
    (
        new(AUFS, ADIR, over_whiteout=True, opaque=True),
        Plan(
            (MakeDir(TEMP, 0o755), SetOwner(TEMP, 0, 0), MakeFile(work(b"temp/.wh..wh..opq"), 0o444)),
            (Move(TEMP, NAME),),
            (Remove(AUFS_MARK),),
        ),
    ),
]


@pytest.mark.parametrize(("plan", "golden"), CREATED)
def test_create(plan: Plan, golden: Plan) -> None:
    assert plan == golden


@pytest.mark.parametrize(
    ("over_whiteout", "dialect", "golden"),
    [
        (False, OVERLAY, Plan(commit=(Link(KEEP, NAME),))),
        (True, OVERLAY, Plan((Link(KEEP, TEMP),), (Move(TEMP, NAME),))),
        (True, AUFS, Plan((Link(KEEP, TEMP),), (Move(TEMP, NAME),), (Remove(AUFS_MARK),))),
    ],
)
def test_link(over_whiteout: bool, dialect: Dialect, golden: Plan) -> None:
    plan = create.link(
        KEEP, b"d/name", over_whiteout=over_whiteout, kind=Kind.FILE, dialect=dialect, temp=TEMP, spare=SPARE
    )
    assert plan == golden


def test_setgid_directory_hands_on_its_group() -> None:
    owner = Owner(1, 2)
    assert create.inherit(DIR, AFILE, owner) == (AFILE, (1, 6))
    assert create.inherit(DIR, ADIR, owner) == (ADIR | _s.S_ISGID, (1, 6))
    assert create.inherit(DIR._replace(mode=ADIR), ADIR, owner) == (ADIR, owner)


def removal(dialect: Dialect, *, in_upper: bool = True, covers: bool = False, keep: bool = False) -> Plan:
    return remove.remove(
        b"d/name",
        Kind.FILE,
        in_upper=in_upper,
        covers=covers,
        keep=KEEP if keep else None,
        dialect=dialect,
        temp=TEMP,
        spare=SPARE,
    )


A_DEVICE = MakeWhiteout(NAME)
AUFS_AWAY = (MakeFile(SPARE, 0o444),), (Move(SPARE, AUFS_MARK),)

REMOVED: list[tuple[Plan, Plan]] = [
    (removal(OVERLAY, in_upper=False, covers=True), Plan(commit=(A_DEVICE,))),
    (removal(AUFS, in_upper=False, covers=True), Plan(commit=(MakeFile(AUFS_MARK, 0o444),))),
    (removal(OVERLAY), Plan(commit=(Remove(NAME),))),
    (removal(AUFS, keep=True), Plan(commit=(Move(NAME, KEEP),))),
    (removal(OVERLAY, covers=True), Plan(commit=(Move(NAME, TEMP, WHITEOUT),), tidy=(Discard(TEMP),))),
    (removal(OVERLAY, covers=True, keep=True), Plan(commit=(Move(NAME, KEEP, WHITEOUT),))),
    (
        removal(BY_HAND, covers=True),
        Plan((MakeWhiteout(TEMP),), (Move(NAME, TEMP, EXCHANGE),), (Discard(TEMP),)),
    ),
    (
        removal(AUFS, covers=True),
        Plan(AUFS_AWAY[0], (*AUFS_AWAY[1], Move(NAME, TEMP)), (Discard(TEMP),)),
    ),
]


@pytest.mark.parametrize(("plan", "golden"), REMOVED)
def test_remove(plan: Plan, golden: Plan) -> None:
    assert plan == golden


def dir_removal(dialect: Dialect, in_upper: bool, covers: bool, holds_marks: bool) -> Plan:
    return remove.remove_dir(
        b"d/name",
        in_upper=in_upper,
        covers=covers,
        holds_marks=holds_marks,
        dialect=dialect,
        temp=TEMP,
        spare=SPARE,
    )


REMOVED_DIRS: list[tuple[Plan, Plan]] = [
    (dir_removal(OVERLAY, False, True, False), Plan(commit=(A_DEVICE,))),
    (dir_removal(OVERLAY, True, False, False), Plan(commit=(RemoveDir(NAME),))),
    (dir_removal(OVERLAY, True, False, True), Plan(commit=(Move(NAME, TEMP),), tidy=(Discard(TEMP),))),
    (
        dir_removal(OVERLAY, True, True, True),
        Plan(commit=(Move(NAME, TEMP, WHITEOUT),), tidy=(Discard(TEMP),)),
    ),
    (
        dir_removal(AUFS, True, True, False),
        Plan(AUFS_AWAY[0], (*AUFS_AWAY[1], Move(NAME, TEMP)), (Discard(TEMP),)),
    ),
]


@pytest.mark.parametrize(("plan", "golden"), REMOVED_DIRS)
def test_remove_dir(plan: Plan, golden: Plan) -> None:
    assert plan == golden


MARKED: list[tuple[Marks, dict[str, object], Marks]] = [
    (NO_MARKS, {"merges": True, "covered": False, "kind": Kind.DIR}, Marks(redirect=b"/was")),
    (NO_MARKS, {"merges": True, "covered": True, "kind": Kind.DIR}, Marks(redirect=b"/was")),
    (NO_MARKS, {"merges": False, "covered": False, "kind": Kind.DIR}, NO_MARKS),
    (NO_MARKS, {"merges": False, "covered": True, "kind": Kind.DIR}, Marks(opaque=True)),
    (Marks(opaque=True), {"merges": False, "covered": False, "kind": Kind.DIR}, Marks(opaque=True)),
    (Marks(redirect=b"gone"), {"merges": False, "covered": False, "kind": Kind.DIR}, NO_MARKS),
    (NO_MARKS, {"merges": False, "covered": True, "kind": Kind.FILE}, NO_MARKS),
    (
        Marks(metacopy=True),
        {"merges": False, "covered": False, "kind": Kind.FILE},
        Marks(metacopy=True, redirect=b"/was"),
    ),
]


@pytest.mark.parametrize(("old", "facts", "new"), MARKED)
def test_marks_under_a_new_name(old: Marks, facts: dict[str, object], new: Marks) -> None:
    assert rename.marks_at(old, below=b"was", **facts) == new  # type: ignore[arg-type]


def moved(
    kind: Kind = Kind.FILE, *, covers: bool = False, new: Marks = NO_MARKS, at: bytes = b"d/name"
) -> Moved:
    return Moved(at, kind, covers, NO_MARKS, new)


REDIRECT = SetXattr(NAME, trusted(b"redirect"), b"/d/name")

RENAMED: list[tuple[Dialect, Moved, Occupant, Plan]] = [
    (OVERLAY, moved(), Occupant.NOTHING, Plan(commit=(Move(NAME, NEW),))),
    (OVERLAY, moved(covers=True), Occupant.ENTRY, Plan(commit=(Move(NAME, NEW, WHITEOUT),))),
    (
        OVERLAY,
        moved(Kind.DIR, covers=True, new=Marks(redirect=b"/d/name")),
        Occupant.NOTHING,
        Plan((REDIRECT,), (Move(NAME, NEW, WHITEOUT),)),
    ),
    (
        OVERLAY,
        moved(Kind.DIR, new=Marks(opaque=True)),
        Occupant.WHITEOUT,
        Plan((SetXattr(NAME, trusted(b"opaque"), b"y"),), (Move(NAME, NEW, EXCHANGE),), (Remove(NAME),)),
    ),
    (
        AUFS,
        moved(Kind.DIR, covers=True, new=Marks(opaque=True)),
        Occupant.WHITEOUT,
        Plan(
            (MakeFile(upper(b"d/name/.wh..wh..opq"), 0o444), MakeFile(TEMP, 0o444)),
            (Move(TEMP, AUFS_MARK), Move(NAME, NEW)),
            (Remove(upper(b"d/.wh.new")),),
        ),
    ),
]


@pytest.mark.parametrize(("dialect", "what", "onto", "golden"), RENAMED)
def test_rename(dialect: Dialect, what: Moved, onto: Occupant, golden: Plan) -> None:
    assert rename.rename(what, b"d/new", onto=onto, dialect=dialect, temp=TEMP) == golden


def test_rename_over_a_directory_that_holds_marks() -> None:
    what = moved(Kind.DIR, covers=True, new=Marks(redirect=b"/d/name"))
    plan = rename.over_marked_dir(what, b"d/new", NO_MARKS, dialect=OVERLAY, temp=TEMP, spare=SPARE)
    assert plan == Plan(
        (REDIRECT, SetXattr(NEW, trusted(b"opaque"), b"y")),
        (Move(NAME, NEW, EXCHANGE), Move(NAME, TEMP, WHITEOUT)),
        (Discard(TEMP),),
    )
    plain = rename.over_marked_dir(
        moved(Kind.DIR), b"d/new", NO_MARKS, dialect=OVERLAY, temp=TEMP, spare=SPARE
    )
    assert plain == Plan((), (Move(NAME, NEW, EXCHANGE), Move(NAME, TEMP)), (Discard(TEMP),))


def test_exchange_marks_both_first() -> None:
    one = moved(Kind.DIR, covers=True, new=Marks(redirect=b"/d/name"))
    other = moved(Kind.DIR, new=Marks(opaque=True), at=b"d/new")
    assert rename.exchange(one, other, OVERLAY) == Plan(
        (REDIRECT, SetXattr(NEW, trusted(b"opaque"), b"y")), (Move(NAME, NEW, EXCHANGE),)
    )


def test_aufs_refuses_marks_that_it_cannot_write() -> None:
    with pytest.raises(ValueError, match="opaque"):
        rename.rename(
            moved(Kind.DIR, new=Marks(redirect=b"/d")),
            b"d/new",
            onto=Occupant.NOTHING,
            dialect=AUFS,
            temp=TEMP,
        )
