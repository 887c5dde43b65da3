"""The flags of chattr(1) and times of birth, seen through a mount."""

from __future__ import annotations

import errno
import fcntl
import os
import struct
import subprocess
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from mounts import Mount

from unionfs.adapters.fuse import transports

pytestmark = pytest.mark.parametrize("prepared", [transports.NATIVE], indirect=True)

Mounted = Callable[..., Path]

GETFLAGS, SETFLAGS, GETVERSION = 0x80086601, 0x40086602, 0x80087601
FSGETXATTR, FSSETXATTR = 0x801C581F, 0x401C5820
IMMUTABLE, APPEND, NODUMP, NOATIME = 0x10, 0x20, 0x40, 0x80
X_NOATIME = 0x40
PROJECT = 12  # the place of fsx_projid in struct fsxattr


def ioctl(path: Path, command: int, argument: bytes) -> bytes:
    fd = os.open(path, os.O_RDONLY)
    try:
        return fcntl.ioctl(fd, command, argument)
    finally:
        os.close(fd)


def flags(path: Path) -> int:
    found: int = struct.unpack("=I", ioctl(path, GETFLAGS, bytes(4)))[0]
    return found


def set_flags(path: Path, value: int) -> None:
    ioctl(path, SETFLAGS, struct.pack("=I", value))


def refusal(act: Callable[[], object]) -> int | None:
    with pytest.raises(OSError) as failure:  # noqa: PT011 - the errno is what the test is about
        act()
    return failure.value.errno


@pytest.mark.parametrize("name", ["file", "dir", ""])
def test_flags_are_those_of_the_file_and_change_in_the_upper_layer_alone(prepared: Mount, name: str) -> None:
    (prepared.lower / "file").write_bytes(b"low")
    (prepared.lower / "dir").mkdir()
    before = flags(prepared.lower / name)
    prepared.mount()
    path = prepared.merged / name
    assert flags(path) == before
    set_flags(path, before | NODUMP | NOATIME)
    for _ in range(2):
        assert flags(path) == before | NODUMP | NOATIME
        assert flags(prepared.upper / name) & (NODUMP | NOATIME) == NODUMP | NOATIME
        assert flags(prepared.lower / name) == before
        prepared.unmount()
        prepared.mount()
    set_flags(path, before)
    assert flags(path) == before
    assert (prepared.merged / "file").read_bytes() == b"low"


@pytest.mark.parametrize("flag", [IMMUTABLE, APPEND])
def test_what_would_bind_the_union_itself_is_refused(prepared: Mount, flag: int) -> None:
    (prepared.lower / "file").write_bytes(b"low")
    prepared.mount()
    path = prepared.merged / "file"
    assert refusal(lambda: set_flags(path, flags(path) | flag)) == errno.EOPNOTSUPP
    assert not (prepared.upper / "file").exists()
    path.write_bytes(b"still changed")


def test_what_binds_a_lower_file_does_not_bind_the_union(prepared: Mount) -> None:
    lower = prepared.lower / "file"
    lower.write_bytes(b"low")
    before = flags(lower)
    set_flags(lower, before | IMMUTABLE)
    try:
        prepared.mount()
        path = prepared.merged / "file"
        assert flags(path) == before
        set_flags(path, before | NODUMP)
        path.write_bytes(b"changed")
        path.rename(prepared.merged / "moved")
        assert flags(prepared.merged / "moved") == before | NODUMP
    finally:
        set_flags(lower, before)


def test_the_other_form(mounted: Mounted) -> None:
    path = mounted({"file": b"low"}) / "file"
    found = ioctl(path, FSGETXATTR, bytes(28))
    word = struct.unpack_from("=I", found)[0] | X_NOATIME
    ioctl(path, FSSETXATTR, struct.pack("=I", word) + found[4:])
    assert struct.unpack_from("=I", ioctl(path, FSGETXATTR, bytes(28)))[0] == word
    assert flags(path) & NOATIME
    other = bytearray(found)
    struct.pack_into("=I", other, PROJECT, 5)
    assert refusal(lambda: ioctl(path, FSSETXATTR, bytes(other))) == errno.EOPNOTSUPP


def test_lsattr_and_chattr(mounted: Mounted) -> None:
    root = mounted({"file": b"low"})
    subprocess.run(["chattr", "+dA", "file"], cwd=root, check=True)
    listed = subprocess.run(["lsattr", "file"], cwd=root, check=True, capture_output=True, text=True).stdout
    assert {"d", "A"} <= set(listed.split()[0])


def test_nothing_else_is_understood(mounted: Mounted) -> None:
    root = mounted({"file": b"low"})
    assert refusal(lambda: ioctl(root / "file", GETVERSION, bytes(8))) == errno.ENOTTY


def test_flags_in_a_read_only_union(prepared: Mount) -> None:
    (prepared.lower / "file").write_bytes(b"low")
    before = flags(prepared.lower / "file")
    prepared.words = f"lowerdir={prepared.lower}"
    prepared.mount()
    path = prepared.merged / "file"
    assert flags(path) == before
    assert refusal(lambda: set_flags(path, before | NODUMP)) == errno.EROFS


def birth(path: Path) -> str:
    """In seconds, as stat(1) says it."""
    told = subprocess.run(["stat", "-c", "%.9W", path], check=True, capture_output=True, text=True)
    return told.stdout.strip()


def test_a_file_was_born_when_what_shows_its_attributes_was_made(prepared: Mount) -> None:
    for name in ("old", "changed"):
        (prepared.lower / name).write_bytes(b"low")
    prepared.mount()
    assert birth(prepared.merged / "old") == birth(prepared.lower / "old")
    time.sleep(0.02)  # a birth is as fine as the kernel's clock tick
    (prepared.merged / "new").write_bytes(b"")
    (prepared.merged / "changed").chmod(0o600)
    for name in ("new", "changed"):
        assert birth(prepared.merged / name) == birth(prepared.upper / name)
    assert birth(prepared.upper / "changed") != birth(prepared.lower / "changed")
