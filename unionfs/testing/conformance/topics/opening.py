"""open(2) with every combination of flags, on every kind of file."""

from __future__ import annotations

import itertools
import os
from errno import EACCES, EBADF, EEXIST, EINVAL, EISDIR, ELOOP, ENOENT, ENOTDIR

from unionfs.testing.conformance import calls
from unionfs.testing.conformance.check import Topic
from unionfs.testing.conformance.expect import done, holds, refused, refused_with, same
from unionfs.testing.stacks import Dir, File, Item, Symlink

TOPIC = Topic("opening")

_CONTENT = b"abcdefgh"
_ACCESS = {"r": os.O_RDONLY, "w": os.O_WRONLY, "rw": os.O_RDWR}
_MORE = {"creat": os.O_CREAT, "excl": os.O_EXCL, "trunc": os.O_TRUNC, "append": os.O_APPEND}
_FLAGS = {
    "+".join((access, *more)): (_ACCESS[access], frozenset(more))
    for access in _ACCESS
    for count in range(len(_MORE) + 1)
    for more in itertools.combinations(_MORE, count)
    if "excl" not in more or "creat" in more  # open(2): O_EXCL alone is undefined
}
_TREE: dict[str, Item] = {
    "file": File(_CONTENT),
    "dir": Dir(),
    "to-file": Symlink(b"file"),
    "to-link": Symlink(b"to-file"),
    "to-dir": Symlink(b"dir"),
    "dangling": Symlink(b"made"),
    "dir/file": File(_CONTENT),
    "dir/up": Symlink(b"../file"),
}
_LEADS_TO = {
    "file": "file", "dir": "dir", "to-file": "file", "to-link": "file", "to-dir": "dir", "dangling": "made",
    "dir/file": "dir/file", "dir/up": "file", "to-dir/file": "dir/file", "missing": "missing",
    "dir/missing": "dir/missing", "to-dir/missing": "dir/missing",
}  # fmt: skip
_CASES = {
    f"{path.replace('/', ':')},{flags}": (path, *_FLAGS[flags]) for path in _LEADS_TO for flags in _FLAGS
}


@TOPIC.check(given=_TREE, cases=_CASES)
def with_flags(path: str, access: int, more: frozenset[str]) -> None:
    flags = access
    for name in more:
        flags |= _MORE[name]
    there, is_link = os.path.exists(path), os.path.islink(path)
    number = _refusal(path, access, more, there, is_link)
    if number:
        refused(number, os.open, path, flags, 0o644)
        same("whether it is there", os.path.exists(path), there)
        return
    fd = done(os.open, path, flags, 0o644)
    target = _LEADS_TO[path]
    content = _CONTENT if there and "trunc" not in more else b""
    if os.path.isdir(target):
        os.close(fd)
        return
    same("size", os.fstat(fd).st_size, len(content))
    same("number by handle and by name", os.fstat(fd).st_ino, os.stat(target).st_ino)
    content = _use(fd, access, "append" in more, content)
    os.close(fd)
    with open(target, "rb") as file:
        same("content", file.read(), content)


def _refusal(path: str, access: int, more: frozenset[str], there: bool, is_link: bool) -> int:
    if "excl" in more and (there or is_link):
        return EEXIST
    if there and os.path.isdir(path):
        return EISDIR if access != os.O_RDONLY or more & {"trunc", "creat"} else 0
    return ENOENT if not there and "creat" not in more else 0


def _use(fd: int, access: int, append: bool, content: bytes) -> bytes:
    """Read and write as the access allows; what the file must hold then."""
    if access == os.O_WRONLY:
        refused(EBADF, os.read, fd, 1)
    else:
        same("what is read", os.read(fd, 100), content)
        os.lseek(fd, 0, os.SEEK_SET)
    if access == os.O_RDONLY:
        refused(EBADF, os.write, fd, b"x")
        return content
    same("bytes written", done(os.write, fd, b"XY"), 2)
    return content + b"XY" if append else b"XY" + content[2:]


@TOPIC.check(given=_TREE, cases={flags: _FLAGS[flags] for flags in _FLAGS if "creat" in flags})
def creating_twice(access: int, more: frozenset[str]) -> None:
    flags = access
    for name in more:
        flags |= _MORE[name]
    for _ in range(2):
        os.close(done(os.open, "missing", flags, 0o600))
        holds("missing was made", os.path.isfile("missing"))
        os.unlink("missing")
        os.close(done(os.open, "missing", flags, 0o600))
        os.unlink("missing")


@TOPIC.check(given=_TREE)
def a_removed_file_is_made_anew() -> None:
    number = os.stat("file").st_ino
    os.unlink("file")
    refused(ENOENT, os.open, "file", os.O_RDWR)
    os.close(done(os.open, "file", os.O_CREAT | os.O_EXCL | os.O_RDWR, 0o600))
    same("size of the new file", os.stat("file").st_size, 0)
    holds("another number, or the old one again", os.stat("file").st_ino or number)
    refused(EEXIST, os.open, "file", os.O_CREAT | os.O_EXCL | os.O_RDWR, 0o600)


@TOPIC.check(given=_TREE)
def directories_are_opened_to_read() -> None:
    for path in ("dir", "to-dir", "dir/", "dir/."):
        fd = done(os.open, path, os.O_RDONLY | os.O_DIRECTORY)
        same("the names in it", sorted(os.listdir(fd)), ["file", "up"])
        refused(EISDIR, os.read, fd, 1)
        os.close(fd)
    refused(ELOOP, os.open, "to-dir", os.O_RDONLY | os.O_NOFOLLOW)
    refused_with((ENOTDIR, ELOOP), os.open, "to-dir", os.O_RDONLY | os.O_NOFOLLOW | os.O_DIRECTORY)
    refused(ENOTDIR, os.open, "file/", os.O_RDONLY)
    refused_with((EISDIR, ENOTDIR, ENOENT), os.open, "new/", os.O_RDWR | os.O_CREAT, 0o600)


@TOPIC.check(given=_TREE)
def by_path_only() -> None:
    fd = done(os.open, "to-file", os.O_PATH | os.O_NOFOLLOW)
    holds("it is the link", os.path.islink(f"/proc/self/fd/{fd}"))
    refused(EBADF, os.read, fd, 1)
    same("target by descriptor", os.readlink("", dir_fd=fd), "file")
    os.close(fd)
    fd = done(os.open, "file", os.O_PATH)
    refused(EBADF, os.write, fd, b"x")
    same("size", os.fstat(fd).st_size, len(_CONTENT))
    reopened = done(os.open, f"/proc/self/fd/{fd}", os.O_RDWR)
    same("content", os.read(reopened, 100), _CONTENT)
    os.close(reopened)
    os.close(fd)


@TOPIC.check(given=_TREE)
def relative_to_a_directory() -> None:
    directory = os.open("dir", os.O_RDONLY)
    fd = os.open("file", os.O_RDWR, dir_fd=directory)
    same("number", os.fstat(fd).st_ino, os.stat("dir/file").st_ino)
    os.close(fd)
    os.close(directory)


@TOPIC.check(given={"f": File(b"#!/bin/true\n")})
def execution_needs_a_bit() -> None:
    os.chmod("f", 0o644)
    refused(EACCES, os.execv, "./f", ["f"])


@TOPIC.check(given={"f": File(_CONTENT)})
def several_handles_see_one_file() -> None:
    fds = [os.open("f", flags) for flags in (os.O_RDONLY, os.O_RDWR, os.O_WRONLY, os.O_WRONLY | os.O_APPEND)]
    os.write(fds[1], b"1")
    same("read by the first", os.pread(fds[0], 100, 0), b"1bcdefgh")
    os.write(fds[3], b"end")
    same("read by the first", os.pread(fds[0], 100, 0), b"1bcdefghend")
    os.ftruncate(fds[2], 3)
    same("read by the first", os.pread(fds[0], 100, 0), b"1bc")
    os.close(os.open("f", os.O_WRONLY | os.O_TRUNC))
    same("read by the first", os.pread(fds[0], 100, 0), b"")
    for fd in fds:
        same("size", os.fstat(fd).st_size, 0)
        os.close(fd)


@TOPIC.check(given={"f": File(_CONTENT)})
def o_append_can_be_set_and_cleared() -> None:
    fd = os.open("f", os.O_WRONLY)
    calls.set_flags(fd, os.O_APPEND)
    os.write(fd, b"1")
    calls.set_flags(fd, 0)
    os.pwrite(fd, b"2", 0)
    os.close(fd)
    with open("f", "rb") as file:
        same("content", file.read(), b"2bcdefgh1")


@TOPIC.check(given={"f": File(bytes(8192))})
def flags_that_contradict() -> None:
    refused_with((EINVAL, EEXIST), os.open, "f", os.O_RDONLY | os.O_CREAT | os.O_EXCL)
    refused(EINVAL, os.open, ".", os.O_DIRECTORY | os.O_CREAT | os.O_RDWR)
