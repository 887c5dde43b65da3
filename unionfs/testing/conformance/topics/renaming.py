"""rename(2) and renameat2(2): every kind onto every kind, and what becomes of both."""

from __future__ import annotations

import os
import stat
from errno import EEXIST, EINVAL, EISDIR, ENOENT, ENOTDIR, ENOTEMPTY

from unionfs.testing.conformance import calls, kinds
from unionfs.testing.conformance.check import Topic
from unionfs.testing.conformance.expect import done, holds, refused, refused_with, same
from unionfs.testing.conformance.needs import Need
from unionfs.testing.stacks import Dir, File, HardLink, Item, Symlink
from unionfs.types import RenameFlags

TOPIC = Topic("renaming")

_OLD: dict[str, Item] = {f"old-{name}": item for name, item in kinds.KINDS.items()}
_NEW: dict[str, Item] = {f"new-{name}": item for name, item in kinds.KINDS.items()}
_OLD |= {"old-full": Dir(), "old-full/inside": kinds.FILE}
_NEW |= {"new-full": Dir(), "new-full/inside": kinds.FILE}
_NAMES = [*kinds.KINDS, "full"]
_PAIRS = {f"{old},{new}": (f"old-{old}", f"new-{new}") for old in _NAMES for new in _NAMES}


def _what(path: str) -> tuple[int, int, int]:
    """What must not change of a file, whatever it is called."""
    found = os.lstat(path)
    return found.st_ino, stat.S_IFMT(found.st_mode), found.st_rdev


@TOPIC.check(Need.ROOT, given=_OLD, cases={name: (f"old-{name}",) for name in _NAMES})
def to_a_free_name(old: str) -> None:
    before = _what(old)
    done(os.rename, old, "free")
    same("what has the new name", _what("free"), before)
    refused(ENOENT, os.lstat, old)


@TOPIC.check(Need.ROOT, given=_OLD | {"d": Dir()}, cases={name: (f"old-{name}",) for name in _NAMES})
def into_another_directory(old: str) -> None:
    before = _what(old)
    done(os.rename, old, "d/free")
    same("what has the new name", _what("d/free"), before)
    same("the names in d", os.listdir("d"), ["free"])
    refused(ENOENT, os.lstat, old)


@TOPIC.check(Need.ROOT, given=_OLD | _NEW, cases=_PAIRS)
def onto(old: str, new: str) -> None:
    before, there = _what(old), _what(new)
    number = _refusal(os.path.isdir(old), os.path.isdir(new), new == "new-full")
    if number:
        refused_with((ENOTEMPTY, EEXIST) if number == ENOTEMPTY else (number,), os.rename, old, new)
        same("what has the old name", _what(old), before)
        same("what has the new name", _what(new), there)
    else:
        done(os.rename, old, new)
        same("what has the new name", _what(new), before)
        refused(ENOENT, os.lstat, old)


def _refusal(old_is_dir: bool, new_is_dir: bool, new_is_full: bool) -> int:
    if old_is_dir and not new_is_dir:
        return ENOTDIR
    if new_is_dir and not old_is_dir:
        return EISDIR
    return ENOTEMPTY if new_is_full else 0


@TOPIC.check(Need.ROOT, given=_OLD | _NEW, cases=_PAIRS)
def noreplace(old: str, new: str) -> None:
    before, there = _what(old), _what(new)
    refused(EEXIST, calls.rename_noreplace, old, new)
    same("what has the old name", _what(old), before)
    same("what has the new name", _what(new), there)
    done(calls.rename_noreplace, old, "free")
    same("what has the free name", _what("free"), before)


@TOPIC.check(Need.ROOT, given=_OLD | _NEW, cases=_PAIRS)
def exchange(old: str, new: str) -> None:
    before, there = _what(old), _what(new)
    done(calls.rename_exchange, old, new)
    same("what has the old name", _what(old), there)
    same("what has the new name", _what(new), before)
    if old == "old-full":
        same("the names in it", os.listdir(new), ["inside"])


@TOPIC.check(given={"f": File(b"data")})
def flags_that_contradict() -> None:
    refused(EINVAL, calls.rename_with, RenameFlags(3), "f", "g")
    refused(EINVAL, calls.rename_with, RenameFlags(64), "f", "g")
    refused(ENOENT, calls.rename_exchange, "f", "g")
    refused(ENOENT, calls.rename_exchange, "g", "f")


@TOPIC.check(Need.ROOT, given={"f": File(b"data")})
def leaving_a_whiteout() -> None:
    """RENAME_WHITEOUT is for the layers of unions: a union refuses it, what else can do it makes one."""
    try:
        calls.rename_with(RenameFlags.WHITEOUT, "f", "g")
    except OSError as failure:
        same("why it is refused", failure.errno, EINVAL)
        same("the names here", os.listdir(), ["f"])
    else:
        same("what is left", (stat.S_IFMT(os.lstat("f").st_mode), os.lstat("f").st_rdev), (calls.CHAR, 0))
        os.unlink("f")


@TOPIC.check(given={"f": File(b"one"), "g": HardLink(b"f")})
def onto_another_name_of_the_same_file() -> None:
    done(os.rename, "f", "g")
    same("the names here", sorted(os.listdir()), ["f", "g"])
    same("links of f", os.stat("f").st_nlink, 2)


@TOPIC.check(given={"f": File(b"one")})
def onto_itself() -> None:
    done(os.rename, "f", "f")
    same("the names here", os.listdir(), ["f"])


@TOPIC.check(given={"d": Dir()})
def a_directory_onto_itself() -> None:
    done(os.rename, "d", "d")
    same("the names here", os.listdir(), ["d"])


@TOPIC.check(given={"d": Dir(), "d/e": Dir()})
def a_directory_into_itself() -> None:
    refused(EINVAL, os.rename, "d", "d/e/f")
    refused(EINVAL, os.rename, "d", "d/f")
    refused(EINVAL, os.rename, "d", "d/e")
    refused_with((ENOTEMPTY, EEXIST), os.rename, "d/e", "d")
    refused(EINVAL, calls.rename_exchange, "d/e", "d")
    refused(EINVAL, calls.rename_exchange, "d", "d/e")


@TOPIC.check(given={"f": File(b"one"), "g": File(b"two"), "h": HardLink(b"g")})
def takes_a_link_from_what_it_replaces() -> None:
    done(os.rename, "f", "g")
    same("links of h", os.stat("h").st_nlink, 1)
    same("links of g", os.stat("g").st_nlink, 1)
    with open("h", "rb") as file:
        same("content of h", file.read(), b"two")


@TOPIC.check(given={"f": File(b"one"), "g": HardLink(b"f")})
def keeps_links() -> None:
    before = os.stat("f").st_ino
    done(os.rename, "f", "x")
    same("number of x", os.stat("x").st_ino, before)
    same("number of g", os.stat("g").st_ino, before)
    same("links of g", os.stat("g").st_nlink, 2)


@TOPIC.check(given={"f": File(b"one"), "g": File(b"two")})
def an_open_file_is_replaced() -> None:
    with open("g", "r+b") as held:
        done(os.rename, "f", "g")
        same("content of the open file", held.read(), b"two")
        same("links of the open file", os.fstat(held.fileno()).st_nlink, 0)
        held.write(b"more")
        held.flush()
        held.seek(0)
        same("content of the open file", held.read(), b"twomore")
    with open("g", "rb") as file:
        same("content of g", file.read(), b"one")


_TREE: dict[str, Item] = {
    "d": Dir(),
    "d/f": File(b"one"),
    "d/e": Dir(),
    "d/e/g": File(b"two"),
    "d/l": Symlink(b"f"),
}


def _tree(top: str) -> list[str]:
    return sorted(
        os.path.relpath(os.path.join(path, name), top)
        for path, directories, files in os.walk(top)
        for name in [*directories, *files]
    )


@TOPIC.check(given=_TREE)
def a_directory_with_all_it_holds() -> None:
    numbers = {path: os.lstat(os.path.join("d", path)).st_ino for path in _tree("d")}
    done(os.rename, "d", "moved")
    same("the tree", _tree("moved"), ["e", "e/g", "f", "l"])
    same("the numbers", {path: os.lstat(os.path.join("moved", path)).st_ino for path in numbers}, numbers)
    refused(ENOENT, os.lstat, "d")
    refused(ENOENT, os.lstat, "d/f")


@TOPIC.check(given=_TREE | {"other": Dir()})
def a_directory_into_another_and_back() -> None:
    done(os.rename, "d", "other/d")
    same("the tree", _tree("other/d"), ["e", "e/g", "f", "l"])
    done(os.rename, "other/d/e", "e")
    same("the tree", _tree("e"), ["g"])
    done(os.rename, "other/d", "d")
    done(os.rename, "e", "d/e")
    same("the tree", _tree("d"), ["e", "e/g", "f", "l"])
    same("the names in other", os.listdir("other"), [])


@TOPIC.check(given=_TREE)
def a_renamed_directory_is_made_anew() -> None:
    done(os.rename, "d", "moved")
    done(os.mkdir, "d")
    same("the new directory", os.listdir("d"), [])
    done(os.mkdir, "d/e")
    same("the new directory in it", os.listdir("d/e"), [])
    same("the tree", _tree("moved"), ["e", "e/g", "f", "l"])


@TOPIC.check(given=_TREE | {"n": Dir(), "n/f": File(b"other"), "n/x": File(b"")})
def over_an_emptied_directory() -> None:
    os.unlink("n/f")
    os.unlink("n/x")
    done(os.rename, "d", "n")
    same("the tree", _tree("n"), ["e", "e/g", "f", "l"])
    with open("n/f", "rb") as file:
        same("content of n/f", file.read(), b"one")


@TOPIC.check(given=_TREE)
def two_directories_change_places() -> None:
    done(calls.rename_exchange, "d/e", "d/f")
    same("the tree", _tree("d"), ["e", "f", "f/g", "l"])
    os.mkdir("new")
    done(calls.rename_exchange, "d", "new")
    same("the tree", _tree("new"), ["e", "f", "f/g", "l"])
    same("the names in d", os.listdir("d"), [])


@TOPIC.check(given={"d": Dir(), "e": Dir(), "d/s": Dir()})
def dotdot_follows() -> None:
    os.chdir("d/s")
    done(os.rename, "../s", "../../e/s")
    same("number of ..", os.stat("..").st_ino, os.stat("../../e").st_ino)
    os.chdir("../..")


@TOPIC.check(given={"d": Dir(), "d/f": File(b"one")})
def a_directory_that_somebody_is_in() -> None:
    here = os.open("d", os.O_RDONLY | os.O_DIRECTORY)
    done(os.rename, "d", "e")
    same("the names in it", os.listdir(here), ["f"])
    os.close(os.open("g", os.O_CREAT | os.O_WRONLY, 0o644, dir_fd=here))
    holds("e/g is there", os.path.exists("e/g"))
    os.close(here)


@TOPIC.check(given={"f": File(b"0")})
def back_and_forth() -> None:
    number = os.stat("f").st_ino
    for turn in range(50):
        os.rename(f"f{turn}" if turn else "f", f"f{turn + 1}")
    same("number of the file", os.stat("f50").st_ino, number)
    same("the names here", os.listdir(), ["f50"])
