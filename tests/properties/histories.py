"""Saved histories: one for each tag, as short as it can be told, and those that once showed a bug.

All of them are run by every party, always.
"""

from __future__ import annotations

from unionfs.testing.commands import (
    Crash,
    Create,
    GetStat,
    HandleRead,
    HandleStat,
    HandleWrite,
    Link,
    ListDir,
    MakeDir,
    MapWrite,
    Open,
    Remount,
    RemoveDir,
    Rename,
    SetMode,
    Truncate,
    Unlink,
    Write,
)
from unionfs.testing.stacks import Dir, File, HardLink, StackLayer, Whiteout
from unionfs.testing.strategies import Scenario
from unionfs.testing.tags import Tag
from unionfs.types import RenameFlags

_FILE = (StackLayer({b"": Dir(), b"a": File(b"lower")}),)
_TWO_FILES = (StackLayer({b"": Dir(), b"a": File(b"lower"), b"b": File(b"other")}),)
_LINKS = (StackLayer({b"": Dir(), b"a": File(b"lower"), b"b": HardLink(b"a")}),)
_DIR = (StackLayer({b"": Dir(), b"a": Dir(), b"a/a": File(b"lower")}),)
_TWO_DIRS = (
    StackLayer({b"": Dir(), b"a": Dir(), b"a/a": File(b"one"), b"b": Dir(), b"b/b": File(b"two")}, "aufs"),
)
_DIR_AND_FILE = (StackLayer({b"": Dir(), b"a": Dir(), b"a/a": File(b"lower"), b"b": File(b"other")}),)
_MERGED = (
    StackLayer({b"": Dir(), b"a": Dir(), b"a/b": File(b"top")}, "aufs"),
    StackLayer({b"": Dir(), b"a": Dir(), b"a/a": File(b"bottom")}),
)

TOLD = {
    Tag.RAISED_LINK_REMOVED: Scenario(_LINKS, [SetMode(b"a", 0o600), Unlink(b"a"), Remount()]),
    Tag.LOWER_LINK_CHANGED: Scenario(_LINKS, [Write(b"a", b"new"), Remount()]),
    Tag.LINK_TO_LOWER: Scenario(_FILE, [Link(b"a", b"b"), Write(b"b", b"new"), Remount()]),
    Tag.LINKS_REMOUNTED: Scenario(_LINKS, [SetMode(b"b", 0o600), Remount(), Write(b"a", b"new")]),
    Tag.MADE_OVER_MOVED_DIR: Scenario(_DIR, [Rename(b"a", b"b"), MakeDir(b"a"), Remount(), ListDir(b"a")]),
    Tag.DIR_OVER_FILE: Scenario(_FILE, [Unlink(b"a"), MakeDir(b"a"), Remount()]),
    Tag.FILE_OVER_DIR: Scenario(_MERGED, [Unlink(b"a/a"), Unlink(b"a/b"), RemoveDir(b"a"), Create(b"a")]),
    Tag.EMPTIED_DIR_REMOVED: Scenario(_MERGED, [Unlink(b"a/a"), Unlink(b"a/b"), RemoveDir(b"a"), Remount()]),
    Tag.EMPTIED_DIR_REPLACED: Scenario(_TWO_DIRS, [Unlink(b"b/b"), Rename(b"a", b"b"), Remount()]),
    Tag.LOWER_FILE_REPLACED: Scenario(_TWO_FILES, [Rename(b"a", b"b"), Remount()]),
    Tag.DIRS_EXCHANGED: Scenario(_TWO_DIRS, [Rename(b"a", b"b", RenameFlags.EXCHANGE), Remount()]),
    Tag.MIXED_EXCHANGED: Scenario(_DIR_AND_FILE, [Rename(b"a", b"b", RenameFlags.EXCHANGE), Remount()]),
    Tag.MOVED_TO_WHITEOUT: Scenario(
        _TWO_FILES, [Unlink(b"a"), Rename(b"b", b"a", RenameFlags.NOREPLACE), Remount()]
    ),
    Tag.MOVED_DIR_MOVED: Scenario(_DIR, [Rename(b"a", b"b"), Rename(b"b", b"a"), Remount()]),
    Tag.MOVED_DIR_REMOUNTED: Scenario(_MERGED, [Rename(b"a", b"b"), Remount(), Rename(b"b", b"\xff")]),
    Tag.CHANGED_BELOW_MOVED: Scenario(_DIR, [Rename(b"a", b"b"), Write(b"b/a", b"new", 5), Remount()]),
    Tag.DATA_AFTER_METADATA: Scenario(_FILE, [SetMode(b"a", 0o600), Remount(), Write(b"a", b"new", 5)]),
    Tag.WRITE_AFTER_UNLINK: Scenario(
        _FILE, [Open(0, b"a", True), Unlink(b"a"), HandleWrite(0, b"late", 2), HandleRead(0, 99)]
    ),
    Tag.READ_AFTER_COPY_UP: Scenario(_FILE, [Open(0, b"a"), Write(b"a", b"new"), HandleRead(0, 99)]),
    Tag.ROOT_CHANGED: Scenario(_FILE, [SetMode(b"", 0o700), Remount()]),
}

SEEN = {
    "link of a directory onto an existing name": Scenario(_DIR, [Link(b"a", b"a")]),
    "hidden name of a hard link is not counted": Scenario(
        (StackLayer({b"": Dir(), b"a": Whiteout()}), *_LINKS),
        [GetStat(b"b"), SetMode(b"b", 0o600), Remount()],
    ),
    "fstat of a removed lower file": Scenario(_FILE, [Open(0, b"a"), Unlink(b"a"), HandleStat(0)]),
    "reader of a removed file whose name is taken again": Scenario(
        _FILE, [Open(0, b"a"), Unlink(b"a"), Create(b"a"), Write(b"a", b"new"), HandleRead(0, 99)]
    ),
    "whiteout that hides nothing is not listed": Scenario(
        (StackLayer({b"": Dir(), b"a": Dir(), b"a/a": Whiteout()}, "aufs"),),
        [ListDir(b"a"), Create(b"a/a"), Unlink(b"a/a"), RemoveDir(b"a")],
    ),
    "killed while a file is unfinished": Scenario(
        _FILE, [SetMode(b"a", 0o600), Write(b"a", b"new", 2), Crash(), MapWrite(b"a", b"more", 1), Crash()]
    ),
    "killed with a removed file open": Scenario(
        _TWO_FILES, [Open(0, b"a", True), HandleWrite(0, b"late"), Unlink(b"a"), Crash(), Create(b"a")]
    ),
    "truncated while open": Scenario(_FILE, [Open(0, b"a", True), Truncate(b"a", 2), HandleRead(0, 99)]),
}

HISTORIES = {tag.name: scenario for tag, scenario in TOLD.items()} | SEEN
