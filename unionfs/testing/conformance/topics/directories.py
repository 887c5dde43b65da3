"""Directories: listing them while they change, positions that hold, removal and re-creation."""

from __future__ import annotations

import os
import shutil
import threading
from collections.abc import Callable
from errno import EEXIST, ENOENT, ENOTEMPTY

from unionfs.testing.conformance import calls, kinds
from unionfs.testing.conformance.check import Topic
from unionfs.testing.conformance.expect import done, holds, refused, refused_with, same
from unionfs.testing.conformance.needs import Need
from unionfs.testing.stacks import Dir, File, Item

TOPIC = Topic("directories")

_MANY: dict[str, Item] = {"d": Dir(), **{f"d/f{number:03d}": File(b"") for number in range(300)}}
_TREE: dict[str, Item] = {
    "d": Dir(),
    "d/f": File(b"one"),
    "d/e": Dir(),
    "d/e/g": File(b"two"),
    "d/e/h": Dir(),
}


@TOPIC.check(Need.ROOT, given={"d": Dir()} | {f"d/{name}": item for name, item in kinds.KINDS.items()})
def the_kinds_that_a_listing_tells() -> None:
    with os.scandir("d") as entries:
        for entry in entries:
            stat = os.lstat(entry.path)
            same(f"d_ino of {entry.name}", entry.inode(), stat.st_ino)
            same(
                f"whether {entry.name} is a directory",
                entry.is_dir(follow_symlinks=False),
                entry.name == "dir",
            )
            same(f"whether {entry.name} is a link", entry.is_symlink(), entry.name == "symlink")


@TOPIC.check(given=_MANY)
def every_name_once() -> None:
    names = os.listdir("d")
    same("how many", len(names), 300)
    same("how many different ones", len(set(names)), 300)


@TOPIC.check(given=_TREE)
def the_dots_are_listed() -> None:
    directory = calls.Directory("d/e")
    found = dict(iter(directory.read, None))
    directory.close()
    same("d_ino of .", found["."], os.stat("d/e").st_ino)
    same("d_ino of ..", found[".."], os.stat("d").st_ino)


@TOPIC.check(given=_MANY)
def what_stays_is_listed_once_while_the_rest_goes() -> None:
    directory = calls.Directory("d")
    seen: list[str] = []
    while (entry := directory.read()) is not None:
        name = entry[0]
        if name.startswith("f"):
            seen.append(name)
            if int(name[1:]) % 2:
                os.unlink(f"d/{name}")
    directory.close()
    stays = [f"f{number:03d}" for number in range(0, 300, 2)]
    same("what stays, as listed", sorted(name for name in seen if not int(name[1:]) % 2), stays)
    same("what is there in the end", sorted(os.listdir("d")), stays)


@TOPIC.check(given=_MANY)
def what_stays_is_listed_once_while_others_come() -> None:
    directory = calls.Directory("d")
    seen: list[str] = []
    while (entry := directory.read()) is not None:
        if entry[0].startswith("f"):
            seen.append(entry[0])
            if len(seen) <= 300:
                os.close(os.open(f"d/new{len(seen)}", os.O_CREAT | os.O_WRONLY, 0o600))
    directory.close()
    same("what stays, as listed", sorted(seen), [f"f{number:03d}" for number in range(300)])


@TOPIC.check(given=_MANY)
def what_stays_is_listed_once_while_others_are_renamed() -> None:
    directory = calls.Directory("d")
    seen: list[str] = []
    while (entry := directory.read()) is not None:
        if entry[0].startswith("f"):
            seen.append(entry[0])
            number = (len(seen) * 7) % 300
            if number % 3 == 0 and os.path.exists(f"d/f{number:03d}"):
                os.rename(f"d/f{number:03d}", f"d/renamed{number}")
    directory.close()
    stays = [f"f{number:03d}" for number in range(300) if number % 3]
    same("what stays, as listed", sorted(name for name in seen if int(name[1:]) % 3), stays)


def _rename_and_back(path: str) -> None:
    os.rename(path, "d/aside")
    os.rename("d/aside", path)


def _move_and_back(path: str) -> None:
    os.rename(path, "aside")
    os.rename("aside", path)


def _make_anew(path: str) -> None:
    os.unlink(path)
    os.close(os.open(path, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600))


@TOPIC.check(
    given=_MANY,
    cases={call.__name__.strip("_"): (call,) for call in (_rename_and_back, _move_and_back, _make_anew)},
)
def a_listing_ends_whatever_is_done_to_what_it_shows(change: Callable[[str], None]) -> None:
    directory = calls.Directory("d")
    count = 0
    while (entry := directory.read()) is not None:
        if entry[0].startswith("f"):
            count += 1
            holds(f"it ends ({count} names)", count < 1000)
            change(f"d/{entry[0]}")
    directory.close()
    same("what is there in the end", len(os.listdir("d")), 300)


@TOPIC.check(given=_MANY)
def rm_r_while_listing() -> None:
    with os.scandir("d") as entries:
        for entry in entries:
            os.unlink(entry.path)
    same("what is left", os.listdir("d"), [])
    done(os.rmdir, "d")


@TOPIC.check(given=_MANY)
def a_position_leads_back() -> None:
    directory = calls.Directory("d")
    positions = []
    order = []
    while True:
        position = directory.tell()
        entry = directory.read()
        if entry is None:
            break
        positions.append(position)
        order.append(entry[0])
    for index in (0, 1, 2, 57, 150, 299, len(order) - 1):
        directory.seek(positions[index])
        got = directory.read()
        same(f"the entry at position {index}", got and got[0], order[index])
        same(
            "what follows",
            directory.names(),
            [name for name in order[index + 1 :] if name not in (".", "..")],
        )
    directory.close()


@TOPIC.check(given=_MANY)
def a_position_holds_while_names_go() -> None:
    directory = calls.Directory("d")
    order = []
    position = 0
    for _ in range(100):
        entry = directory.read()
        assert entry is not None
        order.append(entry[0])
        position = directory.tell()
    rest = directory.names()
    for name in [name for name in order if name not in (".", "..")] + rest[::5]:
        os.unlink(f"d/{name}")
    directory.seek(position)
    seen = directory.names()
    stays = [name for index, name in enumerate(rest) if index % 5]
    same("what stays behind the position", [name for name in seen if name in stays], stays)
    directory.close()


@TOPIC.check(given=_MANY)
def rewinding_shows_what_has_come() -> None:
    directory = calls.Directory("d")
    directory.names()
    os.close(os.open("d/new", os.O_CREAT | os.O_WRONLY, 0o600))
    os.unlink("d/f000")
    directory.rewind()
    names = directory.names()
    directory.close()
    holds("the new name is listed", "new" in names)
    holds("the removed name is not", "f000" not in names)
    same("how many", len(names), 300)


@TOPIC.check()
def an_empty_directory() -> None:
    os.mkdir("d")
    same("what it holds", os.listdir("d"), [])
    done(os.rmdir, "d")
    refused(ENOENT, os.rmdir, "d")


@TOPIC.check(given=_TREE)
def removed_with_all_it_holds_and_made_anew() -> None:
    for _ in range(3):
        shutil.rmtree("d")
        refused(ENOENT, os.listdir, "d")
        refused(ENOENT, os.stat, "d/f")
        done(os.mkdir, "d")
        same("what it holds", os.listdir("d"), [])
        done(os.mkdir, "d/e")
        same("what its directory holds", os.listdir("d/e"), [])
        with open("d/f", "xb") as file:
            file.write(b"new")
        same("size", os.stat("d/f").st_size, 3)


@TOPIC.check(given=_TREE)
def a_file_in_place_of_a_directory_and_back() -> None:
    shutil.rmtree("d/e")
    with open("d/e", "xb") as file:
        file.write(b"x")
    holds("d/e is a file", os.path.isfile("d/e"))
    os.unlink("d/e")
    os.mkdir("d/e")
    same("what it holds", os.listdir("d/e"), [])
    os.rmdir("d/e")
    os.symlink("f", "d/e")
    same("what d holds", sorted(os.listdir("d")), ["e", "f"])


@TOPIC.check(given=_TREE)
def a_directory_in_place_of_a_file_and_back() -> None:
    os.unlink("d/f")
    os.mkdir("d/f")
    os.mkdir("d/f/x")
    refused_with((ENOTEMPTY, EEXIST), os.rmdir, "d/f")
    os.rmdir("d/f/x")
    os.rmdir("d/f")
    os.mkfifo("d/f")
    same("what d holds", sorted(os.listdir("d")), ["e", "f"])


@TOPIC.check(given=_TREE)
def a_removed_directory_that_is_open() -> None:
    fd = os.open("d/e/h", os.O_RDONLY | os.O_DIRECTORY)
    os.rmdir("d/e/h")
    same("what it holds", os.listdir(fd), [])
    same("its links", os.fstat(fd).st_nlink, 0)
    refused(ENOENT, _create_in, fd, "new")
    os.close(fd)


@TOPIC.check(given=_TREE | {"new": Dir(), "new/x": File(b"")})
def a_replaced_directory_that_is_open() -> None:
    fd = os.open("d/e/h", os.O_RDONLY | os.O_DIRECTORY)
    os.rename("new", "d/e/h")
    same("what it holds", os.listdir(fd), [])
    same("its links", os.fstat(fd).st_nlink, 0)
    same("what holds its name", os.listdir("d/e/h"), ["x"])
    os.close(fd)


def _create_in(directory: int, name: str) -> None:
    os.close(os.open(name, os.O_CREAT | os.O_WRONLY, 0o600, dir_fd=directory))


@TOPIC.check(given=_TREE)
def a_removed_directory_that_somebody_is_in() -> None:
    os.chdir("d/e/h")
    os.rmdir("../h")
    refused(ENOENT, os.mkdir, "new")
    refused(ENOENT, os.stat, "missing")
    same("what it holds", os.listdir("."), [])
    refused(ENOENT, os.getcwd)


@TOPIC.check()
def links_of_directories_made_here() -> None:
    os.mkdir("d")
    same("links of an empty directory", os.stat("d").st_nlink, 2)
    os.mkdir("d/a")
    os.mkdir("d/b")
    same("links of one that holds two", os.stat("d").st_nlink, 4)
    os.rename("d/a", "a")
    same("links after one has moved away", os.stat("d").st_nlink, 3)
    os.rename("a", "d/b")
    same("links after one has been replaced", os.stat("d").st_nlink, 3)
    os.rmdir("d/b")
    same("links after it was removed", os.stat("d").st_nlink, 2)


@TOPIC.check(given=_TREE)
def links_of_directories_stay_when_something_else_comes() -> None:
    before = os.stat("d").st_nlink
    os.chmod("d", 0o750)
    os.close(os.open("d/new", os.O_CREAT | os.O_WRONLY, 0o600))
    os.unlink("d/f")
    same("links of d", os.stat("d").st_nlink, before)


@TOPIC.check()
def many_names_in_a_directory() -> None:
    os.mkdir("d")
    for number in range(3000):
        os.mkdir(f"d/{number}") if number % 10 == 0 else os.symlink("x", f"d/{number}")
    same("how many", len(os.listdir("d")), 3000)
    same("different numbers", len({entry.inode() for entry in os.scandir("d")}), 3000)


@TOPIC.check(given={"d": Dir()})
def many_makers_of_one_name() -> None:
    made: list[int] = []

    def make(number: int) -> None:
        try:
            os.mkdir("d/x")
            made.append(number)
        except FileExistsError:
            pass

    threads = [threading.Thread(target=make, args=(number,)) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    same("how many have made it", len(made), 1)


@TOPIC.check(given=_TREE)
def a_walk_from_the_inside() -> None:
    os.chdir("d/e/h")
    same("what is up", sorted(os.listdir("..")), ["g", "h"])
    same("what is further up", sorted(os.listdir("../..")), ["e", "f"])
    os.chdir("../../..")
    holds("d is here", os.path.isdir("d"))
