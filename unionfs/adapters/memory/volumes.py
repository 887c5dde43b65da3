"""Volumes of a union in memory: what a mount does with bind mounts, without one and without privileges.

A volume is read and written where it is, and nothing of it is remembered, for others may change it
at any time. No layer, diff or commit has more of it than the place that it is shown at, which is made
in the union where it is missing. As on a mount: what is at the place is out of sight and can be
neither removed nor renamed, a link or a rename that leads in or out is EXDEV, a symbolic link
in a volume starts at the union's root.
"""

from __future__ import annotations

import errno
import os
import stat as _s
from collections.abc import Sequence
from contextlib import closing
from functools import partial

from unionfs.adapters.volumes import FILE_PLACE_MODE, PLACE_MODE, Volume, refusal
from unionfs.core.attrs import Changes
from unionfs.core.handle import Handle
from unionfs.core.node import Node, join
from unionfs.core.plans.attrs import SAME
from unionfs.core.readdir import DirEntry
from unionfs.core.union import Union
from unionfs.errors import error
from unionfs.layers.host.shared import SharedStore
from unionfs.types import Access, File, Kind, Owner, RenameFlags, Stat, XattrFlags

_NOT_OPENED = {Kind.DIR: errno.EISDIR, Kind.SYMLINK: errno.ELOOP}
_ROOT = Owner(0, 0)


class _Attached:
    """A volume in its place: a directory of the host, or one file in such a directory (`top`)."""

    def __init__(self, volume: Volume, covered: Node) -> None:
        is_dir = os.path.isdir(volume.host)
        directory, self.top = (volume.host, b"") if is_dir else _split(volume.host)
        self.store = SharedStore(directory, volume.host, writable=not volume.read_only)
        self.covered = covered


def _split(host: str) -> tuple[str, bytes]:
    directory, name = os.path.split(host)
    return directory, os.fsencode(name)


class _VolumeNode(Node):
    """A file of a volume, known by its path there."""

    __slots__ = ("attached", "path")

    def __init__(self, attached: _Attached, path: bytes) -> None:
        found = attached.store.stat(path)
        super().__init__(found.kind, found.ino, upper=False)
        self.attached = attached
        self.path = path


class _OpenFile:
    """What a `Handle` needs of an open file of a volume."""

    def __init__(self, node: _VolumeNode, file: File) -> None:
        self.node: Node = node
        self._file = file

    def readable(self) -> File:
        return self._file

    def writable(self) -> File:
        return self._file

    def waits(self, size: int, offset: int) -> bool:
        return False

    def is_copied_later(self) -> bool:
        return False

    def append(self, data: bytes | memoryview) -> int:
        return self._file.pwrite(data, self._file.stat().size)

    def truncate(self, size: int) -> None:
        self._file.truncate(size)

    def sync(self, data_only: bool) -> None:
        self._file.sync(data_only)

    def flush(self) -> None:
        """Nothing goes on behind its writer."""

    def stat(self) -> Stat:
        return self._file.stat()

    def release(self) -> None:
        self._file.close()


class WithVolumes:
    """A union with volumes in it: a `Tree`. The union itself stays what it is, and is not closed."""

    def __init__(self, union: Union) -> None:
        self._union = union
        self._on: dict[object, _VolumeNode] = {}
        """What is seen instead of a file."""
        self._attached: list[_Attached] = []

    def attach(self, volumes: Sequence[Volume], owner: Owner) -> None:
        """Show them, each above those before it; `owner` gets what is made of the way to the place.

        `ConfigError` names the one that cannot be shown.
        """
        for volume in volumes:
            try:
                self._attach(volume, owner)
            except OSError as failure:
                raise refusal(volume, failure) from None

    def _attach(self, volume: Volume, owner: Owner) -> None:
        *parents, name = os.fsencode(volume.path).split(b"/")
        at = self.root
        for each in parents:
            at = self._step(at, each, is_dir=True, owner=owner)
        is_dir = os.path.isdir(volume.host)
        place = self._step(at, name, is_dir=is_dir, owner=owner)
        if is_dir is not place.is_dir:
            raise error(errno.ENOTDIR)
        attached = _Attached(volume, place)
        self._attached.append(attached)
        self._on[_key(place)] = _VolumeNode(attached, attached.top)

    def _step(self, at: Node, name: bytes, *, is_dir: bool, owner: Owner) -> Node:
        """What is called `name`, made where it is missing; a link in an image must lead nowhere."""
        try:
            found = self.lookup(at, name)
        except FileNotFoundError:
            make = partial(self.mkdir, mode=PLACE_MODE) if is_dir else partial(self.mknod, mode=_FILE)
            found = make(at, name, owner=owner)
        if found.kind is Kind.SYMLINK:
            raise error(errno.ELOOP)
        return found

    def store_of(self, node: Node) -> SharedStore | None:
        """The volume that a file is in; None for one of the union's own."""
        return node.attached.store if isinstance(node, _VolumeNode) else None

    def sync(self) -> None:
        for attached in self._attached:
            attached.store.sync()

    def close(self) -> None:
        for attached in self._attached:
            attached.store.close()

    # The operations of a union

    @property
    def root(self) -> Node:
        return self._union.root

    def lookup(self, parent: Node, name: bytes) -> Node:
        found = self._beneath(parent, name)
        while (above := self._on.get(_key(found))) is not None:
            found = above
        return found

    def _beneath(self, parent: Node, name: bytes) -> Node:
        """What is called `name`, be it out of sight."""
        if not isinstance(parent, _VolumeNode):
            return self._union.lookup(parent, name)
        if not parent.is_dir:
            raise error(errno.ENOTDIR)
        return _VolumeNode(parent.attached, join(parent.path, name))

    def parent(self, node: Node) -> Node:
        if not isinstance(node, _VolumeNode):
            return self._union.parent(node)
        if node.path == node.attached.top:
            return self.parent(node.attached.covered)
        return _VolumeNode(node.attached, node.path.rpartition(b"/")[0])

    def readdir(self, node: Node) -> list[DirEntry]:
        if not isinstance(node, _VolumeNode):
            return self._union.readdir(node)
        found = sorted(node.attached.store.scan(node.path))
        return [DirEntry(name, kind, 0, cookie) for cookie, (name, kind) in enumerate(found, 1)]

    def getattr(self, node: Node) -> Stat:
        if not isinstance(node, _VolumeNode):
            return self._union.getattr(node)
        return node.attached.store.stat(node.path)

    def setattr(self, node: Node, changes: Changes) -> Stat:
        if not isinstance(node, _VolumeNode):
            return self._union.setattr(node, changes)
        store, path = node.attached.store, node.path
        if changes.size is not None:
            with closing(self.open(node, Access.WRITE)) as handle:
                handle.truncate(changes.size)
        if changes.uid is not None or changes.gid is not None:
            store.chown(path, *(SAME if each is None else each for each in (changes.uid, changes.gid)))
        if changes.mode is not None:
            store.chmod(path, changes.mode)
        if changes.atime_ns is not None or changes.mtime_ns is not None:
            now = store.stat(path)
            atime = now.atime_ns if changes.atime_ns is None else changes.atime_ns
            mtime = now.mtime_ns if changes.mtime_ns is None else changes.mtime_ns
            store.utimens(path, atime, mtime)
        return store.stat(path)

    def readlink(self, node: Node) -> bytes:
        if not isinstance(node, _VolumeNode):
            return self._union.readlink(node)
        return node.attached.store.readlink(node.path)

    def listxattr(self, node: Node) -> list[bytes]:
        if not isinstance(node, _VolumeNode):
            return self._union.listxattr(node)
        return node.attached.store.listxattr(node.path)

    def getxattr(self, node: Node, name: bytes) -> bytes:
        if not isinstance(node, _VolumeNode):
            return self._union.getxattr(node, name)
        return node.attached.store.getxattr(node.path, name)

    def setxattr(self, node: Node, name: bytes, value: bytes, flags: XattrFlags = XattrFlags.NONE) -> None:
        if not isinstance(node, _VolumeNode):
            self._union.setxattr(node, name, value, flags)
        else:
            node.attached.store.setxattr(node.path, name, value, flags)

    def removexattr(self, node: Node, name: bytes) -> None:
        if not isinstance(node, _VolumeNode):
            self._union.removexattr(node, name)
        else:
            node.attached.store.removexattr(node.path, name)

    def open(self, node: Node, access: Access = Access.READ) -> Handle:
        if not isinstance(node, _VolumeNode):
            return self._union.open(node, access)
        if node.kind is not Kind.FILE:
            raise error(_NOT_OPENED.get(node.kind, errno.ENXIO))
        file = node.attached.store.open(node.path, access & (Access.READ | Access.WRITE))
        if access.has(Access.TRUNCATE):
            file.truncate(0)
        return Handle(_OpenFile(node, file), access)

    def create(self, parent: Node, name: bytes, mode: int, owner: Owner = _ROOT) -> tuple[Node, Handle]:
        if not isinstance(parent, _VolumeNode):
            return self._union.create(parent, name, mode, owner)
        path = join(parent.path, name)
        file = parent.attached.store.create(path, _s.S_IMODE(mode))
        node = self._made(parent, path, owner)
        return node, Handle(_OpenFile(node, file), Access.READ | Access.WRITE)

    def mkdir(self, parent: Node, name: bytes, mode: int, owner: Owner = _ROOT) -> Node:
        if not isinstance(parent, _VolumeNode):
            return self._union.mkdir(parent, name, mode, owner)
        path = join(parent.path, name)
        parent.attached.store.mkdir(path, _s.S_IMODE(mode))
        return self._made(parent, path, owner)

    def mknod(self, parent: Node, name: bytes, mode: int, rdev: int = 0, owner: Owner = _ROOT) -> Node:
        if not isinstance(parent, _VolumeNode):
            return self._union.mknod(parent, name, mode, rdev, owner)
        path = join(parent.path, name)
        if _s.S_ISREG(mode):
            parent.attached.store.create(path, _s.S_IMODE(mode)).close()
        else:
            parent.attached.store.mknod(path, mode, rdev)
        return self._made(parent, path, owner)

    def symlink(self, parent: Node, name: bytes, target: bytes, owner: Owner = _ROOT) -> Node:
        if not isinstance(parent, _VolumeNode):
            return self._union.symlink(parent, name, target, owner)
        path = join(parent.path, name)
        parent.attached.store.symlink(path, target)
        return self._made(parent, path, owner)

    def _made(self, parent: _VolumeNode, path: bytes, owner: Owner) -> _VolumeNode:
        store = parent.attached.store
        if owner != store.owner:
            store.chown(path, *owner)
        return _VolumeNode(parent.attached, path)

    def link(self, node: Node, parent: Node, name: bytes) -> None:
        if not isinstance(node, _VolumeNode) and not isinstance(parent, _VolumeNode):
            self._union.link(node, parent, name)
            return
        one, other = _of_one_volume(node, parent)
        one.attached.store.link(one.path, one.attached.store, join(other.path, name))

    def unlink(self, parent: Node, name: bytes) -> None:
        self._check_unused(parent, name)
        if isinstance(parent, _VolumeNode):
            parent.attached.store.unlink(join(parent.path, name))
        else:
            self._union.unlink(parent, name)

    def rmdir(self, parent: Node, name: bytes) -> None:
        self._check_unused(parent, name)
        if isinstance(parent, _VolumeNode):
            parent.attached.store.rmdir(join(parent.path, name))
        else:
            self._union.rmdir(parent, name)

    def rename(
        self,
        parent: Node,
        name: bytes,
        new_parent: Node,
        new_name: bytes,
        flags: RenameFlags = RenameFlags.NONE,
    ) -> None:
        self._check_unused(parent, name)
        self._check_unused(new_parent, new_name)
        if not isinstance(parent, _VolumeNode) and not isinstance(new_parent, _VolumeNode):
            self._union.rename(parent, name, new_parent, new_name, flags)
            return
        one, other = _of_one_volume(parent, new_parent)
        store = one.attached.store
        store.rename(join(one.path, name), store, join(other.path, new_name), flags)

    def _check_unused(self, parent: Node, name: bytes) -> None:
        """EBUSY for a name that has a volume on it; in a volume, also for one that has another below it."""
        try:
            found = self._beneath(parent, name)
        except OSError:
            return  # whoever needs it says what is wrong with it
        if _key(found) in self._on or (isinstance(found, _VolumeNode) and self._is_way(found)):
            raise error(errno.EBUSY)

    def _is_way(self, directory: _VolumeNode) -> bool:
        covered = (each.covered for each in self._attached)
        return any(
            isinstance(each, _VolumeNode)
            and each.attached is directory.attached
            and each.path.startswith(directory.path + b"/")
            for each in covered
        )


_FILE = _s.S_IFREG | FILE_PLACE_MODE


def _key(node: Node) -> object:
    """What a file is known by: nodes of volumes are made anew each time."""
    return (node.attached, node.path) if isinstance(node, _VolumeNode) else node


def _of_one_volume(one: Node, other: Node) -> tuple[_VolumeNode, _VolumeNode]:
    if isinstance(one, _VolumeNode) and isinstance(other, _VolumeNode) and one.attached is other.attached:
        return one, other
    raise error(errno.EXDEV)
