"""Tags: which of the stories worth telling a history really told.

They are taken from what was seen before and after every command, so they say what
happened and not what the generator meant to happen. Files are known by inode number.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from enum import StrEnum

from unionfs.testing.commands import (
    Command,
    Crash,
    Create,
    HandleClose,
    HandleRead,
    HandleStat,
    HandleTruncate,
    HandleWrite,
    Link,
    MakeDir,
    MakeNode,
    MakeSymlink,
    MapWrite,
    Open,
    Remount,
    RemoveDir,
    RemoveXattr,
    Rename,
    SetMode,
    SetOwner,
    SetTimes,
    SetXattr,
    Truncate,
    Unlink,
    Write,
)
from unionfs.testing.steps import Step
from unionfs.testing.trees import Tree
from unionfs.types import Kind, RenameFlags


class Tag(StrEnum):
    """Lower: from a lower layer. Raised: lower, and since changed, so copied up."""

    RAISED_LINK_REMOVED = "one of several names of a raised file is removed"
    LOWER_LINK_CHANGED = "a lower file is changed by one of its several names"
    LINK_TO_LOWER = "a lower file, not raised, gets one more name"
    LINKS_REMOUNTED = "a raised file with several names is mounted again"
    MADE_OVER_MOVED_DIR = "a directory is made where a lower one was renamed away"
    DIR_OVER_FILE = "a directory is made where a lower file was removed"
    FILE_OVER_DIR = "a file is made where a lower directory was removed"
    EMPTIED_DIR_REMOVED = "a lower directory, emptied by whiteouts, is removed"
    EMPTIED_DIR_REPLACED = "a rename replaces a lower directory, emptied by whiteouts"
    LOWER_FILE_REPLACED = "a rename replaces a lower file that was not raised"
    DIRS_EXCHANGED = "two lower directories change places"
    MIXED_EXCHANGED = "a lower directory and a lower file change places"
    MOVED_TO_WHITEOUT = "a rename with NOREPLACE takes a whited-out name"
    MOVED_DIR_MOVED = "a renamed lower directory is renamed again"
    MOVED_DIR_REMOUNTED = "a renamed lower directory is mounted again"
    CHANGED_BELOW_MOVED = "a lower file below a renamed directory is changed"
    DATA_AFTER_METADATA = "a file raised with its metadata alone gets new data"
    WRITE_AFTER_UNLINK = "a removed lower file is written to through its handle"
    READ_AFTER_COPY_UP = "a reader from before the copy-up reads new data"
    ROOT_CHANGED = "the root's own metadata are changed"


def tags(steps: Sequence[Step]) -> frozenset[Tag]:
    """The tags that a run has earned."""
    found: set[Tag] = set()
    past = _Past(steps[0].before) if steps else None
    for step in steps:
        if past and not step.outcome.errno:
            found.update(_told(step.command, step.before, past))
            past.add(step)
    return frozenset(found)


class _Past:
    """What is known of the files of the start, before each step."""

    def __init__(self, start: Tree) -> None:
        self.lower = {ino for path, ino in start.inos.items() if path}
        self.filled = {ino for path, ino in start.inos.items() if start.children(path)}
        self.raised: set[int] = set()
        self.written: set[int] = set()
        self.moved_dirs: set[int] = set()
        self.whiteouts: dict[bytes, Kind] = {}
        self.slots: dict[int, int] = {}
        self.lower_slots: set[int] = set()

    def only_lower(self, ino: int | None) -> bool:
        return ino in self.lower and ino not in self.raised

    def add(self, step: Step) -> None:
        before, after = step.before, step.after
        for path, ino in before.inos.items():
            if ino in self.lower and after.inos.get(path) != ino:
                self.whiteouts[path] = _kind(before, path) or Kind.FILE
        self._add_command(step.command, before)
        # A number may be given again once its file is gone: it is not of a lower layer then.
        self.lower &= {*after.inos.values(), *self.slots.values()}

    def _add_command(self, command: Command, before: Tree) -> None:
        ino = _target(command, before, self.slots)
        if isinstance(command, _CHANGES) and ino is not None:
            self.raised.add(ino)
        match command:
            case Write() | MapWrite() | Truncate() | HandleWrite() | HandleTruncate() if ino is not None:
                self.written.add(ino)
            case Open(slot) if ino is not None:
                self.slots[slot] = ino
                (self.lower_slots.add if self.only_lower(ino) else self.lower_slots.discard)(slot)
            case Remount() | Crash():
                self.slots.clear()
            case Rename(path, new, flags):
                places = (path, new) if flags is RenameFlags.EXCHANGE else (path,)
                self.moved_dirs |= {
                    before.inos[place] for place in places if _kind(before, place) is Kind.DIR
                }


_METADATA = (SetMode, SetOwner, SetTimes, SetXattr, RemoveXattr)
_CHANGES = (*_METADATA, Write, MapWrite, Truncate, HandleWrite, HandleTruncate, Link)


def _target(command: Command, before: Tree, slots: dict[int, int]) -> int | None:
    """The file that a command is about."""
    if isinstance(command, HandleRead | HandleWrite | HandleTruncate | HandleStat | HandleClose):
        return slots.get(command.slot)
    return None if isinstance(command, Remount | Crash) else before.inos.get(command.path)


def _kind(tree: Tree, path: bytes) -> Kind | None:
    entry = tree.entry(path)
    return entry.attributes.kind if entry else None


def _told(command: Command, before: Tree, past: _Past) -> Iterator[Tag]:
    match command:
        case Create(path) | MakeDir(path) | MakeSymlink(path) | MakeNode(path):
            yield from _told_by_making(path, isinstance(command, MakeDir), past)
        case Unlink(path) | RemoveDir(path):
            yield from _told_by_removing(path, before, past)
        case Rename(path, new, flags):
            yield from _told_by_renaming(path, new, flags, before, past)
        case HandleRead() | HandleWrite() | HandleTruncate():
            yield from _told_by_handle(command, before, past)
        case Remount() | Crash():
            yield from _told_by_remount(before, past)
        case Write(path) | MapWrite(path) | Truncate(path) | Link(path):
            yield from _told_by_change(command, path, before, past)
        case SetMode(path) | SetOwner(path) | SetTimes(path) | SetXattr(path) | RemoveXattr(path):
            yield from _told_by_change(command, path, before, past)


def _told_by_making(path: bytes, is_dir: bool, past: _Past) -> Iterator[Tag]:
    gone = past.whiteouts.get(path)
    if gone is Kind.DIR:
        yield Tag.MADE_OVER_MOVED_DIR if is_dir else Tag.FILE_OVER_DIR
    if gone is Kind.FILE and is_dir:
        yield Tag.DIR_OVER_FILE


def _told_by_removing(path: bytes, before: Tree, past: _Past) -> Iterator[Tag]:
    ino = before.inos[path]
    if ino in past.lower & past.filled:
        yield Tag.EMPTIED_DIR_REMOVED
    if ino in past.lower & past.raised and _has_more_names(before, path):
        yield Tag.RAISED_LINK_REMOVED


def _told_by_renaming(
    path: bytes, new: bytes, flags: RenameFlags, before: Tree, past: _Past
) -> Iterator[Tag]:
    ino, victim = before.inos[path], before.inos.get(new)
    if ino == victim:
        return
    if ino in past.moved_dirs:
        yield Tag.MOVED_DIR_MOVED
    if flags is RenameFlags.NOREPLACE and new in past.whiteouts:
        yield Tag.MOVED_TO_WHITEOUT
    if flags is RenameFlags.EXCHANGE and {ino, victim} <= past.lower:
        kinds = {_kind(before, path), _kind(before, new)}
        yield from [Tag.DIRS_EXCHANGED] if kinds == {Kind.DIR} else []
        yield from [Tag.MIXED_EXCHANGED] if kinds == {Kind.DIR, Kind.FILE} else []
    elif victim in past.lower & past.filled:
        yield Tag.EMPTIED_DIR_REPLACED
    elif past.only_lower(victim) and _kind(before, new) is Kind.FILE:
        yield Tag.LOWER_FILE_REPLACED


def _told_by_change(command: Command, path: bytes, before: Tree, past: _Past) -> Iterator[Tag]:
    ino = before.inos[path]
    if not path:
        yield Tag.ROOT_CHANGED
    if _kind(before, path) is not Kind.FILE or ino not in past.lower:
        return
    if _has_more_names(before, path):
        yield Tag.LOWER_LINK_CHANGED
    if past.only_lower(ino) and isinstance(command, Link):
        yield Tag.LINK_TO_LOWER
    if past.only_lower(ino) and past.moved_dirs.intersection(_inos_above(before, path)):
        yield Tag.CHANGED_BELOW_MOVED
    if isinstance(command, Write | MapWrite) and ino in past.raised - past.written:
        yield Tag.DATA_AFTER_METADATA


def _told_by_handle(
    command: HandleRead | HandleWrite | HandleTruncate, before: Tree, past: _Past
) -> Iterator[Tag]:
    ino = past.slots[command.slot]
    is_read = isinstance(command, HandleRead)
    if not is_read and ino in past.lower and ino not in before.inos.values():
        yield Tag.WRITE_AFTER_UNLINK
    if is_read and command.slot in past.lower_slots and ino in past.written:
        yield Tag.READ_AFTER_COPY_UP


def _told_by_remount(before: Tree, past: _Past) -> Iterator[Tag]:
    for path, ino in before.inos.items():
        if ino in past.moved_dirs & past.lower:
            yield Tag.MOVED_DIR_REMOUNTED
        if ino in past.lower & past.raised and _has_more_names(before, path):
            yield Tag.LINKS_REMOUNTED


def _has_more_names(tree: Tree, path: bytes) -> bool:
    ino = tree.inos[path]
    return _kind(tree, path) is Kind.FILE and list(tree.inos.values()).count(ino) > 1


def _inos_above(tree: Tree, path: bytes) -> Iterator[int]:
    while path:
        path = path.rpartition(b"/")[0]
        yield tree.inos[path]
