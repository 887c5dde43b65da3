"""Locks: POSIX, of open file descriptions, and flock(2); also across a copy-up."""

from __future__ import annotations

import os
from collections.abc import Callable
from errno import EACCES, EAGAIN, EBADF

from unionfs.testing.conformance import calls
from unionfs.testing.conformance.caller import in_child
from unionfs.testing.conformance.calls import READ, UNLOCK, WRITE, Lock
from unionfs.testing.conformance.check import Topic
from unionfs.testing.conformance.expect import done, refused, refused_with, same
from unionfs.testing.stacks import File, HardLink, Item

TOPIC = Topic("locks")

_GIVEN: dict[str, Item] = {"f": File(b"data"), "g": HardLink(b"f")}
_BUSY = (EAGAIN, EACCES)
Locking = Callable[[int, Lock], None]


def _elsewhere(act: Callable[[int], object], path: str = "f") -> object:
    """`act` on the file, opened in another process."""

    def opened() -> object:
        fd = os.open(path, os.O_RDWR)
        return act(fd)

    return in_child(opened)


@TOPIC.check(given=_GIVEN)
def a_posix_lock_keeps_others_out() -> None:
    fd = os.open("f", os.O_RDWR)
    done(calls.posix_lock, fd, Lock(WRITE, 10, 10))
    refused_with(_BUSY, _elsewhere, lambda other: calls.posix_lock(other, Lock(WRITE, 15, 1)))
    refused_with(_BUSY, _elsewhere, lambda other: calls.posix_lock(other, Lock(READ, 0, 0)))
    done(_elsewhere, lambda other: calls.posix_lock(other, Lock(WRITE, 20, 1)))
    done(_elsewhere, lambda other: calls.posix_lock(other, Lock(WRITE, 0, 10)))
    found = _elsewhere(lambda other: calls.posix_lock_in_the_way(other, Lock(READ, 0, 0)))
    same("what is in the way", found, Lock(WRITE, 10, 10, os.getpid()))
    os.close(fd)


@TOPIC.check(given=_GIVEN)
def a_posix_lock_is_split_and_given_back() -> None:
    fd = os.open("f", os.O_RDWR)
    calls.posix_lock(fd, Lock(WRITE, 0, 30))
    calls.posix_lock(fd, Lock(UNLOCK, 10, 10))
    done(_elsewhere, lambda other: calls.posix_lock(other, Lock(WRITE, 10, 10)))
    refused_with(_BUSY, _elsewhere, lambda other: calls.posix_lock(other, Lock(WRITE, 9, 1)))
    refused_with(_BUSY, _elsewhere, lambda other: calls.posix_lock(other, Lock(WRITE, 20, 1)))
    os.close(fd)
    done(_elsewhere, lambda other: calls.posix_lock(other, Lock(WRITE, 0, 0)))


@TOPIC.check(given=_GIVEN)
def closing_any_handle_gives_posix_locks_back() -> None:
    fd = os.open("f", os.O_RDWR)
    calls.posix_lock(fd, Lock(WRITE))
    os.close(os.open("g", os.O_RDONLY))
    done(_elsewhere, lambda other: calls.posix_lock(other, Lock(WRITE)))
    os.close(fd)


@TOPIC.check(given=_GIVEN)
def readers_share() -> None:
    fd = os.open("f", os.O_RDWR)
    calls.posix_lock(fd, Lock(READ))
    done(_elsewhere, lambda other: calls.posix_lock(other, Lock(READ)))
    refused_with(_BUSY, _elsewhere, lambda other: calls.posix_lock(other, Lock(WRITE)))
    os.close(fd)


_OTHER_NAMES = {"same-name": ("f",), "other-name": ("g",)}


@TOPIC.check(given=_GIVEN, cases=_OTHER_NAMES)
def a_lock_stays_when_the_file_changes(path: str) -> None:
    fd = os.open("f", os.O_RDWR)
    calls.posix_lock(fd, Lock(WRITE))
    os.chmod("f", 0o600)
    refused_with(_BUSY, _elsewhere, lambda other: calls.posix_lock(other, Lock(WRITE)), path)
    os.write(fd, b"copied up by now")
    refused_with(_BUSY, _elsewhere, lambda other: calls.posix_lock(other, Lock(WRITE)), path)
    os.rename("f", "h")
    refused_with(_BUSY, _elsewhere, lambda other: calls.posix_lock(other, Lock(WRITE)), "h")
    os.close(fd)


@TOPIC.check(given=_GIVEN)
def a_readers_lock_stays_when_the_file_is_copied_up() -> None:
    fd = os.open("f", os.O_RDONLY)
    calls.posix_lock(fd, Lock(READ, 0, 10))
    calls.flock(fd, calls.SHARED)
    _elsewhere(lambda other: os.write(other, b"from elsewhere"))
    refused_with(_BUSY, _elsewhere, lambda other: calls.posix_lock(other, Lock(WRITE)))
    refused_with(_BUSY, _elsewhere, lambda other: calls.flock(other, calls.EXCLUSIVE))
    os.close(fd)


@TOPIC.check(given=_GIVEN)
def ofd_locks_belong_to_the_open_file() -> None:
    one, two = os.open("f", os.O_RDWR), os.open("f", os.O_RDWR)
    done(calls.ofd_lock, one, Lock(WRITE, 0, 10))
    refused_with(_BUSY, calls.ofd_lock, two, Lock(WRITE, 5, 1))
    refused_with(_BUSY, calls.posix_lock, two, Lock(READ, 5, 1))
    same("what is in the way", calls.ofd_lock_in_the_way(two, Lock(WRITE)), Lock(WRITE, 0, 10, -1))
    os.close(os.open("f", os.O_RDWR))
    refused_with(_BUSY, calls.ofd_lock, two, Lock(WRITE, 5, 1))
    os.write(one, b"copied up by now")
    refused_with(_BUSY, calls.ofd_lock, two, Lock(WRITE, 5, 1))
    os.close(one)
    done(calls.ofd_lock, two, Lock(WRITE, 5, 1))
    os.close(two)


@TOPIC.check(given=_GIVEN)
def flock_keeps_others_out() -> None:
    one, two = os.open("f", os.O_RDONLY), os.open("g", os.O_RDONLY)
    done(calls.flock, one, calls.EXCLUSIVE)
    refused(EAGAIN, calls.flock, two, calls.SHARED)
    done(calls.flock, one, calls.SHARED)
    done(calls.flock, two, calls.SHARED)
    refused(EAGAIN, calls.flock, one, calls.EXCLUSIVE)
    os.chmod("f", 0o600)
    refused(EAGAIN, calls.flock, one, calls.EXCLUSIVE)
    os.close(two)
    done(calls.flock, one, calls.EXCLUSIVE)
    refused(EAGAIN, _elsewhere, lambda other: calls.flock(other, calls.SHARED))
    done(calls.flock, one, calls.FREE)
    done(_elsewhere, lambda other: calls.flock(other, calls.EXCLUSIVE))
    os.close(one)


@TOPIC.check(given=_GIVEN)
def locks_need_the_right_handle() -> None:
    fd = os.open("f", os.O_RDONLY)
    refused(EBADF, calls.posix_lock, fd, Lock(WRITE))
    done(calls.posix_lock, fd, Lock(READ))
    os.close(fd)
    fd = os.open("f", os.O_WRONLY)
    refused(EBADF, calls.posix_lock, fd, Lock(READ))
    os.close(fd)


@TOPIC.check(given=_GIVEN)
def locks_of_a_file_without_a_name() -> None:
    fd = os.open("f", os.O_RDWR)
    os.unlink("f")
    os.unlink("g")
    done(calls.posix_lock, fd, Lock(WRITE))
    done(calls.flock, fd, calls.EXCLUSIVE)
    os.close(fd)
