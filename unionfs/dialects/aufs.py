"""AuFS's marks, which are also those of OCI image layers: files whose names begin with ``.wh.``.

``.wh.NAME`` hides NAME of the layers beneath, ``.wh..wh..opq`` in a directory makes
it opaque (image-spec, layer.md, "Whiteouts"; AuFS, fs/aufs/whiteout.c). Other names that
begin with ``.wh..wh.`` are AuFS's bookkeeping (``.wh..wh.aufs``, ``.wh..wh.orph``,
``.wh..wh.plnk``): neither shown nor a mark. Nothing else is special: an overlayfs
xattr or a 0:0 device in such a layer is an ordinary xattr or device.
"""

from __future__ import annotations

import errno
from collections.abc import Iterable

from unionfs.core.dialect import NO_MARKS, Feature, Listing, Marks, Occupant
from unionfs.core.node import join
from unionfs.core.steps import At, MakeFile, Move, Plan, Remove, Steps, Tree, upper
from unionfs.core.store import Store
from unionfs.errors import error
from unionfs.types import Kind, Stat

PREFIX = b".wh."
OPAQUE = b".wh..wh..opq"
_BOOKKEEPING = b".wh..wh."
_MODE = 0o444
"""Permission bits of AuFS's own whiteouts."""

_ABSENT = (errno.ENOENT, errno.ENOTDIR, errno.ENAMETOOLONG)


class AufsDialect:
    """Marks as names. There is no way to say redirect, metacopy or origin.

    A whiteout and an entry of the same name can stand side by side; then the entry
    is shown and nothing beneath it is. So what is moved must owe nothing to lower
    layers: a directory is opaque, or nothing of the lower ones shows in it.
    """

    __slots__ = ()

    @property
    def name(self) -> str:
        return "aufs"

    @property
    def features(self) -> frozenset[Feature]:
        return frozenset()

    # Reading

    def listing(self, store: Store, path: bytes) -> Listing:
        found = list(store.scan(path))
        entries = {name: kind for name, kind in found if not is_mark(name)}
        return Listing(entries, whiteouts_among(name for name, _kind in found))

    def marks(self, store: Store, path: bytes, stat: Stat) -> Marks:
        if stat.kind is Kind.DIR and is_opaque(store, path):
            return Marks(opaque=True)
        return NO_MARKS

    def is_whiteout(self, store: Store, path: bytes) -> bool:
        name = path.rpartition(b"/")[2]
        return self.allows_name(name) and _exists(store, _whiteout(path))

    def can_mark(self, kind: Kind) -> bool:
        return kind is Kind.DIR

    def allows_name(self, name: bytes) -> bool:
        return not is_mark(name)

    def allows_node(self, mode: int, rdev: int) -> bool:
        return True

    def shown_xattr(self, stored: bytes) -> bytes | None:
        return stored

    def stored_xattr(self, shown: bytes) -> bytes:
        return shown

    # Writing

    def mark(self, at: At, old: Marks, new: Marks) -> Steps:
        if old._replace(opaque=new.opaque) != new:
            raise ValueError(f"AuFS can only mark a directory opaque, not {new}")
        if old.opaque == new.opaque:
            return ()
        marker = At(at.tree, join(at.path, OPAQUE))
        return (MakeFile(marker, _MODE),) if new.opaque else (Remove(marker),)

    def hide(self, path: bytes, temp: At) -> Plan:
        """One step. OSError: EPERM for a name that no whiteout can stand for."""
        return Plan(commit=(MakeFile(whiteout_at(path), _MODE),))

    def move(
        self, source: At, target: At, kind: Kind, *, leave_whiteout: bool, onto: Occupant, temp: At
    ) -> Plan:
        """Lay the whiteout, move, take the target's whiteout away.

        A crash after the first step leaves a whiteout beside the entry that is still
        there, one after the second a whiteout beside the entry that has come: neither
        changes what is shown. The whiteout is moved into place, not made there, so
        that one left behind by such a crash is no obstacle. OSError: EPERM as for `hide`.
        """
        build: Steps = ()
        commit: Steps = (Move(source, target),)
        tidy: Steps = ()
        if leave_whiteout and source.tree is Tree.UPPER:
            build = (MakeFile(temp, _MODE),)
            commit = (Move(temp, whiteout_at(source.path)), *commit)
        if onto is Occupant.WHITEOUT:
            tidy = (Remove(whiteout_at(target.path)),)
        return Plan(build, commit, tidy)


def is_mark(name: bytes) -> bool:
    """Whether an entry of this name is AuFS's own, and never shown."""
    return name.startswith(PREFIX)


def whiteouts_among(names: Iterable[bytes]) -> frozenset[bytes]:
    """What the whiteouts among a directory's names hide."""
    marks = (name for name in names if is_mark(name) and not name.startswith(_BOOKKEEPING))
    return frozenset(filter(None, (name[len(PREFIX) :] for name in marks)))


def is_opaque(store: Store, path: bytes) -> bool:
    return _exists(store, join(path, OPAQUE))


def _whiteout(path: bytes) -> bytes:
    parent, _, name = path.rpartition(b"/")
    return join(parent, PREFIX + name)


def whiteout_at(path: bytes) -> At:
    """Where the whiteout for `path` is in the upper layer; EPERM for a name that none can stand for."""
    if is_mark(path.rpartition(b"/")[2]):
        raise error(errno.EPERM, path)
    return upper(_whiteout(path))


def _exists(store: Store, path: bytes) -> bool:
    try:
        store.stat(path)
    except OSError as failure:
        if failure.errno in _ABSENT:
            return False
        raise
    return True
