"""One number for every file, the same whoever tells it and whatever becomes of the file."""

from __future__ import annotations

import os
from collections.abc import Iterator

from unionfs.testing.conformance import calls, kinds
from unionfs.testing.conformance.check import Topic
from unionfs.testing.conformance.expect import differ, done, holds, same
from unionfs.testing.conformance.needs import Need
from unionfs.testing.conformance.pathcalls import PathCall
from unionfs.testing.stacks import Dir, File, HardLink, Item

TOPIC = Topic("identity")

_TREE: dict[str, Item] = {"d": Dir()} | {f"d/{name}": item for name, item in kinds.KINDS.items()}
_LINKS: dict[str, Item] = {
    "d": Dir(),
    "one": File(b"content"),
    "two": HardLink(b"one"),
    "d/three": HardLink(b"one"),
}
_ALL_NAMES = ("one", "two", "d/three")

_CHANGES = {
    "chmod": (lambda path: os.chmod(path, 0o640),),
    "chown": (lambda path: os.lchown(path, 1, 1),),
    "utimens": (lambda path: calls.set_times(path, 1, 1, follow=False),),
    "trusted": (lambda path: os.setxattr(path, "trusted.x", b"1", follow_symlinks=False),),
    "link": (lambda path: os.link(path, "linked", follow_symlinks=False),),
    "rename": (lambda path: _rename_and_back(path),),
}
_FILE_CHANGES = _CHANGES | {
    "write": (lambda path: _write(path),),
    "truncate": (lambda path: os.truncate(path, 3),),
    "open-truncating": (lambda path: os.close(os.open(path, os.O_WRONLY | os.O_TRUNC)),),
    "fallocate": (lambda path: _allocate(path),),
}
_ON_KINDS = {
    f"{kind},{change}": (kind, act)
    for kind in kinds.KINDS
    for change, (act,) in _CHANGES.items()
    if not (kind == "symlink" and change == "chmod") and not (kind == "dir" and change == "link")
}


def _rename_and_back(path: str) -> None:
    os.rename(path, "renamed")
    os.rename("renamed", path)


def _write(path: str) -> None:
    with open(path, "r+b") as file:
        file.write(b"X")


def _allocate(path: str) -> None:
    fd = os.open(path, os.O_RDWR)
    calls.fallocate(fd, 0, 0, 10_000)
    os.close(fd)


def _identity(path: str) -> tuple[int, int]:
    found = os.lstat(path)
    return found.st_dev, found.st_ino


def _listed(directory: str) -> dict[str, int]:
    with os.scandir(directory) as entries:
        return {entry.name: entry.inode() for entry in entries}


@TOPIC.check(Need.ROOT, Need.DEVICES, Need.TRUSTED, given=_TREE, cases=_ON_KINDS)
def stays_through_a_change(kind: str, change: PathCall) -> None:
    path = f"d/{kind}"
    before = _identity(path)
    done(change, path)
    same("number by lstat", _identity(path), before)
    same("number in the listing", _listed("d")[kind], before[1])


@TOPIC.check(Need.ROOT, Need.TRUSTED, given={"d": Dir(), "d/f": File(b"content")}, cases=_FILE_CHANGES)
def stays_for_an_open_file(change: PathCall) -> None:
    before = _identity("d/f")
    fd = os.open("d/f", os.O_RDONLY)
    done(change, "d/f")
    found = os.fstat(fd)
    same("number by fstat", (found.st_dev, found.st_ino), before)
    same("number by lstat", _identity("d/f"), before)
    same("all of it by fstat", found[:7], os.lstat("d/f")[:7])
    os.close(fd)


@TOPIC.check(Need.ROOT, Need.TRUSTED, given=_LINKS, cases=_FILE_CHANGES)
def all_names_of_a_file_stay_one(change: PathCall) -> None:
    before = _identity("one")
    links = 4 if change is _CHANGES["link"][0] else 3
    done(change, "two")
    for name in _ALL_NAMES:
        same(f"number of {name}", _identity(name), before)
        same(f"links of {name}", os.stat(name).st_nlink, links)
    same("attributes of two names", os.stat("one")[:7], os.stat("d/three")[:7])
    with open("one", "rb") as one, open("d/three", "rb") as three:
        same("content of two names", one.read(), three.read())


@TOPIC.check(given=_LINKS)
def links_count_down() -> None:
    os.unlink("two")
    same("links of one", os.stat("one").st_nlink, 2)
    same("links of three", os.stat("d/three").st_nlink, 2)
    os.unlink("one")
    same("links of three", os.stat("d/three").st_nlink, 1)
    with open("d/three", "r+b") as file:
        os.unlink("d/three")
        same("links of the open file", os.fstat(file.fileno()).st_nlink, 0)
        same("content", file.read(), b"content")


@TOPIC.check(given=_LINKS)
def links_count_up() -> None:
    before = _identity("one")
    done(os.link, "d/three", "four")
    done(os.link, "four", "d/five")
    for name in (*_ALL_NAMES, "four", "d/five"):
        same(f"links of {name}", os.stat(name).st_nlink, 5)
        same(f"number of {name}", _identity(name), before)


@TOPIC.check(given=_LINKS)
def xattrs_of_one_name_are_those_of_all() -> None:
    os.setxattr("two", "user.x", b"1")
    same("value by another name", os.getxattr("one", "user.x"), b"1")
    os.removexattr("d/three", "user.x")
    same("names", os.listxattr("two"), [])


@TOPIC.check(given=_LINKS)
def a_write_by_one_name_is_read_by_all() -> None:
    fds = [os.open(name, os.O_RDONLY) for name in _ALL_NAMES]
    _write("two")
    for name, fd in zip(_ALL_NAMES, fds, strict=True):
        same(f"content of {name}", os.pread(fd, 100, 0), b"Xontent")
        os.close(fd)


@TOPIC.check(Need.ROOT, given=_TREE)
def no_two_files_share_a_number() -> None:
    os.mkdir("fresh")
    for number in range(20):
        os.close(os.open(f"fresh/{number}", os.O_CREAT | os.O_WRONLY, 0o600))
    found = [
        _identity(os.path.join(path, name))
        for path, directories, files in os.walk(".")
        for name in [*directories, *files]
    ]
    same("how many different numbers", len(set(found)), len(found))


@TOPIC.check(Need.ROOT, given=_TREE)
def all_are_of_one_file_system() -> None:
    here = os.stat(".").st_dev
    for name in os.listdir("d"):
        same(f"device of {name}", os.lstat(f"d/{name}").st_dev, here)


@TOPIC.check(given={"f": File(b"one")})
def a_new_file_in_place_of_an_open_one_has_another_number() -> None:
    with open("f", "rb") as held:
        os.unlink("f")
        with open("f", "xb") as made:
            differ("number of the new file", os.fstat(made.fileno()).st_ino, os.fstat(held.fileno()).st_ino)


# Over mounts


@TOPIC.check(Need.ROOT, Need.DEVICES, Need.REMOUNT, given=_TREE)
def stays_over_a_mount() -> Iterator[None]:
    before = {name: _identity(f"d/{name}")[1] for name in os.listdir("d")}
    listed = _listed("d")
    yield
    same("numbers", {name: _identity(f"d/{name}")[1] for name in os.listdir("d")}, before)
    same("numbers in the listing", _listed("d"), listed)


@TOPIC.check(Need.ROOT, Need.DEVICES, Need.REMOUNT, given=_TREE)
def stays_over_changes_and_a_mount() -> Iterator[None]:
    before = {name: _identity(f"d/{name}")[1] for name in os.listdir("d")}
    os.chmod("d/file", 0o600)
    _write("d/empty")
    os.rename("d", "moved")
    os.mkdir("d")
    os.rename("moved/fifo", "d/fifo")
    os.link("moved/socket", "d/socket")
    yield
    after = {name: _identity(f"moved/{name}")[1] for name in os.listdir("moved")}
    same("number of what was renamed", _identity("d/fifo")[1], before.pop("fifo"))
    same("number of what was linked", _identity("d/socket")[1], before["socket"])
    same("links of what was linked", os.lstat("d/socket").st_nlink, 2)
    same("numbers", after, before)
    same("numbers in the listing", _listed("moved"), after)


@TOPIC.check(Need.REMOUNT, given=_LINKS)
def links_stay_links_over_mounts() -> Iterator[None]:
    before = _identity("one")[1]
    os.chmod("two", 0o600)
    yield
    for name in _ALL_NAMES:
        same(f"number of {name}", _identity(name)[1], before)
        same(f"links of {name}", os.stat(name).st_nlink, 3)
        same(f"mode of {name}", os.stat(name).st_mode & 0o777, 0o600)
    _write("d/three")
    yield
    for name in _ALL_NAMES:
        with open(name, "rb") as file:
            same(f"content of {name}", file.read(), b"Xontent")
    os.unlink("one")
    os.setxattr("two", "user.x", b"1")
    yield
    same("links of two", os.stat("two").st_nlink, 2)
    same("links of three", os.stat("d/three").st_nlink, 2)
    same("xattr of three", os.getxattr("d/three", "user.x"), b"1")
    same("numbers", (_identity("two")[1], _identity("d/three")[1]), (before, before))
    holds("one stays away", not os.path.lexists("one"))
