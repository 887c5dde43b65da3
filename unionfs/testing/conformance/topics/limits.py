"""Names, paths, special files, sizes of the file system: what has to fit and what is told of it."""

from __future__ import annotations

import os
import socket
import stat
import threading
from errno import ECONNREFUSED, ENAMETOOLONG, ENOSPC, ENXIO, EPERM, EXDEV

from unionfs.testing.conformance import calls, kinds
from unionfs.testing.conformance.check import Topic
from unionfs.testing.conformance.expect import done, holds, refused, refused_with, same
from unionfs.testing.conformance.needs import Need
from unionfs.testing.stacks import Dir, File, Item, Meta, Node

TOPIC = Topic("limits")

_NAMES = {
    "dot": b".x",
    "dots": b"...",
    "blank": b" ",
    "newline": b"\n",
    "latin": b"caf\xe9",
    "utf8": "café".encode(),
    "high": b"\xff\xfe",
    "low": b"\x01\x7f",
    "star": b"*?[",
    "dash": b"-rf",
    "quote": b"'\"",
    "backslash": b"\\",
    "colon": b"a:b,c",
    "hash": b"#1",
    "fuse": b".fuse_hidden0",
    "long": b"\xc3\xa9" * 127,
}
_WITH_NAMES = {name: (value,) for name, value in _NAMES.items()}


@TOPIC.check(cases=_WITH_NAMES)
def any_bytes_make_a_name(name: bytes) -> None:
    with open(name, "wb") as file:
        file.write(name)
    same("what is listed", os.listdir(b"."), [name])
    os.rename(name, b"x")
    os.mkdir(name)
    os.rename(b"x", name + b"/" + name)
    with open(name + b"/" + name, "rb") as file:
        same("content", file.read(), name)


@TOPIC.check()
def names_that_other_unions_keep_for_themselves() -> None:
    for name in (".wh.x", ".wh..wh..opq", ".wh."):
        done(os.mkdir, name)
        holds(f"{name} is listed", name in os.listdir("."))
        done(os.rmdir, name)


@TOPIC.check()
def case_matters() -> None:
    os.mkdir("a")
    os.mkdir("A")
    same("the names here", sorted(os.listdir()), ["A", "a"])


@TOPIC.check()
def deeper_than_a_path_can_say() -> None:
    name = "d" * 200
    for _ in range(25):
        os.mkdir(name)
        os.chdir(name)
    with open("f", "wb") as file:
        file.write(b"deep")
    same("what is there", os.listdir(), ["f"])
    same("size", os.stat("f").st_size, 4)
    os.rename("f", "g")
    os.chmod("g", 0o600)
    os.link("g", "h")
    same("links", os.stat("g").st_nlink, 2)
    os.unlink("g")
    os.unlink("h")
    for _ in range(25):
        os.chdir("..")
        done(os.rmdir, name)
    refused(ENAMETOOLONG, os.stat, "/".join([name] * 25))


@TOPIC.check(given={"d": Dir(), "d/f": File(b"far")})
def a_directory_moved_deep_down() -> None:
    name = "d" * 200
    os.mkdir(name)
    here = os.getcwd()
    os.chdir(name)
    for _ in range(22):
        os.mkdir(name)
        os.chdir(name)
    bottom = os.open(".", os.O_RDONLY)
    os.chdir(here)
    os.rename("d", "moved", dst_dir_fd=bottom)
    os.chdir(bottom)
    with open("moved/f", "r+b") as file:
        same("content", file.read(), b"far")
        file.write(b" away")
    same("size", os.stat("moved/f").st_size, 8)
    os.rename("moved", here + "/d")
    same("size", os.stat(here + "/d/f").st_size, 8)
    for _ in range(23):
        os.chdir("..")
        os.rmdir(name)


# Special files

_SPECIAL = kinds.each(("fifo", "socket", "char", "block"))


@TOPIC.check(Need.ROOT, given=kinds.KINDS, cases=_SPECIAL)
def what_special_files_are(kind: str) -> None:
    item = kinds.KINDS[kind]
    assert isinstance(item, Node)
    found = os.lstat(kind)
    same("what it is", stat.S_IFMT(found.st_mode), item.kind)
    same("its device", found.st_rdev, item.rdev)
    os.chmod(kind, 0o600)
    os.chown(kind, 1, 2)
    os.rename(kind, "renamed")
    os.link("renamed", "linked")
    found = os.lstat("linked")
    same("what it is", stat.S_IFMT(found.st_mode), item.kind)
    same("its device", found.st_rdev, item.rdev)
    same("its links and owner", (found.st_nlink, found.st_uid, found.st_gid), (2, 1, 2))


@TOPIC.check(Need.ROOT, given={"null": Node(calls.CHAR, os.makedev(1, 3), Meta(0o666))})
def a_device_works() -> None:
    fd = os.open("null", os.O_RDWR)
    same("bytes written", os.write(fd, b"gone"), 4)
    same("bytes read", os.read(fd, 10), b"")
    os.close(fd)
    full = os.makedev(1, 7)
    os.mknod("full", calls.CHAR | 0o666, full)
    fd = os.open("full", os.O_WRONLY)
    refused(ENOSPC, os.write, fd, b"x")
    os.close(fd)


@TOPIC.check(
    Need.ROOT,
    Need.DEVICES,
    cases={
        "large": (os.makedev(4095, 1048575),),
        "small": (os.makedev(0, 1),),
        "minor": (os.makedev(259, 300),),
    },
)
def device_numbers(number: int) -> None:
    for kind in (calls.CHAR, calls.BLOCK):
        done(os.mknod, "device", kind | 0o600, number)
        same("its device", os.lstat("device").st_rdev, number)
        os.unlink("device")


@TOPIC.check(given={"fifo": kinds.KINDS["fifo"]})
def a_fifo_works() -> None:
    got: list[bytes] = []

    def read() -> None:
        with open("fifo", "rb") as pipe:
            got.append(pipe.read())

    reader = threading.Thread(target=read)
    reader.start()
    with open("fifo", "wb") as pipe:
        pipe.write(b"through a fifo")
    reader.join()
    same("what came through", got, [b"through a fifo"])
    os.chmod("fifo", 0o600)
    refused(ENXIO, os.open, "fifo", os.O_WRONLY | os.O_NONBLOCK)


@TOPIC.check()
def a_socket_works() -> None:
    with socket.socket(socket.AF_UNIX) as listener, socket.socket(socket.AF_UNIX) as client:
        listener.bind("socket")
        holds("it is a socket", stat.S_ISSOCK(os.lstat("socket").st_mode))
        listener.listen()
        client.connect("socket")
        served, _ = listener.accept()
        with served:
            client.sendall(b"hello")
            same("what came through", served.recv(10), b"hello")
    with socket.socket(socket.AF_UNIX) as client:
        refused(ECONNREFUSED, client.connect, "socket")
    os.unlink("socket")


@TOPIC.check(Need.ROOT)
def a_whiteout_cannot_be_made_or_is_a_device() -> None:
    try:
        os.mknod("x", calls.CHAR | 0o600, 0)
    except OSError as failure:
        same("why it is refused", failure.errno, EPERM)
        same("the names here", os.listdir(), [])
    else:
        same("its device", os.lstat("x").st_rdev, 0)
        same("the names here", os.listdir(), ["x"])


# The file system


@TOPIC.check()
def what_statfs_tells() -> None:
    found = os.statvfs(".")
    same("longest name", found.f_namemax, 255)
    holds("there are blocks", 0 < found.f_bavail <= found.f_bfree <= found.f_blocks)
    holds("there is a block size", found.f_bsize > 0 and found.f_frsize > 0)
    again = os.statvfs("..")
    same("the size from elsewhere", (again.f_blocks, again.f_frsize), (found.f_blocks, found.f_frsize))
    with open("f", "wb") as file:
        same("the size by descriptor", os.fstatvfs(file.fileno()).f_blocks, found.f_blocks)


@TOPIC.check(Need.SPACE)
def statfs_goes_down_with_what_is_written() -> None:
    before = os.statvfs(".")
    fd = os.open("f", os.O_CREAT | os.O_WRONLY, 0o600)
    os.posix_fallocate(fd, 0, 64 << 20)
    os.fsync(fd)
    after = os.statvfs(".")
    os.close(fd)
    used = (before.f_bfree - after.f_bfree) * before.f_frsize
    holds(f"some 64 MiB less are free ({used} bytes)", used > 32 << 20)


@TOPIC.check()
def blocks_and_sizes() -> None:
    with open("f", "wb") as file:
        file.write(bytes(100_000))
        os.fsync(file.fileno())
    found = os.stat("f")
    same("size", found.st_size, 100_000)
    holds("blocks of 512 bytes", 100_000 <= found.st_blocks * 512 < 300_000)
    holds("a block size", found.st_blksize >= 512)


@TOPIC.check(given={"f": File(b"data")})
def out_of_the_file_system() -> None:
    refused(EXDEV, os.rename, "f", "/proc/x")
    refused(EXDEV, os.link, "f", "/dev/shm/x")
    refused_with((EXDEV,), os.link, "/proc/version", "x")


@TOPIC.check(given={"f": File(b"data")})
def many_links() -> None:
    for number in range(500):
        os.link("f", f"link{number}")
    same("links", os.stat("f").st_nlink, 501)
    for number in range(500):
        os.unlink(f"link{number}")
    same("links", os.stat("f").st_nlink, 1)


_MANY: dict[str, Item] = {f"f{number}": File(b"%d" % number) for number in range(64)}


@TOPIC.check(given=_MANY)
def many_open_files() -> None:
    fds = [os.open(f"f{number}", os.O_RDWR) for number in range(64) for _ in range(8)]
    for number, fd in enumerate(fds):
        os.pwrite(fd, b"%04d" % (number // 8), 0)
    for number, fd in enumerate(fds):
        same("content", os.pread(fd, 10, 0), b"%04d" % (number // 8))
        os.close(fd)
