"""What only the transport of our own can do, seen through a mount."""

from __future__ import annotations

import ctypes
import errno
import fcntl
import mmap
import os
import select
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from mounts import Mount

from unionfs.adapters.fuse import transports
from unionfs.adapters.mountinfo import mounted_at

pytestmark = pytest.mark.parametrize("prepared", [transports.NATIVE], indirect=True)

NOREPLACE, EXCHANGE, WHITEOUT = 1, 2, 4
KEEP_SIZE, PUNCH_HOLE = 1, 2
AT_FDCWD, AT_SYMLINK_FOLLOW = -100, 0x400
BLOCK = 4096
LONG = "long " * 20_000

Mounted = Callable[..., Path]

_libc = ctypes.CDLL(None, use_errno=True)


def checked(result: int) -> None:
    if result:
        raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))


def rename(old: Path, new: Path, flags: int) -> None:
    """renameat2(2)"""
    checked(_libc.renameat2(AT_FDCWD, os.fsencode(old), AT_FDCWD, os.fsencode(new), flags))


def fallocate(fd: int, mode: int, offset: int, length: int) -> None:
    """fallocate(2)"""
    checked(_libc.fallocate(fd, mode, ctypes.c_long(offset), ctypes.c_long(length)))


def link_to(fd: int, path: Path) -> None:
    """linkat(2) as open(2) has it under O_TMPFILE; os.link does not follow symbolic links on Linux."""
    checked(_libc.linkat(AT_FDCWD, b"/proc/self/fd/%d" % fd, AT_FDCWD, os.fsencode(path), AT_SYMLINK_FOLLOW))


def errno_of(act: Callable[[], object]) -> int:
    try:
        act()
    except OSError as failure:
        return failure.errno or -1
    return 0


# Files without a name


def test_a_file_without_a_name_is_gone_when_it_is_closed(prepared: Mount, mounted: Mounted) -> None:
    root = mounted({"dir/lower": b""})
    fd = os.open(root / "dir", os.O_TMPFILE | os.O_RDWR, 0o640)
    assert os.write(fd, b"nobody sees this") == 16
    assert os.pread(fd, 99, 7) == b"sees this"
    assert (os.fstat(fd).st_nlink, os.fstat(fd).st_mode, os.fstat(fd).st_size) == (0, 0o100640, 16)
    os.fchmod(fd, 0o600)
    os.setxattr(fd, "user.a", b"b")
    assert os.listdir(root / "dir") == ["lower"]
    assert len(prepared.kept_aside) == 1
    os.close(fd)
    os.statvfs(root)  # is asked behind the RELEASE, which close(2) does not wait for
    assert (prepared.kept_aside, os.listdir(root / "dir")) == ([], ["lower"])


def test_it_can_be_linked_in_once_it_is_complete(prepared: Mount, mounted: Mounted) -> None:
    root = mounted({"dir/replaced": b"lower"})
    (root / "dir/replaced").unlink()
    fd = os.open(root, os.O_TMPFILE | os.O_WRONLY, 0o644)
    os.write(fd, b"complete")
    link_to(fd, root / "dir/replaced")
    link_to(fd, root / "second")
    os.write(fd, b" and more")
    os.close(fd)
    for _ in range(2):
        assert (root / "dir/replaced").read_bytes() == b"complete and more"
        assert (root / "second").stat().st_nlink == 2
        assert (root / "second").samefile(root / "dir/replaced")
        assert (prepared.upper / "second").read_bytes() == b"complete and more"
        assert prepared.kept_aside == []
        prepared.unmount()
        prepared.mount()


def test_where_it_cannot_be_linked_in(mounted: Mounted) -> None:
    root = mounted({"taken": b""})
    fd = os.open(root, os.O_TMPFILE | os.O_WRONLY)
    assert errno_of(lambda: link_to(fd, root / "taken")) == errno.EEXIST
    os.close(fd)
    fd = os.open(root, os.O_TMPFILE | os.O_WRONLY | os.O_EXCL)
    assert errno_of(lambda: link_to(fd, root / "new")) == errno.ENOENT
    os.close(fd)
    assert errno_of(lambda: os.open(root / "taken", os.O_TMPFILE | os.O_WRONLY)) == errno.ENOTDIR


# Renaming


def test_renaming_onto_a_name_that_must_be_free(mounted: Mounted) -> None:
    root = mounted({"one": b"1", "two": b"2"})
    assert errno_of(lambda: rename(root / "one", root / "two", NOREPLACE)) == errno.EEXIST
    rename(root / "one", root / "three", NOREPLACE)
    assert sorted(os.listdir(root)) == ["three", "two"]
    assert errno_of(lambda: rename(root / "two", root / "four", WHITEOUT)) == errno.EINVAL
    assert errno_of(lambda: rename(root / "two", root / "three", NOREPLACE | EXCHANGE)) == errno.EINVAL


def test_exchanging_two_names(mounted: Mounted) -> None:
    root = mounted({"dir/inner": b"in", "file": b"file"})
    (root / "made").mkdir()
    assert errno_of(lambda: rename(root / "dir", root / "none", EXCHANGE)) == errno.ENOENT
    rename(root / "dir", root / "file", EXCHANGE)
    assert (root / "dir").read_bytes() == b"file"
    assert (root / "file/inner").read_bytes() == b"in"
    rename(root / "file", root / "made", EXCHANGE)
    assert (os.listdir(root / "file"), os.listdir(root / "made")) == ([], ["inner"])


# Data


def test_copying_a_range_of_a_lower_file_leaves_it_there(prepared: Mount, mounted: Mounted) -> None:
    root = mounted({"from": b"0123456789" * 1000, "to": b"abc"})
    with (root / "from").open("rb") as source, (root / "to").open("r+b") as target:
        assert os.copy_file_range(source.fileno(), target.fileno(), 5, 2, 1) == 5
        assert target.read() == b"a23456"
        assert os.copy_file_range(source.fileno(), target.fileno(), 99, 9995, 3) == 5
        assert os.copy_file_range(source.fileno(), target.fileno(), 99, 10_000, 0) == 0
    assert (root / "to").read_bytes() == b"a2356789"
    assert os.listdir(prepared.upper) == ["to"]


def test_copying_a_range_within_one_file(mounted: Mounted) -> None:
    file = mounted({"f": b"0123456789"}) / "f"
    with file.open("r+b") as opened:
        assert os.copy_file_range(opened.fileno(), opened.fileno(), 4, 0, 6) == 4
        assert errno_of(lambda: os.copy_file_range(opened.fileno(), opened.fileno(), 4, 0, 2)) == errno.EINVAL
    assert file.read_bytes() == b"0123450123"


def test_cp_copies_much(mounted: Mounted) -> None:
    root = mounted({"f": LONG.encode() * 70})
    subprocess.run(["cp", "--sparse=never", root / "f", root / "g"], check=True)
    subprocess.run(["cmp", root / "f", root / "g"], check=True)


def test_a_copied_range_is_seen_by_who_has_the_target_mapped(mounted: Mounted) -> None:
    root = mounted({"from": b"new" * BLOCK, "to": b"old" * BLOCK})
    source, target = os.open(root / "from", os.O_RDONLY), os.open(root / "to", os.O_RDWR)
    with mmap.mmap(target, 0) as view:
        assert view[:3] == b"old"
        assert os.copy_file_range(source, target, 3, 0, 0) == 3
        assert view[:6] == b"newold"
    os.close(source)
    os.close(target)


def test_data_and_holes_are_found_in_both_layers(prepared: Mount, mounted: Mounted) -> None:
    with (prepared.lower / "sparse").open("wb") as file:
        file.seek(64 * BLOCK)
        file.write(b"x" * BLOCK)
        file.truncate(128 * BLOCK)
    root = mounted()
    for mode in ("rb", "r+b"):
        with (root / "sparse").open(mode) as file:
            if mode == "r+b":
                file.seek(64 * BLOCK)
                file.write(b"y")
                file.flush()
            fd = file.fileno()
            assert os.lseek(fd, 0, os.SEEK_DATA) == 64 * BLOCK
            assert os.lseek(fd, 64 * BLOCK, os.SEEK_HOLE) == 65 * BLOCK
            with pytest.raises(OSError, match="No such device or address"):
                os.lseek(fd, 65 * BLOCK, os.SEEK_DATA)
            assert os.lseek(fd, -5, os.SEEK_END) == 128 * BLOCK - 5


def test_room_is_allocated_and_given_back(mounted: Mounted) -> None:
    file = mounted({"f": b"x" * 4 * BLOCK}) / "f"
    with file.open("r+b", 0) as opened:
        fd = opened.fileno()
        fallocate(fd, PUNCH_HOLE | KEEP_SIZE, BLOCK, BLOCK)
        assert opened.read() == b"x" * BLOCK + bytes(BLOCK) + b"x" * 2 * BLOCK
        fallocate(fd, KEEP_SIZE, 0, 32 * BLOCK)
        assert file.stat().st_size == 4 * BLOCK
        assert file.stat().st_blocks * 512 >= 32 * BLOCK
        fallocate(fd, 0, 0, 8 * BLOCK)
        assert file.stat().st_size == 8 * BLOCK
        assert errno_of(lambda: fallocate(fd, PUNCH_HOLE, 0, BLOCK)) == errno.EOPNOTSUPP
        assert errno_of(lambda: fallocate(fd, 0, 0, 0)) == errno.EINVAL
    with file.open("rb") as opened:
        assert errno_of(lambda: fallocate(opened.fileno(), 0, 0, BLOCK)) == errno.EBADF


def test_appending_can_be_switched_off(mounted: Mounted) -> None:
    file = mounted({"f": b"0123456789"}) / "f"
    with file.open("ab", 0) as opened:
        opened.write(b"end")
        fcntl.fcntl(opened.fileno(), fcntl.F_SETFL, 0)
        assert os.pwrite(opened.fileno(), b"AB", 2) == 2
    assert file.read_bytes() == b"01AB456789end"


def test_a_descriptor_for_ioctl_alone(mounted: Mounted) -> None:
    file = mounted({"f": b"x"}) / "f"
    fd = os.open(file, os.O_ACCMODE)
    assert errno_of(lambda: os.read(fd, 1)) == errno.EBADF
    assert errno_of(lambda: os.write(fd, b"y")) == errno.EBADF
    assert os.fstat(fd).st_size == 1
    os.close(fd)


def test_what_there_is_no_request_for_still_works(mounted: Mounted) -> None:
    file = mounted({"f": b"x"}) / "f"
    with file.open("r+b") as one, file.open("r+b") as other:
        poll = select.poll()
        poll.register(one.fileno(), select.POLLIN)
        assert poll.poll(0) == [(one.fileno(), select.POLLIN)]
        assert _libc.syncfs(one.fileno()) == 0
        fcntl.flock(one, fcntl.LOCK_EX)
        assert errno_of(lambda: fcntl.flock(other, fcntl.LOCK_EX | fcntl.LOCK_NB)) == errno.EWOULDBLOCK
        fcntl.lockf(one, fcntl.LOCK_EX, 5, 0)
        asked = subprocess.run(
            [sys.executable, "-c", f"import fcntl; fcntl.lockf(open({str(file)!r}, 'r+'), 6, 5, 0)"],
            check=False,
            capture_output=True,
        )
        assert b"BlockingIOError" in asked.stderr


def test_a_program_that_runs_can_be_opened_again_whatever_was_opened_meanwhile(prepared: Mount) -> None:
    """In a read-only union OPEN is refused for good one day; what is in passthrough then must not be."""
    (prepared.lower / "program").write_bytes(b"x" * 300_000)
    for number in range(100):
        (prepared.lower / f"{number}").write_bytes(b"%d" % number)
    prepared.words = f"lowerdir={prepared.lower}"
    prepared.mount()
    for _ in range(2):
        with (prepared.merged / "program").open("rb", 0) as running:
            for number in range(100):
                assert (prepared.merged / f"{number}").read_bytes() == b"%d" % number
            assert (prepared.merged / "program").read_bytes() == b"x" * 300_000
            assert running.read(1) == b"x"
        assert (prepared.merged / "99").read_bytes() == b"99"


# Large files


def test_a_reader_from_beginning_to_end_asks_seldom_and_is_given_what_is_there(
    prepared: Mount, mounted: Mounted
) -> None:
    content = b"".join(number.to_bytes(4, "big") for number in range(1 << 20))
    root = mounted({"large": content})
    mount = mounted_at(str(prepared.merged))
    assert mount is not None
    may_be_widened = os.access(f"/sys/class/bdi/{mount.device}/read_ahead_kb", os.W_OK)
    asked_before = answers(prepared.pid)
    assert (root / "large").read_bytes() == content
    asked = answers(prepared.pid) - asked_before
    assert asked <= len(content) // (256 << 10 if may_be_widened else 64 << 10)


def answers(pid: int) -> int:
    """How many write(2)s a daemon has done so far, one a request."""
    with open(f"/proc/{pid}/io") as counters:
        return int(next(line for line in counters if line.startswith("syscw")).split()[1])
