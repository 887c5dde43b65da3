"""Deciding how attributes change, of something whose metadata is in the upper layer."""

from __future__ import annotations

import stat as _s
from typing import NamedTuple

from unionfs.core.steps import At, Plan, SetMode, SetOwner, SetSize, SetTimes, Step
from unionfs.types import Kind, Stat

SAME = -1
"""The owner that a file has already: it does not change, but is changed (chown(2))."""


class Changes(NamedTuple):
    """What a change of attributes changes; None leaves a thing alone.

    `mode` is permission bits (07777), `size` bytes; times are in nanoseconds since the epoch.
    An owner may be `SAME`.
    """

    mode: int | None = None
    uid: int | None = None
    gid: int | None = None
    size: int | None = None
    atime_ns: int | None = None
    mtime_ns: int | None = None


def change(at: At, stat: Stat, changes: Changes) -> Plan:
    """The steps of a change, `stat` being what is there now. Times come last: the others touch them."""
    steps: list[Step] = []
    mode = changes.mode
    if changes.size is not None:
        steps.append(SetSize(at, changes.size))
    if changes.uid is not None or changes.gid is not None:
        steps.append(SetOwner(at, _or_same(changes.uid), _or_same(changes.gid)))
        if mode is None and without_set_id(stat) != _s.S_IMODE(stat.mode):
            mode = without_set_id(stat)
    if mode is not None:
        steps.append(SetMode(at, mode))
    if changes.atime_ns is not None or changes.mtime_ns is not None:
        atime = stat.atime_ns if changes.atime_ns is None else changes.atime_ns
        mtime = stat.mtime_ns if changes.mtime_ns is None else changes.mtime_ns
        steps.append(SetTimes(at, atime, mtime))
    return Plan(commit=tuple(steps))


def _or_same(number: int | None) -> int:
    return SAME if number is None else number


def without_set_id(stat: Stat) -> int:
    """chown(2): a new owner does not inherit set-id bits; setgid without group execute means locking."""
    mode = _s.S_IMODE(stat.mode)
    if stat.kind is Kind.DIR:
        return mode
    if mode & _s.S_IXGRP:
        mode &= ~_s.S_ISGID
    return mode & ~_s.S_ISUID
