"""A union whose files belong, as shown, to others than on disk."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from unionfs.adapters.ownership import Ownership
from unionfs.core.attrs import Changes
from unionfs.core.handle import Handle
from unionfs.core.layer import Layer, UpperLayer
from unionfs.core.node import Node
from unionfs.core.readdir import Listed
from unionfs.core.union import Union
from unionfs.types import CopyUp, Owner, Stat, XattrFlags

_ROOT = Owner(0, 0)


class MappedUnion(Union):
    """Translates every owner that goes in or out; in all else the `Union` that it is.

    Owners are those that callers see. The union itself works with those on disk, so
    that a setgid directory, say, hands on the group that it has there.
    """

    def __init__(
        self,
        ownership: Ownership,
        lowers: Sequence[Layer],
        upper: UpperLayer | None,
        *,
        copy_up: CopyUp = CopyUp.AUTO,
    ) -> None:
        super().__init__(lowers, upper, copy_up=copy_up)
        self._ownership = ownership

    def getattr(self, node: Node) -> Stat:
        return self._ownership.shown(super().getattr(node))

    def readdirplus(self, node: Node, cookie: int, fits: Callable[[bytes], bool]) -> list[Listed]:
        return [self._shown(entry) for entry in super().readdirplus(node, cookie, fits)]

    def _shown(self, entry: Listed) -> Listed:
        return entry if entry.stat is None else entry._replace(stat=self._ownership.shown(entry.stat))

    def setattr(self, node: Node, changes: Changes) -> Stat:
        """As `Union.setattr`; EINVAL for an owner who is not mapped."""
        return super().setattr(node, self._ownership.given(changes))

    def getxattr(self, node: Node, name: bytes) -> bytes:
        return self._ownership.shown_xattr(name, super().getxattr(node, name))

    def setxattr(self, node: Node, name: bytes, value: bytes, flags: XattrFlags = XattrFlags.NONE) -> None:
        """As `Union.setxattr`; EINVAL for an ACL or capabilities with an id that is not mapped."""
        super().setxattr(node, name, self._ownership.given_xattr(name, value), flags)

    def create(
        self, parent: Node, name: bytes, mode: int, owner: Owner = _ROOT, umask: int = 0
    ) -> tuple[Node, Handle]:
        return super().create(parent, name, mode, self._ownership.stored(owner), umask)

    def tmpfile(self, parent: Node, mode: int, owner: Owner = _ROOT, umask: int = 0) -> tuple[Node, Handle]:
        return super().tmpfile(parent, mode, self._ownership.stored(owner), umask)

    def mkdir(self, parent: Node, name: bytes, mode: int, owner: Owner = _ROOT, umask: int = 0) -> Node:
        return super().mkdir(parent, name, mode, self._ownership.stored(owner), umask)

    def mknod(
        self, parent: Node, name: bytes, mode: int, rdev: int = 0, owner: Owner = _ROOT, umask: int = 0
    ) -> Node:
        return super().mknod(parent, name, mode, rdev, self._ownership.stored(owner), umask)

    def symlink(self, parent: Node, name: bytes, target: bytes, owner: Owner = _ROOT) -> Node:
        return super().symlink(parent, name, target, self._ownership.stored(owner))
