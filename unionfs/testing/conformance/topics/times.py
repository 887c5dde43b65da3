"""Which times a call changes, of the file and of its directory, and that a refused one changes none."""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from functools import partial

from unionfs.testing.conformance import calls, kinds, pathcalls
from unionfs.testing.conformance.caller import USER
from unionfs.testing.conformance.check import Topic
from unionfs.testing.conformance.expect import done, holds, refused_with, same
from unionfs.testing.conformance.needs import Need
from unionfs.testing.conformance.pathcalls import HELPER, PathCall
from unionfs.testing.stacks import Dir, File, HardLink, Item, Meta, Symlink

TOPIC = Topic("times")

_TICK = 0.012
"""Seconds in which the kernel's coarse clock is sure to go on."""

Times = tuple[int, int]


def _times(path: str) -> Times:
    """Modification and change, in nanoseconds."""
    found = os.lstat(path)
    return found.st_mtime_ns, found.st_ctime_ns


def _moved_on(what: str, before: Times, after: Times, *, mtime: bool, ctime: bool) -> None:
    for name, index, wanted in (("mtime", 0, mtime), ("ctime", 1, ctime)):
        if wanted:
            holds(f"{name} of {what} moved on", after[index] > before[index])
        else:
            same(f"{name} of {what}", after[index], before[index])


def _watching(call: Callable[[], object], **wanted: tuple[bool, bool]) -> None:
    """Compare times before and after `call`: path to whether mtime and ctime must move on."""
    before = {path: _times(path.replace("_", "/") or ".") for path in wanted}
    time.sleep(_TICK)
    call()
    for path, (mtime, ctime) in wanted.items():
        place = path.replace("_", "/") or "."
        _moved_on(place, before[path], _times(place), mtime=mtime, ctime=ctime)


BOTH, NEITHER, CHANGE = (True, True), (False, False), (False, True)


@TOPIC.check(
    Need.ROOT,
    given={"d": Dir(), HELPER: kinds.FILE},
    cases=pathcalls.cases(pathcalls.MAKING, (pathcalls.open_or_create,)),
)
def making_a_name(call: PathCall) -> None:
    _watching(lambda: done(call, "d/new"), d=BOTH)


@TOPIC.check(Need.ROOT, Need.DEVICES, given={"d": Dir()}, cases=pathcalls.cases(pathcalls.MAKING_DEVICES))
def making_a_device(call: PathCall) -> None:
    _watching(lambda: done(call, "d/new"), d=BOTH)


@TOPIC.check(
    Need.ROOT,
    given={"d": Dir()},
    cases=pathcalls.cases(
        (
            pathcalls.create,
            pathcalls.mkdir,
            pathcalls.mkfifo,
            pathcalls.mknod,
            pathcalls.symlink,
            pathcalls.mksocket,
        )
    ),
)
def something_new_is_dated_now(call: PathCall) -> None:
    before = _times("d")
    time.sleep(_TICK)
    done(call, "d/new")
    found, around = os.lstat("d/new"), os.lstat("d")
    holds("mtime is of now", found.st_mtime_ns > before[1])
    holds("ctime is of now", found.st_ctime_ns > before[1])
    holds("atime is of now", found.st_atime_ns > before[1])
    holds("no more than a second from now", abs(found.st_mtime_ns - time.time_ns()) < 10**9)
    holds("not before its directory's", abs(found.st_mtime_ns - around.st_mtime_ns) < 10**8)


_IN_D: dict[str, Item] = {"d": Dir()} | {f"d/{name}": item for name, item in kinds.KINDS.items()}


@TOPIC.check(Need.ROOT, given=_IN_D, cases=kinds.each())
def removing_a_name(kind: str) -> None:
    remove = os.rmdir if kind == "dir" else os.unlink
    _watching(lambda: done(remove, f"d/{kind}"), d=BOTH)


@TOPIC.check(given={"d": Dir(), "d/f": File(b""), "d/g": HardLink(b"d/f")})
def removing_one_of_two_names() -> None:
    _watching(lambda: done(os.unlink, "d/f"), d=BOTH, d_g=CHANGE)


@TOPIC.check(given={"d": Dir(), "d/f": File(b""), "e": Dir()})
def linking() -> None:
    _watching(lambda: done(os.link, "d/f", "e/g"), d_f=CHANGE, e=BOTH, d=NEITHER)


@TOPIC.check(Need.ROOT, given=_IN_D | {"e": Dir()}, cases=kinds.each())
def renaming(kind: str) -> None:
    before = _times(f"d/{kind}")
    _watching(lambda: done(os.rename, f"d/{kind}", "e/new"), d=BOTH, e=BOTH)
    same("mtime of it", _times("e/new")[0], before[0])
    holds("ctime of it moved on", _times("e/new")[1] > before[1])


@TOPIC.check(given={"d": Dir(), "d/f": File(b""), "d/g": File(b""), "d/h": HardLink(b"d/g")})
def replacing() -> None:
    _watching(lambda: done(os.rename, "d/f", "d/g"), d=BOTH, d_h=CHANGE)


@TOPIC.check(given={"d": Dir(), "d/f": File(b""), "e": Dir(), "e/g": Dir()})
def exchanging() -> None:
    _watching(lambda: done(calls.rename_exchange, "d/f", "e/g"), d=BOTH, e=BOTH)


@TOPIC.check(Need.ROOT, given=_IN_D, cases=kinds.each(set(kinds.KINDS) - {"symlink"}))
def chmod(kind: str) -> None:
    _watching(lambda: done(os.chmod, f"d/{kind}", 0o711), **{f"d_{kind}": CHANGE, "d": NEITHER})


@TOPIC.check(Need.ROOT, given=_IN_D, cases=kinds.each())
def chown(kind: str) -> None:
    _watching(lambda: done(os.lchown, f"d/{kind}", 1, 2), **{f"d_{kind}": CHANGE, "d": NEITHER})
    _watching(lambda: done(os.lchown, f"d/{kind}", -1, -1), **{f"d_{kind}": CHANGE, "d": NEITHER})


@TOPIC.check(Need.ROOT, given=_IN_D, cases=kinds.each(("file", "dir")))
def xattrs(kind: str) -> None:
    path = f"d/{kind}"
    _watching(lambda: done(os.setxattr, path, "user.x", b"1"), **{f"d_{kind}": CHANGE, "d": NEITHER})
    _watching(lambda: done(os.setxattr, path, "user.x", b"2"), **{f"d_{kind}": CHANGE, "d": NEITHER})
    _watching(lambda: done(os.removexattr, path, "user.x"), **{f"d_{kind}": CHANGE, "d": NEITHER})


_SIZES = {str(size): (size,) for size in (0, 1, 17, 18, 4096)}


@TOPIC.check(given=_IN_D, cases=_SIZES)
def truncate(size: int) -> None:
    _watching(lambda: done(os.truncate, "d/file", size), d_file=BOTH, d=NEITHER)


@TOPIC.check(given=_IN_D, cases=_SIZES)
def ftruncate(size: int) -> None:
    fd = os.open("d/file", os.O_RDWR)
    _watching(lambda: done(os.ftruncate, fd, size), d_file=BOTH, d=NEITHER)
    os.close(fd)


@TOPIC.check(given=_IN_D)
def opening_with_truncation() -> None:
    _watching(lambda: done(pathcalls.open_to_truncate, "d/file"), d_file=BOTH, d=NEITHER)
    _watching(lambda: done(pathcalls.open_to_truncate, "d/file"), d_file=BOTH, d=NEITHER)


@TOPIC.check(given=_IN_D)
def opening_changes_nothing() -> None:
    for call in (pathcalls.open_to_read, pathcalls.open_to_write, pathcalls.open_or_create, pathcalls.stat):
        _watching(partial(done, call, "d/file"), d_file=NEITHER, d=NEITHER)


@TOPIC.check(given=_IN_D)
def writing() -> None:
    fd = os.open("d/file", os.O_RDWR)
    _watching(lambda: done(os.write, fd, b"x"), d_file=BOTH, d=NEITHER)
    _watching(lambda: done(os.pwrite, fd, b"x", 100_000), d_file=BOTH, d=NEITHER)
    before = os.fstat(fd)
    os.close(fd)
    after = os.stat("d/file")
    same("mtime after closing", after.st_mtime_ns, before.st_mtime_ns)


@TOPIC.check(given=_IN_D)
def writing_nothing() -> None:
    fd = os.open("d/file", os.O_RDWR)
    _watching(lambda: done(os.write, fd, b""), d_file=NEITHER, d=NEITHER)
    os.close(fd)


@TOPIC.check(given=_IN_D)
def allocating() -> None:
    fd = os.open("d/file", os.O_RDWR)
    _watching(lambda: done(calls.fallocate, fd, 0, 0, 100_000), d_file=BOTH, d=NEITHER)
    os.close(fd)


# Refused calls

_OTHERS: dict[str, Item] = {"d": Dir(Meta(0o755)), "d/f": File(b"data", Meta(0o644)), "d/e": Dir()}


def _refused_calls() -> dict[str, tuple[Callable[[str], object]]]:
    named: dict[str, Callable[[str], object]] = {
        "chmod": lambda path: os.chmod(path, 0o777),
        "chown": lambda path: os.chown(path, USER.uid, USER.gid),
        "truncate": lambda path: os.truncate(path, 0),
        "unlink": os.unlink,
        "link": lambda path: os.link(path, "d/new"),
        "rename": lambda path: os.rename(path, "d/new"),
        "utimens": lambda path: calls.set_times(path, 1, 1),
        "write": lambda path: os.open(path, os.O_WRONLY | os.O_TRUNC),
        "setxattr": lambda path: os.setxattr(path, "user.x", b""),
    }
    return {name: (call,) for name, call in named.items()}


@TOPIC.check(Need.ROOT, given=_OTHERS, cases=_refused_calls())
def a_refused_call_changes_no_times(call: PathCall) -> None:
    _watching(lambda: refused_with((1, 13), call, "d/f", by=USER), d_f=NEITHER, d=NEITHER)


@TOPIC.check(
    Need.ROOT,
    given=_OTHERS,
    cases=pathcalls.cases(
        (
            pathcalls.create,
            pathcalls.mkdir,
            pathcalls.mkfifo,
            pathcalls.symlink,
            pathcalls.mknod,
        )
    ),
)
def a_refused_name_changes_no_times(call: PathCall) -> None:
    _watching(lambda: refused_with((13,), call, "d/new", by=USER), d=NEITHER)
    _watching(lambda: refused_with((17,), call, "d/f"), d_f=NEITHER, d=NEITHER)


@TOPIC.check(given=_OTHERS | {"d/e/x": File(b"")})
def a_refused_removal_changes_no_times() -> None:
    _watching(lambda: refused_with((17, 39), os.rmdir, "d/e"), d_e=NEITHER, d=NEITHER)
    _watching(lambda: refused_with((20,), os.rmdir, "d/f"), d_f=NEITHER, d=NEITHER)
    _watching(lambda: refused_with((1, 21), os.unlink, "d/e"), d_e=NEITHER, d=NEITHER)
    _watching(lambda: refused_with((17, 21), os.rename, "d/f", "d/e"), d_e=NEITHER, d_f=NEITHER, d=NEITHER)


# Setting them

_SECOND = 10**9
_STAMPS = {
    "epoch": 0,
    "one-nanosecond": 1,
    "2001": 10**18 + 123_456_789,
    "before-2038": (2**31 - 1) * _SECOND + 999_999_999,
    "after-2038": 2**31 * _SECOND,
    "after-2106": 2**32 * _SECOND + 5,
    "before-the-epoch": -86_400 * _SECOND + 7,
    "a-nanosecond-before-the-epoch": -1 - _SECOND,
    "2400": 13_569_465_600 * _SECOND,
}
_SETTING = {
    f"{kind},{name}": (kind, stamp)
    for kind in ("file", "dir", "symlink", "fifo")
    for name, stamp in _STAMPS.items()
}


@TOPIC.check(Need.ROOT, given=kinds.KINDS, cases=_SETTING)
def set_to_the_nanosecond(kind: str, stamp: int) -> None:
    _set(kind, stamp, stamp + 1)
    found = os.lstat(kind)
    same("atime and mtime", (found.st_atime_ns, found.st_mtime_ns), (stamp, stamp + 1))


def _set(path: str, atime_ns: int, mtime_ns: int) -> None:
    done(_lutimens, path, atime_ns, mtime_ns)


def _lutimens(path: str, atime_ns: int, mtime_ns: int) -> None:
    calls.set_times(path, atime_ns, mtime_ns, follow=False)


@TOPIC.check(Need.ROOT, given=kinds.KINDS, cases=kinds.each())
def one_time_is_set_and_the_other_left(kind: str) -> None:
    before = os.lstat(kind)
    _set(kind, calls.OMIT, 10**18 + 1)
    found = os.lstat(kind)
    same("atime and mtime", (found.st_atime_ns, found.st_mtime_ns), (before.st_atime_ns, 10**18 + 1))
    _set(kind, 10**18 + 2, calls.OMIT)
    found = os.lstat(kind)
    same("atime and mtime", (found.st_atime_ns, found.st_mtime_ns), (10**18 + 2, 10**18 + 1))
    _set(kind, calls.OMIT, calls.OMIT)
    again = os.lstat(kind)
    same("all times", again[7:], found[7:])
    same("ctime", again.st_ctime_ns, found.st_ctime_ns)


@TOPIC.check(Need.ROOT, given=kinds.KINDS, cases=kinds.each())
def set_to_now(kind: str) -> None:
    _set(kind, 5, 6)
    time.sleep(_TICK)
    _set(kind, calls.NOW, calls.OMIT)
    found = os.lstat(kind)
    same("mtime", found.st_mtime_ns, 6)
    holds("atime is of now", abs(found.st_atime_ns - time.time_ns()) < _SECOND)
    _set(kind, 5, calls.NOW)
    found = os.lstat(kind)
    same("atime", found.st_atime_ns, 5)
    holds("mtime is of now", abs(found.st_mtime_ns - time.time_ns()) < _SECOND)


@TOPIC.check(Need.ROOT, given=_IN_D, cases=kinds.each())
def setting_changes_ctime(kind: str) -> None:
    _watching(lambda: _set(f"d/{kind}", 5, calls.OMIT), **{f"d_{kind}": CHANGE, "d": NEITHER})
    before = _times(f"d/{kind}")
    time.sleep(_TICK)
    _set(f"d/{kind}", 5, 6)
    holds("ctime moved on", _times(f"d/{kind}")[1] > before[1])


@TOPIC.check(given={"link": Symlink(b"file"), "file": File(b"")})
def through_a_link_and_of_a_link() -> None:
    done(calls.set_times, "link", 10**9, 2 * 10**9)
    same("mtime of the file", os.stat("file").st_mtime_ns, 2 * 10**9)
    before = os.lstat("link").st_mtime_ns
    _set("link", 3 * 10**9, 4 * 10**9)
    same("mtime of the link", os.lstat("link").st_mtime_ns, 4 * 10**9)
    same("mtime of the file", os.stat("file").st_mtime_ns, 2 * 10**9)
    holds("it had another", before != 4 * 10**9)


@TOPIC.check(given={"f": File(b"data")})
def set_on_an_open_file() -> None:
    fd = os.open("f", os.O_RDWR)
    os.write(fd, b"x")
    done(os.utime, fd, (7, 8))
    same("atime and mtime", (os.fstat(fd).st_atime, os.fstat(fd).st_mtime), (7, 8))
    os.close(fd)
    same("mtime after closing", os.stat("f").st_mtime, 8)


@TOPIC.check(given={"f": File(b"data")})
def set_after_writing_stays() -> None:
    with open("f", "r+b") as file:
        file.write(b"more data")
    _set("f", 7 * 10**9, 8 * 10**9)
    with open("f", "rb") as file:
        same("content", file.read(), b"more data")
    same("mtime", os.stat("f").st_mtime_ns, 8 * 10**9)


@TOPIC.check()
def a_birth_time() -> None:
    before = time.time_ns()
    with open("f", "wb"):
        pass
    born = calls.birth_time("f")
    holds("statx(2) tells when the file was made", born is not None)
    holds("that is now", born is not None and abs(born - before) < 10**9)
    os.chmod("f", 0o600)
    same("birth time after a change", calls.birth_time("f"), born)
