"""Deciding on a copy-up: what has to move to the upper layer, and in which order.

The order is data, owner, xattrs, mode, times, because each undoes something that
must come after it: writing and chown drop set-id bits and capabilities, a
read-only mode would forbid user xattrs, and everything but utimens touches times.
Data is copied between `build` and `commit`, by whoever runs the plan.
"""

from __future__ import annotations

import errno
import stat as _s
from collections.abc import Iterable, Iterator

from unionfs.core.dialect import NO_MARKS, Dialect, Marks, Occupant
from unionfs.core.gather import Source
from unionfs.core.steps import (
    At,
    Link,
    MakeDir,
    MakeFile,
    MakeNode,
    MakeSymlink,
    Plan,
    SetMode,
    SetOwner,
    SetSize,
    SetTimes,
    SetXattr,
    Step,
    Steps,
    upper,
)
from unionfs.errors import error
from unionfs.types import SECTOR, SEEK_DATA, SEEK_HOLE, File, Kind, Stat

CHUNK = 1 << 20
"""Bytes copied in one go: enough to keep a disk busy, little enough to stay in memory."""

PRIVATE = 0o600
"""Permission bits while a file is built aside."""


def make(source: Source, at: At) -> Step:
    """The step that makes an empty copy."""
    stat = source.stat
    match stat.kind:
        case Kind.FILE:
            return MakeFile(at, PRIVATE)
        case Kind.DIR:
            return MakeDir(at, 0o700)
        case Kind.SYMLINK:
            return MakeSymlink(at, source.target)
        case _:
            return MakeNode(at, _s.S_IFMT(stat.mode) | PRIVATE, stat.rdev)


def finish(source: Source, at: At, marks: Marks, dialect: Dialect) -> Steps:
    """The steps that give a copy, its data in place, everything else."""
    stat = source.stat
    steps: list[Step] = [SetOwner(at, stat.uid, stat.gid)]
    steps += [SetXattr(at, dialect.stored_xattr(name), value) for name, value in source.xattrs]
    steps += dialect.mark(at, NO_MARKS, marks)
    if stat.kind is not Kind.SYMLINK:
        steps.append(SetMode(at, _s.S_IMODE(stat.mode)))
    steps.append(SetTimes(at, stat.atime_ns, stat.mtime_ns))
    return tuple(steps)


def without_data(source: Source, at: At, marks: Marks, dialect: Dialect) -> Steps:
    """A whole copy of anything that has no data; a file's (overlayfs's metacopy) is one long hole."""
    length: Steps = (SetSize(at, source.stat.size),) if source.stat.kind is Kind.FILE else ()
    return (make(source, at), *length, *finish(source, at, marks, dialect))


def publish(
    built: At,
    path: bytes,
    kind: Kind,
    index: At | None,
    parent: bytes,
    times: Stat,
    dialect: Dialect,
    temp: At,
) -> Plan:
    """Show a finished copy as `path`.

    `index` is where the hard links of a lower file find their one copy. The parent
    gets its `times` back: a copy-up is no change to it.
    """
    plan = dialect.move(built, upper(path), kind, leave_whiteout=False, onto=Occupant.NOTHING, temp=temp)
    links: Steps = (Link(built, index),) if index else ()
    tidy = (SetTimes(upper(parent), times.atime_ns, times.mtime_ns),)
    return Plan(build=links) + plan + Plan(tidy=tidy)


def complete(at: At, old: Marks, dialect: Dialect) -> Plan:
    """All data has come to a metadata-only copy, and lasts: drop the mark that says it is missing."""
    whole = old._replace(metacopy=False)
    return Plan(
        commit=dialect.mark(at, old, whole),
        tidy=dialect.mark(at, whole, whole._replace(redirect=None)),
    )


def incomplete(at: At, stat: Stat) -> Plan:
    """Data has not come to a metadata-only copy after all: it is as long and as old as it was."""
    return Plan(tidy=(SetSize(at, stat.size), SetTimes(at, stat.atime_ns, stat.mtime_ns)))


def copy_whole(source: File, stat: Stat, target: File, size: int) -> None:
    """Copy the first `size` bytes to a new file; holes stay holes."""
    if size <= CHUNK and stat.size <= stat.blocks * SECTOR:
        ranges: Iterable[tuple[int, int]] = ((0, size),)  # to look for holes takes longer than to copy it
    else:
        target.truncate(size)
        ranges = data_ranges(source, size)
    for start, end in ranges:
        while start < end:
            start += copy_chunk(source, target, start, end)


def copy_chunk(source: File, target: File, start: int, end: int) -> int:
    """Copy bytes to the same place, at most a chunk; how many. EIO where the source has none."""
    copied = target.copy_from(source, start, min(CHUNK, end - start))
    if copied == 0:
        raise error(errno.EIO)  # the lower file is shorter than it was a moment ago
    return copied


def data_ranges(file: File, size: int, position: int = 0) -> Iterator[tuple[int, int]]:
    """The stretches (start, end) of a file's first `size` bytes, from `position` on, that are no holes."""
    while position < size:
        try:
            start = file.seek(position, SEEK_DATA)
        except OSError as failure:
            if failure.errno != errno.ENXIO:
                raise
            return  # nothing but a hole up to the end
        if start >= size:
            return
        position = min(file.seek(start, SEEK_HOLE), size)
        yield start, position
