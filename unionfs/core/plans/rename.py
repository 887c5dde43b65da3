"""Deciding how to rename what is in the upper layer already: one rename(2) there, whatever its size.

A directory that merges with lower ones keeps them through a redirect mark; one that
does not is made opaque where its new name would make it merge.
"""

from __future__ import annotations

from typing import NamedTuple

from unionfs.core.dialect import Dialect, Marks, Occupant
from unionfs.core.steps import At, Discard, Link, Move, Plan, Steps, upper
from unionfs.types import Kind, RenameFlags


class Moved(NamedTuple):
    """Something about to get another name: where it is, and its marks before and after."""

    path: bytes
    kind: Kind
    covers: bool
    old: Marks
    new: Marks

    def mark(self, dialect: Dialect) -> Steps:
        return () if self.old == self.new else dialect.mark(upper(self.path), self.old, self.new)


def marks_at(marks: Marks, *, below: bytes, merges: bool, covered: bool, kind: Kind) -> Marks:
    """The marks that something needs under a new name.

    `merges`: it has a lower part, found at `below`. `covered`: the lowers have the new name.
    """
    if kind is not Kind.DIR:
        return marks._replace(redirect=b"/" + below) if marks.metacopy else marks
    if merges:
        return marks._replace(redirect=b"/" + below)
    return marks._replace(opaque=marks.opaque or covered, redirect=None)


def rename(moved: Moved, target: bytes, *, onto: Occupant, dialect: Dialect, temp: At) -> Plan:
    """Give something a new name; `target` holds at most something that rename(2) replaces."""
    move = dialect.move(
        upper(moved.path),
        upper(target),
        moved.kind,
        leave_whiteout=moved.covers,
        onto=onto,
        temp=temp,
    )
    return Plan(build=moved.mark(dialect)) + move


def over_marked_dir(
    moved: Moved, target: bytes, old: Marks, *, dialect: Dialect, temp: At, spare: At
) -> Plan:
    """Rename over a directory that shows nothing but holds marks (`old` on itself): "not empty" to rename(2).

    The two change places, then the old one is removed from the old name. A crash in
    between leaves the new name right and an empty directory under the old one, which is
    opaque by then, so that it shows nothing of what the lowers have of that name.
    """
    empty = dialect.mark(upper(target), old, old._replace(opaque=True)) if moved.covers else ()
    swap = Move(upper(moved.path), upper(target), RenameFlags.EXCHANGE)
    removal = dialect.move(
        upper(moved.path), temp, Kind.DIR, leave_whiteout=moved.covers, onto=Occupant.NOTHING, temp=spare
    )
    return Plan(
        build=moved.mark(dialect) + empty + removal.build,
        commit=(swap, *removal.commit),
        tidy=(*removal.tidy, Discard(temp)),
    )


def exchange(one: Moved, other: Moved, dialect: Dialect) -> Plan:
    """renameat2(2) with RENAME_EXCHANGE."""
    swap = Move(upper(one.path), upper(other.path), RenameFlags.EXCHANGE)
    return Plan(build=one.mark(dialect) + other.mark(dialect), commit=(swap,))


def keep_aside(source: At, keep: At) -> Plan:
    """A name in the work tree for an open file that is about to lose its last other one."""
    return Plan(build=(Link(source, keep),))
