"""inotify(7): what happens through the mount is told to those who watch."""

from __future__ import annotations

import os

from unionfs.testing.conformance import calls
from unionfs.testing.conformance.calls import Event, Watch
from unionfs.testing.conformance.check import Topic
from unionfs.testing.conformance.expect import holds, same
from unionfs.testing.stacks import Dir, File, Item

TOPIC = Topic("events")

_GIVEN: dict[str, Item] = {"d": Dir(), "d/f": File(b"data"), "e": Dir()}
_NAMES = calls.CREATED | calls.DELETED | calls.MOVED_FROM | calls.MOVED_TO


@TOPIC.check(given=_GIVEN)
def names_come_and_go() -> None:
    watch = Watch("d", _NAMES)
    os.mkdir("d/new")
    os.close(os.open("d/file", os.O_CREAT | os.O_WRONLY, 0o600))
    os.link("d/f", "d/linked")
    os.symlink("x", "d/symlink")
    os.unlink("d/f")
    os.rmdir("d/new")
    directory = 0x40000000
    wanted = [
        Event(calls.CREATED | directory, "new"),
        Event(calls.CREATED, "file"),
        Event(calls.CREATED, "linked"),
        Event(calls.CREATED, "symlink"),
        Event(calls.DELETED, "f"),
        Event(calls.DELETED | directory, "new"),
    ]
    same("events", watch.events(), wanted)
    watch.close()


@TOPIC.check(given=_GIVEN)
def renames() -> None:
    here, there = Watch("d", _NAMES), Watch("e", _NAMES)
    os.rename("d/f", "d/g")
    os.rename("d/g", "e/f")
    same(
        "events in d",
        here.events(),
        [
            Event(calls.MOVED_FROM, "f"),
            Event(calls.MOVED_TO, "g"),
            Event(calls.MOVED_FROM, "g"),
        ],
    )
    same("events in e", there.events(), [Event(calls.MOVED_TO, "f")])
    here.close()
    there.close()


@TOPIC.check(given=_GIVEN)
def changes_of_a_file() -> None:
    watch = Watch("d/f", calls.MODIFIED | calls.ATTRIBUTES | calls.CLOSED_WRITE)
    with open("d/f", "r+b", buffering=0) as file:
        file.write(b"x")
    os.chmod("d/f", 0o600)
    os.truncate("d/f", 1)
    masks = [event.mask for event in watch.events()]
    same("events", masks[:3], [calls.MODIFIED, calls.CLOSED_WRITE, calls.ATTRIBUTES])
    holds("the cut is told", calls.MODIFIED in masks[3:])
    watch.close()


@TOPIC.check(given=_GIVEN)
def a_watch_outlives_a_copy_up() -> None:
    watch = Watch("d/f", calls.MODIFIED | calls.DELETED_SELF)
    os.chmod("d/f", 0o600)
    for _ in range(2):
        with open("d/f", "r+b", buffering=0) as file:
            file.write(b"x")
    os.unlink("d/f")
    masks = [event.mask for event in watch.events()]
    same("events", masks[:1], [calls.MODIFIED])
    holds("its end is told", calls.DELETED_SELF in masks)
    watch.close()


@TOPIC.check(given=_GIVEN)
def a_watched_directory_tells_of_its_files() -> None:
    watch = Watch("d", calls.MODIFIED | calls.OPENED)
    with open("d/f", "r+b", buffering=0) as file:
        file.write(b"x")
    found = watch.events()
    holds("the opening is told", Event(calls.OPENED, "f") in found)
    holds("the write is told", Event(calls.MODIFIED, "f") in found)
    watch.close()
