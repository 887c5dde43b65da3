"""Random operations on names below one directory, compared with a model of the tree."""

from __future__ import annotations

import errno
import os
import random
import stat
from collections.abc import Callable
from typing import NamedTuple

from unionfs.testing.conformance import calls
from unionfs.testing.conformance.expect import FailedError
from unionfs.testing.conformance.pathcalls import mkdir, mkfifo

_NAMES = ("a", "b", "c", "d", "e")
_DEPTH = 3


class Inode:
    """A file of the model: directories hold `names`, files `content`, links a `target`."""

    def __init__(self, kind: int, mode: int) -> None:
        self.kind = kind
        self.mode = mode
        self.content = b""
        self.target = ""
        self.xattrs: dict[str, bytes] = {}
        self.names: dict[str, Inode] = {}

    def __contains__(self, other: Inode) -> bool:
        """Whether `other` is this or somewhere below it."""
        return other is self or any(other in child for child in self.names.values())


class _Slot(NamedTuple):
    """A path in the model: the directory it leads to, if there is one, and what is there."""

    path: str
    parent: Inode | None
    name: str
    inode: Inode | None


class NamesStress:
    """A tree and its model. `step` does one operation on both; `FailedError` where they differ."""

    def __init__(self, root: str, seed: int) -> None:
        self._root = root
        self._random = random.Random(seed)
        self._tree = _read(root)
        self._log: list[str] = []
        self._steps: tuple[Callable[[], None], ...] = (
            self._create, self._create, self._mkdir, self._mkdir, self._symlink, self._mkfifo, self._link,
            self._unlink, self._rmdir, self._rename, self._rename, self._rename, self._exchange, self._write,
            self._chmod, self._setxattr, self._list, self._stat,
        )  # fmt: skip

    def step(self) -> None:
        self._random.choice(self._steps)()

    def finish(self) -> None:
        """Compare the whole tree."""
        self._compare(self._tree, self._root)

    # Paths

    def _slot(self) -> _Slot:
        parent: Inode | None = self._tree
        parts = [self._random.choice(_NAMES) for _ in range(self._random.randint(1, _DEPTH))]
        for name in parts[:-1]:
            found = parent.names.get(name) if parent else None
            parent = found if found and found.kind == stat.S_IFDIR else None
        inode = parent.names.get(parts[-1]) if parent else None
        return _Slot(os.path.join(self._root, *parts), parent, parts[-1], inode)

    def _does(self, call: Callable[..., object], *arguments: object, wanted: int) -> bool:
        """Whether `call` succeeds, which it must if `wanted` is 0, and else fail with that errno."""
        self._log.append(f"{call.__name__}{arguments}")
        del self._log[:-12]
        got = 0
        try:
            call(*arguments)
        except OSError as failure:
            got = failure.errno or errno.EIO
        if got != wanted:
            raise FailedError(f"expected {_name(wanted)}, got {_name(got)}, after {'; '.join(self._log)}")
        return got == 0

    # Steps

    def _make(self, inode: Inode, call: Callable[..., object], *before: object) -> None:
        slot = self._slot()
        wanted = self._way(slot) or (errno.EEXIST if slot.inode else 0)
        if self._does(call, *before, slot.path, wanted=wanted) and slot.parent is not None:
            slot.parent.names[slot.name] = inode

    def _way(self, slot: _Slot) -> int:
        """Why a path leads nowhere: something on the way is missing, no directory, or a dangling link."""
        inode = self._tree
        for name in os.path.relpath(slot.path, self._root).split("/")[:-1]:
            found = inode.names.get(name)
            if found is None or found.kind == stat.S_IFLNK:
                return errno.ENOENT
            if found.kind != stat.S_IFDIR:
                return errno.ENOTDIR
            inode = found
        return 0

    def _create(self) -> None:
        self._make(Inode(stat.S_IFREG, 0o644), _create)

    def _mkdir(self) -> None:
        self._make(Inode(stat.S_IFDIR, 0o755), mkdir)

    def _mkfifo(self) -> None:
        self._make(Inode(stat.S_IFIFO, 0o644), mkfifo)

    def _symlink(self) -> None:
        inode = Inode(stat.S_IFLNK, 0o777)
        inode.target = f"missing-{self._random.randrange(100)}"
        self._make(inode, os.symlink, inode.target)

    def _link(self) -> None:
        old, new = self._slot(), self._slot()
        wanted = self._way(old) or (0 if old.inode else errno.ENOENT) or self._way(new)
        if not wanted and new.inode:
            wanted = errno.EEXIST
        elif not wanted and old.inode and old.inode.kind == stat.S_IFDIR:
            wanted = errno.EPERM
        if self._does(os.link, old.path, new.path, wanted=wanted) and new.parent and old.inode:
            new.parent.names[new.name] = old.inode

    def _unlink(self) -> None:
        slot = self._slot()
        wanted = self._way(slot) or (0 if slot.inode else errno.ENOENT)
        if slot.inode and slot.inode.kind == stat.S_IFDIR:
            wanted = errno.EISDIR
        if self._does(os.unlink, slot.path, wanted=wanted) and slot.parent:
            del slot.parent.names[slot.name]

    def _rmdir(self) -> None:
        slot = self._slot()
        wanted = self._way(slot) or (0 if slot.inode else errno.ENOENT)
        if slot.inode:
            wanted = (
                errno.ENOTDIR
                if slot.inode.kind != stat.S_IFDIR
                else errno.ENOTEMPTY
                if slot.inode.names
                else 0
            )
        if self._does(os.rmdir, slot.path, wanted=wanted) and slot.parent:
            del slot.parent.names[slot.name]

    def _rename(self) -> None:
        old, new = self._slot(), self._slot()
        wanted = self._way(old) or self._way(new) or self._refusal(old, new)
        renamed = self._does(os.rename, old.path, new.path, wanted=wanted)
        if renamed and new.inode is not old.inode and old.parent and new.parent and old.inode:
            del old.parent.names[old.name]
            new.parent.names[new.name] = old.inode

    def _refusal(self, old: _Slot, new: _Slot) -> int:
        """In the order in which Linux checks (fs/namei.c, do_renameat2 and vfs_rename)."""
        if old.inode is None:
            return errno.ENOENT
        if new.parent is not None and new.parent in old.inode:
            return errno.EINVAL
        if new.inode is not None and old.parent is not None and old.parent in new.inode:
            return errno.ENOTEMPTY
        if new.inode is None or new.inode is old.inode:
            return 0
        if old.inode.kind == stat.S_IFDIR and new.inode.kind != stat.S_IFDIR:
            return errno.ENOTDIR
        if new.inode.kind == stat.S_IFDIR and old.inode.kind != stat.S_IFDIR:
            return errno.EISDIR
        return errno.ENOTEMPTY if new.inode.names else 0

    def _exchange(self) -> None:
        old, new = self._slot(), self._slot()
        wanted = self._way(old) or self._way(new)
        if not wanted and (old.inode is None or new.inode is None):
            wanted = errno.ENOENT
        if not wanted and old.inode and new.inode and old.parent and new.parent:
            within = new.parent in old.inode or old.parent in new.inode
            wanted = errno.EINVAL if within else 0
        if self._does(calls.rename_exchange, old.path, new.path, wanted=wanted) and old.parent and new.parent:
            assert old.inode
            assert new.inode
            old.parent.names[old.name], new.parent.names[new.name] = new.inode, old.inode

    def _write(self) -> None:
        slot = self._slot()
        if slot.inode is None or slot.inode.kind != stat.S_IFREG:
            return
        data = b"%d" % self._random.randrange(10**6)
        self._does(_append, slot.path, data, wanted=0)
        slot.inode.content += data

    def _chmod(self) -> None:
        slot = self._slot()
        if slot.inode is None or slot.inode.kind == stat.S_IFLNK:
            return
        mode = self._random.choice((0o700, 0o755, 0o600, 0o644)) | 0o700
        self._does(os.chmod, slot.path, mode, wanted=0)
        slot.inode.mode = mode

    def _setxattr(self) -> None:
        slot = self._slot()
        if slot.inode is None or slot.inode.kind not in (stat.S_IFREG, stat.S_IFDIR):
            return
        value = b"%d" % self._random.randrange(100)
        self._does(os.setxattr, slot.path, "user.x", value, wanted=0)
        slot.inode.xattrs["user.x"] = value

    def _list(self) -> None:
        slot = self._slot()
        if slot.inode is not None and slot.inode.kind == stat.S_IFDIR:
            self._same(slot.path, "names", sorted(os.listdir(slot.path)), sorted(slot.inode.names))

    def _stat(self) -> None:
        slot = self._slot()
        wanted = self._way(slot) or (0 if slot.inode else errno.ENOENT)
        if self._does(os.lstat, slot.path, wanted=wanted) and slot.inode:
            self._compare_one(slot.inode, slot.path)

    # Comparing

    def _compare(self, inode: Inode, path: str) -> None:
        self._compare_one(inode, path)
        if inode.kind == stat.S_IFDIR:
            self._same(path, "names", sorted(os.listdir(path)), sorted(inode.names))
            for name, child in inode.names.items():
                self._compare(child, os.path.join(path, name))

    def _compare_one(self, inode: Inode, path: str) -> None:
        found = os.lstat(path)
        self._same(path, "kind", stat.S_IFMT(found.st_mode), inode.kind)
        self._same(path, "mode", oct(stat.S_IMODE(found.st_mode)), oct(inode.mode))
        if inode.kind != stat.S_IFDIR:
            self._same(path, "links", found.st_nlink, self._names_of(self._tree, inode))
        if inode.kind == stat.S_IFLNK:
            self._same(path, "target", os.readlink(path), inode.target)
        if inode.kind == stat.S_IFREG:
            with open(path, "rb") as file:
                self._same(path, "content", file.read(), inode.content)
            same = {name: os.getxattr(path, name) for name in os.listxattr(path) if name.startswith("user.")}
            self._same(path, "xattrs", same, inode.xattrs)

    def _names_of(self, directory: Inode, inode: Inode) -> int:
        return sum(
            (child is inode) + (self._names_of(child, inode) if child.kind == stat.S_IFDIR else 0)
            for child in directory.names.values()
        )

    def _same(self, path: str, what: str, got: object, wanted: object) -> None:
        if got != wanted:
            raise FailedError(f"{what} of {path}: expected {wanted}, got {got}, after {'; '.join(self._log)}")


def _read(path: str) -> Inode:
    """The model of what is there."""
    inodes: dict[int, Inode] = {}

    def read(path: str) -> Inode:
        found = os.lstat(path)
        inode = inodes.setdefault(
            found.st_ino, Inode(stat.S_IFMT(found.st_mode), stat.S_IMODE(found.st_mode))
        )
        if inode.kind == stat.S_IFDIR:
            inode.names = {name: read(os.path.join(path, name)) for name in os.listdir(path)}
        elif inode.kind == stat.S_IFLNK:
            inode.target = os.readlink(path)
        elif inode.kind == stat.S_IFREG:
            with open(path, "rb") as file:
                inode.content = file.read()
        if inode.kind in (stat.S_IFREG, stat.S_IFDIR):
            names = [name for name in os.listxattr(path) if name.startswith("user.")]
            inode.xattrs = {name: os.getxattr(path, name) for name in names}
        return inode

    return read(path)


def _create(path: str) -> None:
    os.close(os.open(path, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o644))


def _append(path: str, data: bytes) -> None:
    fd = os.open(path, os.O_WRONLY | os.O_APPEND)
    os.write(fd, data)
    os.close(fd)


def _name(number: int) -> str:
    return errno.errorcode[number] if number else "success"
