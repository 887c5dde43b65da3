"""Deciding how to remove names: no data is read or copied, whatever the layers beneath hold."""

from __future__ import annotations

from unionfs.core.dialect import Dialect, Occupant
from unionfs.core.steps import At, Discard, Move, Plan, Remove, RemoveDir, upper
from unionfs.types import Kind


def remove(
    path: bytes,
    kind: Kind,
    *,
    in_upper: bool,
    covers: bool,
    keep: At | None,
    dialect: Dialect,
    temp: At,
    spare: At,
) -> Plan:
    """Remove a name of something that is no directory.

    `covers`: the lowers have the name too, so a whiteout takes its place. `keep` is
    where the file goes if it is still open; otherwise it is thrown away.
    """
    if not in_upper:
        return dialect.hide(path, temp)
    if covers:
        plan = dialect.move(
            upper(path), keep or temp, kind, leave_whiteout=True, onto=Occupant.NOTHING, temp=spare
        )
        return plan if keep else plan + Plan(tidy=(Discard(temp),))
    if keep:
        return Plan(commit=(Move(upper(path), keep),))
    return Plan(commit=(Remove(upper(path)),))


def remove_dir(
    path: bytes, *, in_upper: bool, covers: bool, holds_marks: bool, dialect: Dialect, temp: At, spare: At
) -> Plan:
    """Remove a directory that shows nothing. `holds_marks`: the upper layer's part of it is not empty."""
    if not in_upper:
        return dialect.hide(path, temp)
    if covers:
        move = dialect.move(
            upper(path), temp, Kind.DIR, leave_whiteout=True, onto=Occupant.NOTHING, temp=spare
        )
        return move + Plan(tidy=(Discard(temp),))
    if holds_marks:
        return Plan(commit=(Move(upper(path), temp),), tidy=(Discard(temp),))
    return Plan(commit=(RemoveDir(upper(path)),))
