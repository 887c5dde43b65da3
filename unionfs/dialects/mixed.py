"""overlayfs's and AuFS's marks side by side, as fuse-overlayfs reads them.

What podman and buildah hand to a mount program is written by several hands: image layers
are unpacked with AuFS's whiteouts (containers/storage, which does not expect the program
to have devices), upper layers come from whatever program mounted them before, and any
layer of an image may be mounted as an upper one to be compared with what is beneath it.
"""

from __future__ import annotations

from typing import NamedTuple

from unionfs.core.dialect import Feature, Listing, Marks, Occupant
from unionfs.core.steps import At, Discard, Move, Plan, Steps, Tree
from unionfs.core.store import Store
from unionfs.dialects.aufs import AufsDialect, is_mark, is_opaque, whiteout_at, whiteouts_among
from unionfs.dialects.overlay import OverlayDialect
from unionfs.types import Kind, RenameFlags, Stat

_AUFS = AufsDialect()


class MixedDialect(NamedTuple):
    """Reads both forms and writes `overlay`'s; what both give a meaning cannot be made by users."""

    overlay: OverlayDialect

    @property
    def name(self) -> str:
        return "mixed"

    @property
    def features(self) -> frozenset[Feature]:
        return self.overlay.features

    # Reading

    def listing(self, store: Store, path: bytes) -> Listing:
        found = self.overlay.listing(store, path)
        marks = [name for name in (*found.entries, *found.whiteouts) if is_mark(name)]
        if not marks:
            return found
        entries = {name: kind for name, kind in found.entries.items() if not is_mark(name)}
        return Listing(entries, found.whiteouts | whiteouts_among(marks))

    def marks(self, store: Store, path: bytes, stat: Stat) -> Marks:
        marks = self.overlay.marks(store, path, stat)
        if stat.kind is Kind.DIR and not marks.opaque and is_opaque(store, path):
            return marks._replace(opaque=True)
        return marks

    def is_whiteout(self, store: Store, path: bytes) -> bool:
        return self.overlay.is_whiteout(store, path) or _AUFS.is_whiteout(store, path)

    def can_mark(self, kind: Kind) -> bool:
        return self.overlay.can_mark(kind)

    def allows_name(self, name: bytes) -> bool:
        return _AUFS.allows_name(name)

    def allows_node(self, mode: int, rdev: int) -> bool:
        return self.overlay.allows_node(mode, rdev)

    def shown_xattr(self, stored: bytes) -> bytes | None:
        return self.overlay.shown_xattr(stored)

    def stored_xattr(self, shown: bytes) -> bytes:
        return self.overlay.stored_xattr(shown)

    # Writing

    def mark(self, at: At, old: Marks, new: Marks) -> Steps:
        return self.overlay.mark(at, old, new)

    def hide(self, path: bytes, temp: At) -> Plan:
        return self.overlay.hide(path, temp)

    def move(
        self, source: At, target: At, kind: Kind, *, leave_whiteout: bool, onto: Occupant, temp: At
    ) -> Plan:
        """The whiteout at the target may have either form: an exchange needs overlayfs's, AuFS's must go."""
        move = self.overlay.move(source, target, kind, leave_whiteout=leave_whiteout, onto=onto, temp=temp)
        if onto is not Occupant.WHITEOUT or target.tree is Tree.WORK:
            return move
        if any(isinstance(step, Move) and step.flags is RenameFlags.EXCHANGE for step in move.commit):
            # rename(2) does nothing where both are names of the one device that whiteouts share.
            move = self.overlay.lay(target.path, temp) + move + Plan(tidy=(Discard(temp),))
        return move + Plan(tidy=(Discard(whiteout_at(target.path)),))
