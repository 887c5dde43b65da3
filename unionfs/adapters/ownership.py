"""Whose a file is, on disk and as shown: id mappings and squashing, as fuse-overlayfs has them. Pure.

A mapping (``uidmapping=STORED:SHOWN:LENGTH:…``) shifts ranges of ids both ways: what
callers see, and what is written for callers who make or change files. Squashing
(``squash_to_uid=``, ``squash_to_root``) changes what is seen alone. An id outside of
every range is the overflow id, both ways, as in a user namespace; only giving a file to
somebody outside is refused, as user_namespaces(7) has it.

Ids in ACLs and file capabilities say who may do something, rather than whose a file is, so for
them it is as on the kernel's idmapped mounts (linux, fs/posix_acl.c, security/commoncap.c);
fuse-overlayfs leaves them as they are. An id outside of every range is nobody's, lest others get
its rights by the overflow id: what an ACL has for it is not shown, for FUSE knows no way to say
nobody. Squashing leaves them alone, lest the rights of many become those of one, or capabilities
in a user namespace those of root everywhere.
"""

from __future__ import annotations

import errno
from collections.abc import Callable, Iterator, Mapping, Sequence
from itertools import combinations
from typing import NamedTuple

from unionfs.core import acl, capabilities
from unionfs.core.acl import Acl, Entry, Tag
from unionfs.core.plans.attrs import SAME, Changes
from unionfs.errors import ConfigError, error
from unionfs.types import Owner, Stat

OVERFLOW = 65534
"""What the kernel shows for an id that is not mapped (proc_sys_kernel(5), overflowuid)."""

_NONE = 2**32 - 1
"""The largest number means no id."""


class Range(NamedTuple):
    """Ids that are shifted together: `length` of them, from `stored` on disk, shown from `shown` on."""

    stored: int
    shown: int
    length: int

    def turned(self) -> Range:
        return Range(self.shown, self.stored, self.length)


class Ids(NamedTuple):
    """How ids of one kind, users' or groups', are translated; without ranges none is shifted."""

    ranges: tuple[Range, ...] = ()
    squash: int | None = None

    def shown(self, stored: int) -> int:
        """What callers see for an id on disk."""
        if self.squash is not None:
            return self.squash
        found = self.entitled(stored)
        return OVERFLOW if found is None else found

    def entitled(self, stored: int) -> int | None:
        """The caller's id for one on disk that has rights to something; None outside of every range."""
        return _shifted(stored, self.ranges)

    def stored(self, shown: int) -> int:
        """What is written to disk for a caller with this id."""
        found = self._found(shown)
        return OVERFLOW if found is None else found

    def given(self, shown: int) -> int:
        """What is written to disk for an id that gets a file, or rights; EINVAL outside of every range."""
        found = self._found(shown)
        if found is None:
            raise error(errno.EINVAL)
        return found

    def _found(self, shown: int) -> int | None:
        return _shifted(shown, [range.turned() for range in self.ranges])


class Ownership(NamedTuple):
    """How owners are translated between what is on disk and what callers see."""

    uids: Ids = Ids()
    gids: Ids = Ids()

    def shown(self, stat: Stat) -> Stat:
        return stat._replace(uid=self.uids.shown(stat.uid), gid=self.gids.shown(stat.gid))

    def stored(self, owner: Owner) -> Owner:
        """Who a file belongs to on disk that a caller makes."""
        return Owner(self.uids.stored(owner.uid), self.gids.stored(owner.gid))

    def given(self, changes: Changes) -> Changes:
        """What a caller changes, in the ids on disk; EINVAL where there is none."""
        return changes._replace(
            uid=_given(self.uids, changes.uid),
            gid=_given(self.gids, changes.gid),
        )

    def shown_xattr(self, name: bytes, value: bytes) -> bytes:
        """An xattr as callers see it; ENODATA for capabilities in a namespace whose root has no id there."""
        if name in acl.NAMES:
            return _with_ids(value, self.uids.entitled, self.gids.entitled)
        if name == capabilities.XATTR:
            root = self.uids.entitled(capabilities.root_of(value))
            if root is None:
                raise error(errno.ENODATA)  # with any other error the file could not be executed
            return capabilities.with_root(value, root)
        return value

    def given_xattr(self, name: bytes, value: bytes) -> bytes:
        """An xattr that a caller sets, in the ids on disk. EINVAL where there is none for one in it."""
        if name in acl.NAMES:
            return _with_ids(value, self.uids.given, self.gids.given)
        if name == capabilities.XATTR:
            return capabilities.with_root(value, self.uids.given(capabilities.root_of(value)))
        return value


AS_STORED = Ownership()


def _given(ids: Ids, wanted: int | None) -> int | None:
    return wanted if wanted is None or wanted == SAME else ids.given(wanted)


_Translate = Callable[[int], int | None]


def _with_ids(value: bytes, users: _Translate, groups: _Translate) -> bytes:
    """An ACL with other ids for the users and groups that it names, without those that have none."""
    return acl.serialise(tuple(_translated(acl.parse(value), {Tag.USER: users, Tag.GROUP: groups})))


def _translated(entries: Acl, translate: Mapping[Tag, _Translate]) -> Iterator[Entry]:
    for entry in entries:
        if entry.tag not in translate:
            yield entry
        elif (found := translate[entry.tag](entry.id)) is not None:
            yield entry._replace(id=found)


def parse_ranges(text: str) -> tuple[Range, ...]:
    """``STORED:SHOWN:LENGTH`` triples with colons between and, as podman sends them, perhaps before them.

    `ConfigError` where a triple is incomplete or out of range, or where two overlap: two
    ids must never become one.
    """
    ranges = tuple(_triples(text))
    for one, other in combinations(ranges, 2):
        if _overlap(one, other) or _overlap(one.turned(), other.turned()):
            raise ConfigError("ranges overlap")
    return ranges


def _triples(text: str) -> Iterator[Range]:
    words = text.removeprefix(":").split(":")
    if len(words) % 3 or not all(word.isascii() and word.isdecimal() for word in words):
        raise ConfigError("not triples of numbers, STORED:SHOWN:LENGTH")
    numbers = list(map(int, words))
    for range in map(Range, numbers[::3], numbers[1::3], numbers[2::3]):
        if not range.length or max(range.stored, range.shown) + range.length > _NONE:
            raise ConfigError(f"no such ids: {':'.join(map(str, range))}")
        yield range


def _overlap(one: Range, other: Range) -> bool:
    """Whether they share an id on disk."""
    return one.stored < other.stored + other.length and other.stored < one.stored + one.length


def _shifted(number: int, ranges: Sequence[Range]) -> int | None:
    for start, target, length in ranges:
        if start <= number < start + length:
            return number + target - start
    return None if ranges else number
