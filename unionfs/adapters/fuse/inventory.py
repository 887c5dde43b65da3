"""What is mounted on this machine, as far as this user may know; no daemon is asked, so none can hold us up.

The kernel's table of mounts says what there is. A daemon's record says of which layers it is, and
whether the daemon lives (`records`): of one's own mounts, and of others' where this process may
read them. It counts only for a mount of the user who owns it, for others may write what they like.
What an upper layer takes is counted on the disk, and what is still to be copied up read from its journal.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
from enum import StrEnum
from typing import NamedTuple

from unionfs.adapters.fuse import records
from unionfs.adapters.fuse.records import Found, Record
from unionfs.adapters.mountinfo import MountInfo, mounts
from unionfs.adapters.usage import used
from unionfs.core.journal import PENDING, Journal
from unionfs.layers.host import HostStore
from unionfs.types import Kind

_LARGEST_JOURNAL = 64 << 20


class State(StrEnum):
    RUNNING = "running"
    DEAD = "dead"
    """Its daemon was killed; what is left on the mountpoint answers nothing."""
    DETACHED = "detached"
    """In no table of this mount namespace: unmounted but not finished, or still in use; or of another one."""
    UNKNOWN = "unknown"
    """Another user's, whose records this one may not read."""


class Mounted(NamedTuple):
    """A mount, a record, or both."""

    mountpoint: str
    state: State
    mount: MountInfo | None
    record: Record | None
    owner: int | None
    """The number of the user who mounted it."""

    def size(self) -> int | None:
        """The bytes that the upper layer takes on the disk; None without one, or where it may not be seen."""
        return used(self.record.options.upper) if self.record and self.record.options.upper else None

    def pending(self) -> int | None:
        """The files of the upper layer whose data has not all come yet, or is not on the disk for certain."""
        return _pending(self.record.options.work) if self.record and self.record.options.work else None


def mounted() -> list[Mounted]:
    """All mounts of this project's, in the order of the kernel's table; then what is in none."""
    found = list(_found())
    rows = [_with_record(mount, found) for mount in mounts() if mount.is_unionfs]
    rows += [
        Mounted(each.record.mountpoint, State.DETACHED, None, each.record, each.owner)
        for each in found
        if each.lives
    ]
    return rows


def _found() -> Iterator[Found]:
    for directory in records.everybodys_directories():
        try:
            yield from records.found_in(directory)
        except OSError:  # another user's
            continue


def _with_record(mount: MountInfo, found: list[Found]) -> Mounted:
    """The mount with its record, which is taken out of those that were `found`."""
    owner = int(mount.option("user_id") or 0)
    fitting = [each for each in found if (each.record.mountpoint, each.owner) == (mount.mountpoint, owner)]
    if not fitting:
        return Mounted(mount.mountpoint, State.UNKNOWN, mount, None, owner)
    best = max(fitting, key=lambda each: each.lives)
    found.remove(best)
    state = State.RUNNING if best.lives else State.DEAD
    return Mounted(mount.mountpoint, state, mount, best.record, owner)


def _pending(work: str) -> int | None:
    try:
        with closing(HostStore(work)) as store:
            stat = store.stat(PENDING)
            if stat.kind is not Kind.FILE or stat.size > _LARGEST_JOURNAL:
                return None
            return len(Journal(store).load())
    except FileNotFoundError:
        return 0
    except OSError:
        return None
