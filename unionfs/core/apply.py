"""The only writer of metadata to an upper layer: runs plans, publishes or undoes."""

from __future__ import annotations

import errno
from collections.abc import Callable
from typing import Any, NamedTuple, TypeGuard

from unionfs.core.layer import UpperLayer
from unionfs.core.steps import (
    At,
    Discard,
    Link,
    MakeDir,
    MakeFile,
    MakeNode,
    MakeSymlink,
    MakeWhiteout,
    Move,
    Plan,
    Remove,
    RemoveDir,
    RemoveXattr,
    SetFlags,
    SetMode,
    SetOwner,
    SetSize,
    SetTimes,
    SetXattr,
    Step,
    Steps,
)
from unionfs.core.store import HasFlags, WritableStore
from unionfs.core.whiteout import WhiteoutDevice
from unionfs.errors import error
from unionfs.types import Access, File, Kind, RenameFlags, TakesAttributes, XattrFlags


class Build:
    """The things that one plan is making, until they are published or undone.

    Files stay open until then, so that data can be written to them whatever their mode.
    """

    def __init__(self, upper: UpperLayer, whiteouts: WhiteoutDevice) -> None:
        self._upper = upper
        self._whiteouts = whiteouts
        self._made: list[At] = []
        self._exchanged: list[Move] = []
        self._files: dict[At, File] = {}

    def run(self, steps: Steps) -> None:
        """Run steps; when one fails, undo what was made so far and raise its error."""
        try:
            for step in steps:
                _RUN[type(step)](self, step)
        except BaseException:
            self.undo()
            raise

    def publish(self, plan: Plan, keep: At | None = None) -> File | None:
        """Run a whole plan. The file made at `keep` is handed over open, the others are closed."""
        self.run(plan.build)
        self.run(plan.commit)
        self._made.clear()
        self._exchanged.clear()
        for step in plan.tidy:
            self._try(step)
        kept = self._files.pop(keep, None) if keep else None
        self._close()
        return kept

    def undo(self) -> None:
        """Exchange back what was exchanged, then remove what was made."""
        self._close()
        for exchange in reversed(self._exchanged):
            self._try(exchange)
        for at in reversed(self._made):
            self._try(Discard(at))
        self._made.clear()
        self._exchanged.clear()

    def _try(self, step: Step) -> None:
        """Run a step whose failure is nobody's error: the work tree is emptied at the next mount."""
        try:
            _RUN[type(step)](self, step)
        except OSError:
            pass

    def file(self, at: At) -> File:
        """The file made at `at`, open for reading and writing."""
        return self._files[at]

    def _close(self) -> None:
        for file in self._files.values():
            file.close()
        self._files.clear()

    # One method a step.

    def _make_file(self, step: MakeFile) -> None:
        self._files[step.at] = self._upper.tree(step.at).create(step.at.path, step.mode)
        self._made.append(step.at)

    def _make_dir(self, step: MakeDir) -> None:
        self._upper.tree(step.at).mkdir(step.at.path, step.mode)
        self._made.append(step.at)

    def _make_node(self, step: MakeNode) -> None:
        self._upper.tree(step.at).mknod(step.at.path, step.mode, step.rdev)
        self._made.append(step.at)

    def _make_whiteout(self, step: MakeWhiteout) -> None:
        self._whiteouts.make(self._upper.tree(step.at), step.at.path)
        self._made.append(step.at)

    def _make_symlink(self, step: MakeSymlink) -> None:
        self._upper.tree(step.at).symlink(step.at.path, step.target)
        self._made.append(step.at)

    def _link(self, step: Link) -> None:
        self._upper.tree(step.source).link(step.source.path, self._upper.tree(step.at), step.at.path)
        self._made.append(step.at)

    def _attributes(self, at: At) -> TakesAttributes:
        """What sets attributes at `at`: the file that is open there does it in fewer calls than a path."""
        file = self._files.get(at)
        return file if _takes_attributes(file) else _ByPath(self._upper.tree(at), at.path)

    def _set_mode(self, step: SetMode) -> None:
        self._attributes(step.at).chmod(step.mode)

    def _set_owner(self, step: SetOwner) -> None:
        self._attributes(step.at).chown(step.uid, step.gid)

    def _set_times(self, step: SetTimes) -> None:
        self._attributes(step.at).utimens(step.atime_ns, step.mtime_ns)

    def _set_xattr(self, step: SetXattr) -> None:
        self._attributes(step.at).setxattr(step.name, step.value, step.flags)

    def _remove_xattr(self, step: RemoveXattr) -> None:
        self._upper.tree(step.at).removexattr(step.at.path, step.name)

    def _set_flags(self, step: SetFlags) -> None:
        tree: WritableStore | HasFlags = self._upper.tree(step.at)
        if not hasattr(tree, "set_flags"):
            raise error(errno.ENOTTY)
        tree.set_flags(step.at.path, step.form, step.value)

    def _set_size(self, step: SetSize) -> None:
        made = self._files.get(step.at)
        file = made or self._upper.tree(step.at).open(step.at.path, Access.READ | Access.WRITE)
        try:
            file.truncate(step.size)
        finally:
            if made is None:
                file.close()

    def _move(self, step: Move) -> None:
        self._upper.tree(step.source).rename(
            step.source.path, self._upper.tree(step.at), step.at.path, step.flags
        )
        if step.flags is RenameFlags.EXCHANGE:
            self._exchanged.append(step)
        elif step.source in self._made:
            self._made[self._made.index(step.source)] = step.at
        if step.source in self._files:
            self._files[step.at] = self._files.pop(step.source)

    def _remove(self, step: Remove) -> None:
        self._upper.tree(step.at).unlink(step.at.path)

    def _remove_dir(self, step: RemoveDir) -> None:
        self._upper.tree(step.at).rmdir(step.at.path)

    def _discard(self, step: Discard) -> None:
        try:
            discard(self._upper.tree(step.at), step.at.path)
        except FileNotFoundError:
            pass


def _takes_attributes(file: File | TakesAttributes | None) -> TypeGuard[TakesAttributes]:
    return hasattr(file, "setxattr")


class _ByPath(NamedTuple):
    """Attributes of what is at a path."""

    store: WritableStore
    path: bytes

    def chmod(self, mode: int) -> None:
        self.store.chmod(self.path, mode)

    def chown(self, uid: int, gid: int) -> None:
        self.store.chown(self.path, uid, gid)

    def utimens(self, atime_ns: int, mtime_ns: int) -> None:
        self.store.utimens(self.path, atime_ns, mtime_ns)

    def setxattr(self, name: bytes, value: bytes, flags: XattrFlags = XattrFlags.NONE) -> None:
        self.store.setxattr(self.path, name, value, flags)


_RUN: dict[type[Step], Callable[[Build, Any], None]] = {
    MakeFile: Build._make_file,
    MakeDir: Build._make_dir,
    MakeNode: Build._make_node,
    MakeWhiteout: Build._make_whiteout,
    MakeSymlink: Build._make_symlink,
    Link: Build._link,
    SetMode: Build._set_mode,
    SetOwner: Build._set_owner,
    SetTimes: Build._set_times,
    SetXattr: Build._set_xattr,
    RemoveXattr: Build._remove_xattr,
    SetFlags: Build._set_flags,
    SetSize: Build._set_size,
    Move: Build._move,
    Remove: Build._remove,
    RemoveDir: Build._remove_dir,
    Discard: Build._discard,
}


def discard(store: WritableStore, path: bytes) -> None:
    """Remove `path` with everything below it."""
    if store.stat(path).kind is not Kind.DIR:
        store.unlink(path)
        return
    for name, _kind in list(store.scan(path)):
        discard(store, path + b"/" + name)
    store.rmdir(path)
