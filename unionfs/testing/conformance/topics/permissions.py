"""Who may do what: permission bits, ownership, sticky directories, supplementary groups."""

from __future__ import annotations

import itertools
import mmap
import os
from collections.abc import Callable
from errno import EACCES, EPERM

from unionfs.testing.conformance import calls, kinds, pathcalls
from unionfs.testing.conformance.caller import OTHER, USER, Caller
from unionfs.testing.conformance.check import Topic
from unionfs.testing.conformance.expect import done, holds, mode, refused, refused_with, same
from unionfs.testing.conformance.needs import Need
from unionfs.testing.conformance.pathcalls import HELPER, PathCall, cases
from unionfs.testing.stacks import Dir, File, Item, Meta, Symlink

TOPIC = Topic("permissions")

_OPEN = Meta(0o777, USER.uid, USER.gid)
_MINE = Meta(0o644, USER.uid, USER.gid)


def _dir(bits: int, owner: Caller = USER) -> Dir:
    return Dir(Meta(bits, owner.uid, owner.gid))


# Ways that are closed

_UNPRIVILEGED = cases(tuple(filter(pathcalls.is_unprivileged, pathcalls.EVERY)))


def _on_path(call: PathCall, path: str) -> None:
    """`call`, from a directory in which the helper can be used and made."""
    os.chdir("home")
    call(os.path.join("..", path))


_HOME: dict[str, Item] = {
    "home": _dir(0o755),
    f"home/{HELPER}": File(b"", _MINE),
}


@TOPIC.check(
    Need.ROOT,
    given=_HOME | {"d": _dir(0o644), "d/f": File(b"", _OPEN)},
    cases=_UNPRIVILEGED,
)
def a_directory_that_must_not_be_searched(call: PathCall) -> None:
    refused(EACCES, _on_path, call, "d/f", by=USER)
    refused(EACCES, _on_path, call, "d/missing", by=USER)


_CHANGING_NAMES = cases(pathcalls.MAKING)
_TAKING_NAMES = cases((pathcalls.unlink, pathcalls.rename_from))


@TOPIC.check(Need.ROOT, given=_HOME | {"d": _dir(0o555)}, cases=_CHANGING_NAMES)
def making_a_name_where_nothing_may_be_written(call: PathCall) -> None:
    refused(EACCES, _on_path, call, "d/new", by=USER)
    same("the names in d", os.listdir("d"), [])


@TOPIC.check(Need.ROOT, given=_HOME | {"d": _dir(0o755, OTHER)}, cases=_CHANGING_NAMES)
def making_a_name_in_a_strangers_directory(call: PathCall) -> None:
    refused(EACCES, _on_path, call, "d/new", by=USER)
    same("the names in d", os.listdir("d"), [])


@TOPIC.check(Need.ROOT, given=_HOME | {"d": _dir(0o555), "d/f": File(b"", _MINE)}, cases=_TAKING_NAMES)
def removing_a_name_where_nothing_may_be_written(call: PathCall) -> None:
    refused(EACCES, _on_path, call, "d/f", by=USER)
    same("the names in d", os.listdir("d"), ["f"])


@TOPIC.check(Need.ROOT, given={"d": _dir(0o555), "d/e": _dir(0o777)})
def removing_a_directory_where_nothing_may_be_written() -> None:
    refused(EACCES, os.rmdir, "d/e", by=USER)


@TOPIC.check(Need.ROOT, given={"d": _dir(0o755), "d/e": _dir(0o755), "n": _dir(0o555)})
def renaming_where_nothing_may_be_written() -> None:
    refused(EACCES, os.rename, "d/e", "n/e", by=USER)
    os.chmod("n", 0o755)
    done(os.rename, "d/e", "n/e", by=USER)


@TOPIC.check(Need.ROOT, given={"d": _dir(0o777), "d/e": _dir(0o755, OTHER), "n": _dir(0o777)})
def moving_a_directory_that_must_not_be_written() -> None:
    """Its ``..`` would change."""
    refused(EACCES, os.rename, "d/e", "n/e", by=USER)
    done(os.rename, "d/e", "d/x", by=USER)


# What bits allow

_ACCESSES = {"r": os.R_OK, "w": os.W_OK, "x": os.X_OK}
_OPENS = {
    "r": os.O_RDONLY,
    "w": os.O_WRONLY,
    "rw": os.O_RDWR,
    "wt": os.O_WRONLY | os.O_TRUNC,
    "rt": os.O_RDONLY | os.O_TRUNC,
    "wa": os.O_WRONLY | os.O_APPEND,
}
_CLASSES = {
    "owner": (USER, 6),
    "group": (Caller(OTHER.uid, USER.gid), 3),
    "supplementary": (Caller(OTHER.uid, OTHER.gid, (1, USER.gid)), 3),
    "other": (OTHER, 0),
}
_BITS = {
    f"{who},{bits}": (caller, shift, bits) for who, (caller, shift) in _CLASSES.items() for bits in range(8)
}


@TOPIC.check(Need.ROOT, given={"f": File(b"data", _MINE)}, cases=_BITS)
def bits_of_a_file(caller: Caller, shift: int, bits: int) -> None:
    os.chmod("f", bits << shift)
    for name, flags in _OPENS.items():
        if _allows(bits, name):
            os.chmod("f", bits << shift)
            done(_open_and_close, "f", flags, by=caller)
        else:
            refused(EACCES, _open_and_close, "f", flags, by=caller)
    for letter, asked in _ACCESSES.items():
        allowed = bool(bits & {"r": 4, "w": 2, "x": 1}[letter])
        same(f"access for {letter} by {caller}", caller.run(os.access, "f", asked), allowed)


def _allows(bits: int, name: str) -> bool:
    needed = (4 if name.startswith("r") else 0) | (2 if "w" in name or "t" in name else 0)
    return bits & needed == needed


def _open_and_close(path: str, flags: int) -> None:
    os.close(os.open(path, flags))


@TOPIC.check(Need.ROOT, given={"d": _dir(0o755), "d/f": File(b"", Meta(0o666))}, cases=_BITS)
def bits_of_a_directory(caller: Caller, shift: int, bits: int) -> None:
    os.chmod("d", bits << shift)
    _by_bit(bits & 4, os.listdir, "d", by=caller)
    _by_bit(bits & 1, os.stat, "d/f", by=caller)
    _by_bit(bits & 1, os.chdir, "d", by=caller)
    _by_bit(bits & 1 and bits & 2, os.mkdir, "d/new", by=caller)
    _by_bit(bits & 1 and bits & 2, os.unlink, "d/f", by=caller)


def _by_bit(allowed: object, call: PathCall, path: str, by: Caller) -> None:
    if allowed:
        done(call, path, by=by)
    else:
        refused(EACCES, call, path, by=by)


@TOPIC.check(Need.ROOT, given={"f": File(b"data", _MINE)})
def the_owner_has_only_the_owners_bits() -> None:
    os.chmod("f", 0o077)
    refused(EACCES, _open_and_close, "f", os.O_RDONLY, by=USER)
    os.chmod("f", 0o707)
    refused(EACCES, _open_and_close, "f", os.O_RDONLY, by=Caller(OTHER.uid, USER.gid))
    done(_open_and_close, "f", os.O_RDONLY, by=OTHER)


@TOPIC.check(Need.ROOT, given={"f": File(b"data", _MINE)}, cases=_BITS)
def truncate_needs_the_bit_to_write(caller: Caller, shift: int, bits: int) -> None:
    os.chmod("f", bits << shift)
    if bits & 2:
        done(os.truncate, "f", 1, by=caller)
    else:
        refused(EACCES, os.truncate, "f", 1, by=caller)
        same("size of f", os.stat("f").st_size, 4)


# Sticky directories

_STICKY_OWNERS = {"root": (0, 0), "user": USER[:2], "other": OTHER[:2]}
_STICKY = {
    f"dir-{directory},file-{file},{kind}": (directory, file, kind)
    for directory, file, kind in itertools.product(_STICKY_OWNERS, _STICKY_OWNERS, kinds.KINDS)
}


def _made_in_sticky(directory: str, file: str, kind: str, at: str, name: str) -> str:
    """A file of `kind` at a name in a sticky directory that others may write to."""
    os.mkdir(at)
    os.chown(at, *_STICKY_OWNERS[directory])
    os.chmod(at, 0o1777)
    path = f"{at}/{name}"
    os.rename(kind, path)
    os.lchown(path, *_STICKY_OWNERS[file])
    return path


def _may_take(directory: str, file: str) -> bool:
    return "user" in (directory, file)


@TOPIC.check(Need.ROOT, given=kinds.KINDS, cases=_STICKY)
def removing_from_a_sticky_directory(directory: str, file: str, kind: str) -> None:
    path = _made_in_sticky(directory, file, kind, "sticky", "x")
    remove = os.rmdir if kind == "dir" else os.unlink
    if _may_take(directory, file):
        done(remove, path, by=USER)
        holds("it is gone", not os.path.lexists(path))
    else:
        refused_with((EPERM, EACCES), remove, path, by=USER)
        holds("it is still there", os.path.lexists(path))


@TOPIC.check(Need.ROOT, given=kinds.KINDS | {"home": _dir(0o755)}, cases=_STICKY)
def renaming_from_a_sticky_directory(directory: str, file: str, kind: str) -> None:
    path = _made_in_sticky(directory, file, kind, "sticky", "x")
    for new in ("sticky/y", "home/y"):
        if not _may_take(directory, file):
            refused_with((EPERM, EACCES), os.rename, path, new, by=USER)
            holds("it is still there", os.path.lexists(path))
        elif kind == "dir" and file != "user" and new.startswith("home"):
            refused_with((EPERM, EACCES), os.rename, path, new, by=USER)
        else:
            done(os.rename, path, new, by=USER)
            done(os.rename, new, path)


_REPLACING = {
    f"{name},{kind}": (*arguments[:2], kind)
    for name, arguments in {
        f"dir-{directory},file-{file}": (directory, file)
        for directory, file in itertools.product(_STICKY_OWNERS, _STICKY_OWNERS)
    }.items()
    for kind in kinds.KINDS
}


@TOPIC.check(
    Need.ROOT,
    given=kinds.KINDS | {"home": _dir(0o755), "home/f": File(b"", _MINE), "home/d": _dir(0o755)},
    cases=_REPLACING,
)
def replacing_in_a_sticky_directory(directory: str, file: str, kind: str) -> None:
    path = _made_in_sticky(directory, file, kind, "sticky", "x")
    old = "home/d" if kind == "dir" else "home/f"
    if _may_take(directory, file):
        done(os.rename, old, path, by=USER)
    else:
        refused_with((EPERM, EACCES), os.rename, old, path, by=USER)
        holds("the old name is still there", os.path.lexists(old))


# Owners and modes

_FOREIGN: dict[str, Item] = {"f": File(b"data", Meta(0o666, OTHER.uid, OTHER.gid)), "d": _dir(0o777, OTHER)}
_OWN: dict[str, Item] = {"f": File(b"data", _MINE), "d": _dir(0o755)}


@TOPIC.check(Need.ROOT, given=_FOREIGN, cases=kinds.each(_FOREIGN))
def changing_attributes_of_a_strangers_file(path: str) -> None:
    refused(EPERM, os.chmod, path, 0o777, by=USER)
    refused(EPERM, os.chown, path, USER.uid, -1, by=USER)
    refused(EPERM, os.chown, path, -1, USER.gid, by=USER)
    refused(EPERM, calls.set_times, path, 1, 1, by=USER)
    done(calls.set_times, path, calls.NOW, calls.NOW, by=USER)  # the bits allow to write
    done(calls.set_times, path, calls.OMIT, calls.OMIT, by=USER)
    os.chmod(path, 0o755)
    refused(EACCES, calls.set_times, path, calls.NOW, calls.NOW, by=USER)
    refused(EPERM, calls.set_times, path, calls.NOW, calls.OMIT, by=USER)


@TOPIC.check(Need.ROOT, given=_OWN, cases=kinds.each(_OWN))
def changing_attributes_of_ones_own_file(path: str) -> None:
    member = USER._replace(groups=(7, 8))
    done(os.chmod, path, 0o710, by=member)
    mode(path, 0o710)
    done(os.chown, path, -1, 8, by=member)
    done(os.chown, path, USER.uid, 7, by=member)
    same("group", os.stat(path).st_gid, 7)
    refused(EPERM, os.chown, path, -1, 9, by=member)
    refused(EPERM, os.chown, path, OTHER.uid, -1, by=member)
    refused(EPERM, os.chown, path, 0, 0, by=member)
    done(calls.set_times, path, 10**9, 2 * 10**9, by=member)
    same("its times", (os.stat(path).st_atime_ns, os.stat(path).st_mtime_ns), (10**9, 2 * 10**9))


@TOPIC.check(Need.ROOT, given={"l": Symlink(b"f", Meta(0o777, USER.uid, USER.gid)), "f": File(b"")})
def ownership_of_a_link_itself() -> None:
    done(os.lchown, "l", -1, 7, by=USER._replace(groups=(7,)))
    same("group of the link", os.lstat("l").st_gid, 7)
    same("group of the file", os.stat("f").st_gid, 0)
    refused(EPERM, os.lchown, "l", OTHER.uid, -1, by=USER)
    done(os.lchown, "l", 5, 6)
    same("owner of the link", os.lstat("l")[4:6], (5, 6))
    same("owner of the file", os.stat("f")[4:6], (0, 0))


@TOPIC.check(Need.ROOT, given={"f": File(b"", _MINE)})
def a_setgid_bit_of_a_foreign_group() -> None:
    os.chown("f", USER.uid, 7)
    done(os.chmod, "f", 0o2755, by=USER)
    mode("f", 0o755)
    done(os.chmod, "f", 0o2755, by=USER._replace(groups=(7,)))
    mode("f", 0o2755)


_SET_ID_MODES = {f"{bits:04o}": (bits,) for bits in (0o4755, 0o2755, 0o6755, 0o6777, 0o2745, 0o6644, 0o4644)}


def _without_set_id(bits: int) -> int:
    """chown(2) and write(2): setgid stays where the group may not execute."""
    return bits & ~0o4000 & ~(0o2000 if bits & 0o010 else 0)


@TOPIC.check(Need.ROOT, given={"f": File(b"data", _MINE)}, cases=_SET_ID_MODES)
def a_new_owner_takes_set_id_bits(bits: int) -> None:
    os.chmod("f", bits)
    mode("f", bits)
    done(os.chown, "f", 5, 6)
    mode("f", _without_set_id(bits))


@TOPIC.check(Need.ROOT, given=kinds.KINDS, cases=kinds.each(set(kinds.KINDS) - {"dir", "symlink"}))
def a_new_owner_takes_set_id_bits_of_every_kind(kind: str) -> None:
    os.chmod(kind, 0o6755)
    done(os.chown, kind, 5, 6)
    mode(kind, 0o755)
    os.chmod(kind, 0o2745)
    done(os.chown, kind, 7, 8)
    mode(kind, 0o2745)


@TOPIC.check(Need.ROOT, given={"f": File(b"data", _MINE)}, cases=_SET_ID_MODES)
def changing_the_group_takes_set_id_bits(bits: int) -> None:
    member = USER._replace(groups=(7,))
    os.chmod("f", bits)
    done(os.chown, "f", -1, 7, by=member)
    mode("f", _without_set_id(bits))
    os.chmod("f", bits)
    done(os.chown, "f", -1, -1, by=member)
    mode("f", _without_set_id(bits))


@TOPIC.check(Need.ROOT, given={"f": File(b"data", _MINE)})
def a_stranger_takes_no_set_id_bits_by_changing_nothing() -> None:
    for change in (os.chown, os.lchown):
        done(change, "f", -1, -1, by=OTHER)
        os.chmod("f", 0o6755)
        refused(EPERM, change, "f", -1, -1, by=OTHER)
        mode("f", 0o6755)
        done(change, "f", -1, -1, by=USER)
        mode("f", 0o755)


@TOPIC.check(Need.ROOT, given={"d": _dir(0o755)})
def a_directory_keeps_its_set_id_bits() -> None:
    os.chmod("d", 0o6755)
    done(os.chown, "d", -1, USER.gid, by=USER)
    mode("d", 0o6755)
    done(os.chown, "d", 5, 6)
    mode("d", 0o6755)


def _write(path: str) -> None:
    fd = os.open(path, os.O_WRONLY)
    try:
        os.write(fd, b"x")
    finally:
        os.close(fd)


def _truncate_open(path: str) -> None:
    fd = os.open(path, os.O_WRONLY)
    try:
        os.ftruncate(fd, 1)
    finally:
        os.close(fd)


def _open_truncating(path: str) -> None:
    os.close(os.open(path, os.O_WRONLY | os.O_TRUNC))


def _truncate(path: str) -> None:
    os.truncate(path, 1)


_WRITING = {
    f"{call.__name__.strip('_')},{bits:04o}": (call, bits)
    for call in (_write, _truncate_open, _open_truncating, _truncate)
    for bits in (0o4777, 0o2777, 0o6777, 0o2767, 0o6666)
}


@TOPIC.check(Need.ROOT, given={"f": File(b"data", _MINE)}, cases=_WRITING)
def writing_takes_set_id_bits(call: PathCall, bits: int) -> None:
    os.chmod("f", bits)
    done(call, "f", by=OTHER)
    mode("f", bits & ~0o6000)
    os.chmod("f", bits)
    done(call, "f", by=USER)
    mode("f", _without_set_id(bits))


def _allocate(fd: int) -> None:
    calls.fallocate(fd, 0, 0, 9)


def _punch(fd: int) -> None:
    calls.fallocate(fd, calls.PUNCH_HOLE | calls.KEEP_SIZE, 0, 4)


def _copy_into(fd: int) -> None:
    os.copy_file_range(os.open("f", os.O_RDONLY), fd, 2, 0, 2)


def _splice(fd: int) -> None:
    end, pipe = os.pipe()
    os.write(pipe, b"x")
    os.splice(end, fd, 1)


def _write_directly(fd: int) -> None:
    os.writev(fd, [mmap.mmap(-1, 4096)])


_WAYS_OF_WRITING = {
    call.__name__.strip("_"): (call, flags)
    for call, flags in {
        _allocate: 0, _punch: 0, _copy_into: 0, _splice: 0, _write_directly: os.O_DIRECT,
    }.items()
}  # fmt: skip


@TOPIC.check(Need.ROOT, given={"f": File(b"data", _MINE)}, cases=_WAYS_OF_WRITING)
def every_way_of_writing_takes_set_id_bits(write: Callable[[int], None], flags: int) -> None:
    os.chmod("f", 0o6777)
    done(_write_by, write, flags, by=OTHER)
    mode("f", 0o777)


def _write_by(write: Callable[[int], None], flags: int) -> None:
    fd = os.open("f", os.O_RDWR | flags)
    write(fd)
    os.close(fd)


@TOPIC.check(Need.ROOT, Need.FIRST_NAMESPACE, given={"f": File(b"data", _MINE)}, cases=_WRITING)
def writing_as_root_keeps_set_id_bits(call: PathCall, bits: int) -> None:
    os.chmod("f", bits)
    done(call, "f")
    mode("f", bits)


@TOPIC.check(Need.ROOT, given={"f": File(b"data", _MINE)})
def writing_in_turn_takes_set_id_bits_each_time() -> None:
    for _ in range(3):
        os.chmod("f", 0o6777)
        done(_write, "f", by=OTHER)
        mode("f", 0o777)


# What is made

_MAKERS = {
    "file": lambda path: os.close(os.open(path, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o666)),
    "dir": lambda path: os.mkdir(path, 0o777),
    "fifo": lambda path: os.mkfifo(path, 0o666),
    "node": lambda path: os.mknod(path, calls.FILE | 0o666),
    "socket": lambda path: os.mknod(path, calls.SOCKET | 0o666),
    "symlink": lambda path: os.symlink("x", path),
}
_MADE = {f"{kind},umask-{mask:03o}": (kind, mask) for kind in _MAKERS for mask in (0, 0o022, 0o077, 0o777)}


@TOPIC.check(Need.ROOT, given={"d": _dir(0o777, OTHER)}, cases=_MADE)
def something_new(kind: str, mask: int) -> None:
    os.umask(mask)
    done(_make, kind, "d/new", by=USER)
    found = os.lstat("d/new")
    same("its owner", (found.st_uid, found.st_gid), USER[:2])
    same("its links", found.st_nlink, found.st_nlink if kind == "dir" else 1)
    wanted = {"dir": 0o777 & ~mask, "symlink": 0o777}.get(kind, 0o666 & ~mask)
    mode("d/new", wanted)


def _make(kind: str, path: str) -> None:
    _MAKERS[kind](path)


@TOPIC.check(Need.ROOT, given={"d": Dir(Meta(0o2777, OTHER.uid, 7))}, cases=kinds.each(_MAKERS))
def something_new_in_a_setgid_directory(kind: str) -> None:
    os.umask(0o022)
    done(_make, kind, "d/new", by=USER)
    found = os.lstat("d/new")
    same("its owner", (found.st_uid, found.st_gid), (USER.uid, 7))
    mode("d/new", {"dir": 0o2755, "symlink": 0o777}.get(kind, 0o644))


_NEW_MODES = {f"{bits:04o}": (bits,) for bits in (0o4755, 0o2755, 0o1755, 0o7777, 0o0000, 0o0151, 0o6000)}


@TOPIC.check(Need.ROOT, given={"d": _dir(0o777, OTHER)}, cases=_NEW_MODES)
def special_bits_of_a_new_file(bits: int) -> None:
    os.umask(0)
    done(_create_with, "d/f", bits, by=USER)
    mode("d/f", bits)


def _create_with(path: str, bits: int) -> None:
    os.close(os.open(path, os.O_CREAT | os.O_EXCL | os.O_RDWR, bits))


@TOPIC.check(Need.ROOT, given={"d": Dir(Meta(0o2777, OTHER.uid, 7))})
def a_setgid_file_of_a_foreign_group_cannot_be_made() -> None:
    os.umask(0)
    done(_create_with, "d/f", 0o2755, by=USER)
    mode("d/f", 0o755)
    done(_create_with, "d/g", 0o2755, by=USER._replace(groups=(7,)))
    mode("d/g", 0o2755)


@TOPIC.check(Need.ROOT, given={"d": _dir(0o777, OTHER)})
def a_file_that_its_maker_may_not_open_again() -> None:
    done(_create_and_write, "d/f", by=USER)
    mode("d/f", 0)
    same("size of d/f", os.stat("d/f").st_size, 1)
    refused(EACCES, _open_and_close, "d/f", os.O_RDONLY, by=USER)


def _create_and_write(path: str) -> None:
    fd = os.open(path, os.O_CREAT | os.O_WRONLY, 0)
    os.write(fd, b"x")
    os.close(fd)


@TOPIC.check(Need.ROOT)
def devices_are_for_root() -> None:
    os.mkdir("d")
    os.chmod("d", 0o777)
    for kind in (calls.CHAR, calls.BLOCK):
        refused(EPERM, os.mknod, "d/device", kind | 0o666, os.makedev(1, 3), by=USER)
    done(os.mknod, "d/fifo", calls.FIFO | 0o666, 0, by=USER)


@TOPIC.check(Need.ROOT, given={"f": File(b"12", _MINE)})
def root_may_read_and_write_everything() -> None:
    os.chmod("f", 0)
    done(_open_and_close, "f", os.O_RDWR)
    refused(EACCES, os.execv, "./f", ["f"])


_CHMODS = {
    f"{kind},{bits:04o}": (kind, bits)
    for kind in set(kinds.KINDS) - {"symlink"}
    for bits in (0, 0o111, 0o444, 0o751, 0o777, 0o1755, 0o2755, 0o4755, 0o7777)
}


@TOPIC.check(Need.ROOT, given=kinds.KINDS, cases=_CHMODS)
def chmod_sets_every_bit(kind: str, bits: int) -> None:
    done(os.chmod, kind, bits)
    mode(kind, bits)
    same("what it is", os.lstat(kind).st_mode & 0o170000, kinds.format_of(kinds.KINDS[kind]))


_CHOWNS = {
    f"{kind},{uid},{gid}": (kind, uid, gid)
    for kind in kinds.KINDS
    for uid, gid in ((1, 2), (1, -1), (-1, 2), (-1, -1), (0xFFFF_FFFE, 70000))
}


@TOPIC.check(Need.ROOT, given=kinds.KINDS, cases=_CHOWNS)
def chown_sets_what_it_is_told(kind: str, uid: int, gid: int) -> None:
    before = os.lstat(kind)
    done(os.lchown, kind, uid, gid)
    found = os.lstat(kind)
    same("owner", found.st_uid, before.st_uid if uid == -1 else uid)
    same("group", found.st_gid, before.st_gid if gid == -1 else gid)
