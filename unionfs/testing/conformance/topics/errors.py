"""The errors that a path brings about by itself, for every call that takes one."""

from __future__ import annotations

import os
from errno import EBUSY, EEXIST, EINVAL, EISDIR, ELOOP, ENAMETOOLONG, ENOENT, ENOTDIR, ENOTEMPTY, ENXIO, EPERM

from unionfs.testing.conformance import kinds, pathcalls
from unionfs.testing.conformance.check import Topic
from unionfs.testing.conformance.expect import done, holds, refused, refused_with, same
from unionfs.testing.conformance.needs import Need
from unionfs.testing.conformance.pathcalls import PathCall, cases
from unionfs.testing.stacks import Dir, File, Symlink

TOPIC = Topic("errors")

_HELPED = {pathcalls.HELPER: kinds.FILE, "file": kinds.FILE, "dir": kinds.DIRECTORY}
_EVERY = cases(pathcalls.EVERY)
_MAKING = cases(pathcalls.MAKING)
_EXISTING = cases(pathcalls.ON_NAMES, pathcalls.FOLLOWING, pathcalls.ON_DIRECTORIES, pathcalls.ON_LINKS)


@TOPIC.check(Need.ROOT, given=_HELPED, cases=_EVERY)
def a_file_is_no_directory_on_the_way(call: PathCall) -> None:
    refused(ENOTDIR, call, "file/name")


@TOPIC.check(Need.ROOT, given=_HELPED, cases=_EVERY)
def a_missing_directory_on_the_way(call: PathCall) -> None:
    refused(ENOENT, call, "missing/name")


@TOPIC.check(Need.ROOT, given=_HELPED | {"dangling": Symlink(b"missing")}, cases=_EVERY)
def a_dangling_link_on_the_way(call: PathCall) -> None:
    refused(ENOENT, call, "dangling/name")


@TOPIC.check(Need.ROOT, given=_HELPED | {"to-file": Symlink(b"file")}, cases=_EVERY)
def a_link_to_a_file_on_the_way(call: PathCall) -> None:
    refused(ENOTDIR, call, "to-file/name")


_LOOP = {"one": Symlink(b"two"), "two": Symlink(b"one")}


@TOPIC.check(Need.ROOT, given=_HELPED | _LOOP, cases=_EVERY)
def a_loop_on_the_way(call: PathCall) -> None:
    refused(ELOOP, call, "one/name")


@TOPIC.check(Need.ROOT, given=_LOOP, cases=cases(pathcalls.FOLLOWING, (pathcalls.open_or_create,)))
def a_loop_at_the_end(call: PathCall) -> None:
    refused(ELOOP, call, "one")


@TOPIC.check(Need.ROOT, given=_HELPED, cases=_EVERY)
def a_name_of_256_bytes(call: PathCall) -> None:
    refused(ENAMETOOLONG, call, "n" * 256)


@TOPIC.check(Need.ROOT, given=_HELPED, cases=_EVERY)
def a_name_of_256_bytes_on_the_way(call: PathCall) -> None:
    refused(ENAMETOOLONG, call, "n" * 256 + "/name")


@TOPIC.check(Need.ROOT, given=_HELPED, cases=_EVERY)
def a_name_of_256_bytes_in_a_directory(call: PathCall) -> None:
    refused(ENAMETOOLONG, call, "dir/" + "n" * 256)


@TOPIC.check(Need.ROOT, given=_HELPED, cases=_EVERY)
def a_path_of_4096_bytes(call: PathCall) -> None:
    refused(ENAMETOOLONG, call, "./" * 2047 + "xy")


@TOPIC.check(Need.ROOT, given=_HELPED, cases=_MAKING | cases((pathcalls.open_or_create,)))
def a_new_name_of_255_bytes(call: PathCall) -> None:
    done(call, "dir/" + "n" * 255)
    same("the names in dir", os.listdir("dir"), ["n" * 255])


@TOPIC.check(Need.ROOT, given={"n" * 255: kinds.FILE}, cases=cases(pathcalls.FOLLOWING))
def a_name_of_255_bytes(call: PathCall) -> None:
    if call in (pathcalls.getxattr, pathcalls.removexattr):
        os.setxattr("n" * 255, "user.x", b"")
    done(call, "n" * 255)


@TOPIC.check(Need.ROOT, given=_HELPED, cases=_EXISTING)
def a_missing_name(call: PathCall) -> None:
    refused(ENOENT, call, "missing")


@TOPIC.check(Need.ROOT, given=_HELPED, cases=_EXISTING)
def a_missing_name_in_a_directory(call: PathCall) -> None:
    refused(ENOENT, call, "dir/missing")


@TOPIC.check(Need.ROOT, given={"dangling": Symlink(b"missing")}, cases=cases(pathcalls.FOLLOWING))
def a_dangling_link(call: PathCall) -> None:
    refused(ENOENT, call, "dangling")


@TOPIC.check(given={"dangling": Symlink(b"made")})
def creating_through_a_dangling_link() -> None:
    done(pathcalls.open_or_create, "dangling")
    same("the names here", sorted(os.listdir()), ["dangling", "made"])


@TOPIC.check(Need.ROOT, given=_HELPED, cases=cases(pathcalls.EVERY))
def the_empty_path(call: PathCall) -> None:
    refused(ENOENT, call, "")


_TAKING = cases(
    tuple(call for call in (*pathcalls.MAKING, *pathcalls.MAKING_DEVICES) if call is not pathcalls.rename_to)
)
_TAKEN = {f"{call},{kind}": (call, kind) for call, (function,) in _TAKING.items() for kind in kinds.KINDS}
_TAKEN_ARGUMENTS = {name: (getattr(pathcalls, call), kind) for name, (call, kind) in _TAKEN.items()}


@TOPIC.check(Need.ROOT, given=kinds.KINDS | _HELPED, cases=_TAKEN_ARGUMENTS)
def a_name_that_is_taken(call: PathCall, kind: str) -> None:
    before = os.lstat(kind)
    refused(EEXIST, call, kind)
    same("the file that has the name", os.lstat(kind)[:4], before[:4])


@TOPIC.check(Need.ROOT, given=kinds.KINDS, cases=kinds.each(set(kinds.KINDS) - {"dir"}))
def rmdir_of_what_is_no_directory(kind: str) -> None:
    refused(ENOTDIR, os.rmdir, kind)
    holds(f"{kind} is still there", os.path.lexists(kind))


@TOPIC.check(Need.ROOT, given=kinds.KINDS, cases=kinds.each(set(kinds.KINDS) - {"dir", "symlink"}))
def a_slash_behind_what_is_no_directory(kind: str) -> None:
    for call in (pathcalls.lstat, pathcalls.stat, pathcalls.unlink, pathcalls.rmdir, pathcalls.rename_from):
        refused(ENOTDIR, call, kind + "/")
    refused(ENOTDIR, os.listdir, kind)
    refused(ENOTDIR, os.chdir, kind)


@TOPIC.check(Need.ROOT, given=kinds.KINDS, cases=kinds.each(set(kinds.KINDS) - {"symlink"}))
def readlink_of_what_is_no_link(kind: str) -> None:
    refused(EINVAL, os.readlink, kind)


@TOPIC.check(given={"d": Dir()})
def unlink_of_a_directory() -> None:
    refused_with((EISDIR, EPERM), os.unlink, "d")
    holds("d is still a directory", os.path.isdir("d"))


@TOPIC.check(given={"d": Dir()})
def the_dots_of_a_directory() -> None:
    refused(EINVAL, os.rmdir, "d/.")
    refused_with((ENOTEMPTY, EINVAL), os.rmdir, "d/..")
    refused(EEXIST, os.mkdir, "d/.")
    refused(EEXIST, os.mkdir, "d/..")
    refused_with((EISDIR, EINVAL), os.unlink, "d/.")
    refused_with((EBUSY, EINVAL), os.rename, "d/.", "e")
    refused_with((EBUSY, EINVAL), os.rename, "d/..", "e")
    refused_with((EBUSY, EINVAL, EEXIST, ENOTEMPTY), os.rename, "d", "d/..")


@TOPIC.check(given={"d": Dir(), "d/x": kinds.FILE})
def rmdir_of_a_directory_that_holds_a_file() -> None:
    refused_with((ENOTEMPTY, EEXIST), os.rmdir, "d")
    same("the names in d", os.listdir("d"), ["x"])


@TOPIC.check(given={"d": Dir(), "d/e": Dir()})
def rmdir_of_a_directory_that_holds_a_directory() -> None:
    refused_with((ENOTEMPTY, EEXIST), os.rmdir, "d")
    done(os.rmdir, "d/e")
    done(os.rmdir, "d")
    holds("d is gone", not os.path.lexists("d"))


@TOPIC.check(
    given={"d": Dir()}, cases=cases((pathcalls.open_to_write, pathcalls.open_to_truncate, pathcalls.truncate))
)
def writing_to_a_directory(call: PathCall) -> None:
    refused(EISDIR, call, "d")


@TOPIC.check(given={"d": Dir()})
def creating_where_a_directory_is() -> None:
    refused(EISDIR, os.open, "d", os.O_CREAT | os.O_RDWR, 0o644)
    refused(EEXIST, os.open, "d", os.O_CREAT | os.O_EXCL | os.O_RDONLY, 0o644)
    refused(ENOENT, os.mkdir, "d/missing/e")


@TOPIC.check(given={"f": File(b"12345"), "fifo": kinds.KINDS["fifo"]})
def sizes_that_cannot_be() -> None:
    refused(EINVAL, os.truncate, "f", -1)
    refused(EINVAL, os.truncate, "fifo", 1)
    same("size of f", os.stat("f").st_size, 5)


@TOPIC.check(given={"fifo": kinds.KINDS["fifo"], "socket": kinds.KINDS["socket"]})
def opening_what_nobody_serves() -> None:
    refused(ENXIO, os.open, "fifo", os.O_WRONLY | os.O_NONBLOCK)
    refused(ENXIO, os.open, "socket", os.O_RDONLY)
    os.close(done(os.open, "fifo", os.O_RDONLY | os.O_NONBLOCK))


@TOPIC.check()
def symbolic_links_that_cannot_be() -> None:
    refused(ENOENT, os.symlink, "", "empty")
    refused(ENAMETOOLONG, os.symlink, "x" * 4096, "long")
    done(os.symlink, "x" * 4000, "fits")
    same("the target", len(os.readlink("fits")), 4000)
    same("size of the link", os.lstat("fits").st_size, 4000)


@TOPIC.check(given={"d": Dir(), "f": kinds.FILE})
def hard_links_that_cannot_be() -> None:
    refused(EPERM, os.link, "d", "e")
    refused(EEXIST, os.link, "f", "f")
    refused(EEXIST, os.link, "f", "d")
    same("links of f", os.stat("f").st_nlink, 1)


@TOPIC.check(given={"link": Symlink(b"file"), "file": kinds.FILE})
def not_following() -> None:
    for flags in (os.O_RDONLY, os.O_WRONLY, os.O_RDWR, os.O_RDONLY | os.O_CREAT):
        refused(ELOOP, os.open, "link", flags | os.O_NOFOLLOW)
    refused(ENOTDIR, os.open, "file", os.O_RDONLY | os.O_DIRECTORY)
    refused(ENOTDIR, os.open, "link", os.O_RDONLY | os.O_DIRECTORY)
