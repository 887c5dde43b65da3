"""What somebody has open: removed, replaced, copied up, appended to, executed."""

from __future__ import annotations

import mmap
import os
import shutil
import signal
import subprocess
import threading
from collections.abc import Callable
from errno import EBADF, EINVAL, ENOENT, ESPIPE, ETXTBSY

from unionfs.testing.conformance import calls, kinds, pathcalls
from unionfs.testing.conformance.check import Topic
from unionfs.testing.conformance.expect import done, holds, refused, refused_with, same
from unionfs.testing.conformance.needs import Need
from unionfs.testing.stacks import Dir, File, Item, Meta

TOPIC = Topic("open_files")

_CONTENT = b"0123456789" * 1000
_GIVEN: dict[str, Item] = {"d": Dir(), "d/f": File(_CONTENT)}
_PROGRAM = File(b"#!/bin/sh\nexit 7\n", Meta(0o755))


def _read(fd: int) -> bytes:
    return os.pread(fd, 1 << 20, 0)


def _unlink() -> None:
    os.unlink("d/f")


def _replace() -> None:
    pathcalls.create("d/new")
    os.rename("d/new", "d/f")


def _remove_with_its_directory() -> None:
    shutil.rmtree("d")


def _rename() -> None:
    os.rename("d/f", "moved")


def _rename_its_directory() -> None:
    os.rename("d", "moved")


def _exchange() -> None:
    os.mkdir("x")
    calls.rename_exchange("d/f", "x")


_LOSSES = {
    call.__name__.strip("_"): (call,)
    for call in (_unlink, _replace, _remove_with_its_directory, _rename, _rename_its_directory, _exchange)
}


@TOPIC.check(given=_GIVEN, cases=_LOSSES)
def goes_on_being_readable_and_writable(lose: Callable[[], None]) -> None:
    fd = os.open("d/f", os.O_RDWR)
    reader = os.open("d/f", os.O_RDONLY)
    number = os.fstat(fd).st_ino
    done(lose)
    same("content", _read(reader), _CONTENT)
    os.pwrite(fd, b"X", 5)
    same("content after a write", _read(reader), _CONTENT[:5] + b"X" + _CONTENT[6:])
    os.ftruncate(fd, 3)
    same("content after a cut", _read(reader), _CONTENT[:3])
    done(os.fchmod, fd, 0o600)
    done(os.utime, fd, (1, 2))
    done(os.fsync, fd)
    os.setxattr(fd, "user.x", b"1")
    same("its xattr", os.getxattr(reader, "user.x"), b"1")
    found = os.fstat(reader)
    same("mode", found.st_mode & 0o7777, 0o600)
    same("size", found.st_size, 3)
    same("number", found.st_ino, number)
    same("mtime", found.st_mtime, 2)
    os.close(fd)
    same("content after closing the writer", _read(reader), _CONTENT[:3])
    os.close(reader)


@TOPIC.check(given=_GIVEN)
def has_no_links_when_unlinked() -> None:
    fd = os.open("d/f", os.O_RDONLY)
    os.unlink("d/f")
    same("links", os.fstat(fd).st_nlink, 0)
    refused(ENOENT, os.stat, "d/f")
    refused_with((ENOENT,), calls.link_descriptor, fd, "again")
    same("what d holds", os.listdir("d"), [])
    done(os.rmdir, "d")
    same("content", _read(fd), _CONTENT)
    os.close(fd)


_SPECIAL: dict[str, Item] = {name: kinds.KINDS[name] for name in ("fifo", "char")}
_SPECIAL_LOSSES = {
    f"{kind},{how}": (kind, how, flags)
    for kind, flags in (("fifo", os.O_RDWR), ("char", os.O_PATH))
    for how in ("unlink", "replace")
}


@TOPIC.check(Need.ROOT, given=_SPECIAL, cases=_SPECIAL_LOSSES)
def what_is_no_regular_file_outlives_its_name(kind: str, how: str, flags: int) -> None:
    """The kernel opens it by itself, and need not say so."""
    fd = os.open(kind, flags)
    before = os.fstat(fd)
    if how == "replace":
        os.mkfifo("new")
        os.rename("new", kind)
    else:
        os.unlink(kind)
    found = os.fstat(fd)
    same("what it is", (found.st_ino, found.st_mode, found.st_rdev), (before[1], before[0], before.st_rdev))
    same("links", found.st_nlink, 0)
    if kind == "fifo":
        os.write(fd, b"through")
        same("what came through", os.read(fd, 10), b"through")
    os.close(fd)


@TOPIC.check(given=_GIVEN)
def a_reader_sees_what_is_written_later() -> None:
    reader = os.open("d/f", os.O_RDONLY)
    same("content", _read(reader), _CONTENT)
    with open("d/f", "r+b") as file:
        file.write(b"new")
    same("content", _read(reader), b"new" + _CONTENT[3:])
    same("size", os.fstat(reader).st_size, len(_CONTENT))
    with open("d/f", "ab") as file:
        file.write(b"end")
    same("content", _read(reader), b"new" + _CONTENT[3:] + b"end")
    os.close(reader)


@TOPIC.check(given=_GIVEN)
def o_append_by_several_writers() -> None:
    os.truncate("d/f", 0)

    def append(letter: bytes) -> None:
        fd = os.open("d/f", os.O_WRONLY | os.O_APPEND)
        for _ in range(50):
            os.write(fd, letter * 100)
        os.close(fd)

    threads = [threading.Thread(target=append, args=(bytes([65 + number]),)) for number in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    with open("d/f", "rb") as file:
        pieces = [file.read(100) for _ in range(300)]
        same("what follows", file.read(), b"")
    holds("no piece is torn", all(len(set(piece)) == 1 and len(piece) == 100 for piece in pieces))
    same("pieces of each", sorted({pieces.count(piece) for piece in set(pieces)}), [50])


@TOPIC.check(given=_GIVEN)
def o_append_from_several_processes() -> None:
    os.truncate("d/f", 0)
    children = []
    for number in range(4):
        pid = os.fork()
        if pid == 0:
            fd = os.open("d/f", os.O_WRONLY | os.O_APPEND)
            for _ in range(50):
                os.write(fd, bytes([65 + number]) * 64)
            os._exit(0)
        children.append(pid)
    for pid in children:
        os.waitpid(pid, 0)
    with open("d/f", "rb") as file:
        content = file.read()
    same("size", len(content), 4 * 50 * 64)
    holds("no piece is torn", all(len(set(content[at : at + 64])) == 1 for at in range(0, len(content), 64)))


@TOPIC.check(given=_GIVEN)
def o_direct() -> None:
    page = mmap.mmap(-1, 4096)
    page.write(b"D" * 4096)
    try:
        fd = os.open("d/f", os.O_RDWR | os.O_DIRECT)
    except OSError as failure:
        same("why it is refused", failure.errno, EINVAL)
        return
    same("bytes written", os.pwritev(fd, [page], 4096), 4096)
    page.seek(0)
    same("bytes read", os.preadv(fd, [page], 0), 4096)
    same("content", page[:], _CONTENT[:4096])
    os.close(fd)
    with open("d/f", "rb") as file:
        same("content", file.read(), _CONTENT[:4096] + b"D" * 4096 + _CONTENT[8192:])


@TOPIC.check(given=_GIVEN)
def vectors() -> None:
    fd = os.open("d/f", os.O_RDWR)
    same("bytes written", os.pwritev(fd, [b"ab", b"", b"cde"], 3), 5)
    buffers = [bytearray(2), bytearray(4)]
    same("bytes read", os.preadv(fd, buffers, 3), 6)
    same("what was read", b"".join(buffers), b"abcde8")
    same("bytes read at the end", os.pread(fd, 100, len(_CONTENT)), b"")
    refused(EINVAL, os.pread, fd, 1, -1)
    same("position", os.lseek(fd, 0, os.SEEK_CUR), 0)
    same("the end", os.lseek(fd, 0, os.SEEK_END), len(_CONTENT))
    refused(EINVAL, os.lseek, fd, -1, os.SEEK_SET)
    os.close(fd)
    refused(EBADF, os.fstat, fd)


@TOPIC.check(Need.EXEC, given={"program": File(b"", Meta(0o755))})
def a_program_cannot_be_written_while_it_runs() -> None:
    shutil.copyfile("/bin/sleep", "program")
    with subprocess.Popen(["./program", "60"], stdin=subprocess.DEVNULL) as running:
        try:
            refused(ETXTBSY, os.open, "program", os.O_WRONLY)
            refused(ETXTBSY, os.open, "program", os.O_RDWR)
            refused(ETXTBSY, os.open, "program", os.O_WRONLY | os.O_TRUNC)
            refused(ETXTBSY, os.truncate, "program", 0)
            os.close(done(os.open, "program", os.O_RDONLY))
            done(os.chmod, "program", 0o700)
            done(os.rename, "program", "renamed")
            done(os.unlink, "renamed")
        finally:
            running.kill()


@TOPIC.check(Need.EXEC, given={"program": File(b"", Meta(0o755))})
def a_file_open_to_write_cannot_be_executed() -> None:
    shutil.copyfile("/bin/true", "program")
    os.chmod("program", 0o755)
    fd = os.open("program", os.O_RDWR)
    refused(ETXTBSY, subprocess.call, ["./program"])
    os.close(fd)
    same("how it ends", done(subprocess.call, ["./program"]), 0)


@TOPIC.check(Need.EXEC, given={"script": _PROGRAM})
def executing() -> None:
    same("how it ends", done(subprocess.call, ["./script"]), 7)
    os.rename("script", "renamed")
    same("how it ends", done(subprocess.call, ["./renamed"]), 7)
    with open("renamed", "r+b") as file:
        file.write(b"#!/bin/sh\nexit 8\n")
    same("how it ends", done(subprocess.call, ["./renamed"]), 8)
    os.chmod("renamed", 0o644)
    refused(13, subprocess.call, ["./renamed"])


@TOPIC.check()
def seeking_in_what_has_no_place() -> None:
    os.mkfifo("fifo")
    fd = os.open("fifo", os.O_RDWR)
    refused(ESPIPE, os.lseek, fd, 0, os.SEEK_SET)
    os.close(fd)


@TOPIC.check(given=_GIVEN)
def leases() -> None:
    """fcntl(2), F_SETLEASE: what is granted holds, what cannot be kept is refused."""
    signal.signal(signal.SIGIO, signal.SIG_IGN)  # it says that somebody waits
    fd = os.open("d/f", os.O_RDONLY)
    try:
        calls.set_lease(fd, calls.READ)
    except OSError as failure:
        same("why it is refused", failure.errno, EINVAL)
    else:
        same("the lease", calls.get_lease(fd), calls.READ)
        pid = os.fork()
        if pid == 0:
            try:
                os.open("d/f", os.O_WRONLY | os.O_NONBLOCK)
            except BlockingIOError:
                os._exit(0)
            os._exit(1)
        same("whether a writer has to wait", os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]), 0)
    os.close(fd)


# O_TMPFILE


@TOPIC.check(Need.TMPFILE, given={"d": Dir()})
def without_a_name() -> None:
    fd = done(os.open, "d", os.O_TMPFILE | os.O_RDWR, 0o640)
    os.write(fd, b"unnamed")
    found = os.fstat(fd)
    same("links", found.st_nlink, 0)
    same("mode", found.st_mode & 0o7777, 0o640)
    same("size", found.st_size, 7)
    same("what d holds", os.listdir("d"), [])
    done(os.rmdir, "d")
    os.close(fd)


@TOPIC.check(Need.TMPFILE, given={"d": Dir()})
def given_its_first_name() -> None:
    fd = os.open("d", os.O_TMPFILE | os.O_RDWR, 0o644)
    os.write(fd, b"unnamed")
    number = os.fstat(fd).st_ino
    done(calls.link_descriptor, fd, "d/f")
    same("links", os.fstat(fd).st_nlink, 1)
    os.write(fd, b" no more")
    with open("d/f", "rb") as file:
        same("content", file.read(), b"unnamed no more")
    same("number", os.stat("d/f").st_ino, number)
    refused(17, calls.link_descriptor, fd, "d/f")
    done(calls.link_descriptor, fd, "g")
    same("links", os.fstat(fd).st_nlink, 2)
    os.close(fd)
    same("what d holds", os.listdir("d"), ["f"])


@TOPIC.check(Need.TMPFILE, given={"d": Dir()})
def never_to_be_named() -> None:
    fd = os.open("d", os.O_TMPFILE | os.O_EXCL | os.O_RDWR, 0o644)
    refused(ENOENT, calls.link_descriptor, fd, "d/f")
    os.close(fd)


@TOPIC.check(Need.TMPFILE, given={"d": Dir(), "f": File(b"")})
def unnamed_where_it_cannot_be() -> None:
    refused(20, os.open, "f", os.O_TMPFILE | os.O_RDWR, 0o644)
    refused(EINVAL, os.open, "d", os.O_TMPFILE | os.O_RDONLY, 0o644)
    refused(ENOENT, os.open, "missing", os.O_TMPFILE | os.O_RDWR, 0o644)


@TOPIC.check(Need.TMPFILE, given={"d": Dir(), "d/f": File(b"old")})
def a_name_where_a_lower_one_was() -> None:
    os.unlink("d/f")
    fd = os.open("d", os.O_TMPFILE | os.O_RDWR, 0o644)
    os.write(fd, b"new")
    done(calls.link_descriptor, fd, "d/f")
    os.close(fd)
    with open("d/f", "rb") as file:
        same("content", file.read(), b"new")
