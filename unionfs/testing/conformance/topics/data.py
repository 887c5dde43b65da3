"""Data: holes, allocation, copying between files, large files, mappings."""

from __future__ import annotations

import mmap
import os
import random
import time
from errno import EBADF, EFBIG, EINVAL, ENXIO, EOPNOTSUPP, EXDEV

from unionfs.testing.conformance import calls
from unionfs.testing.conformance.check import Topic
from unionfs.testing.conformance.expect import among, done, holds, refused, refused_with, same
from unionfs.testing.conformance.needs import Need
from unionfs.testing.stacks import File, Item

TOPIC = Topic("data")

PAGE = 4096
_SIZE = 10 * PAGE + 123
_CONTENT = bytes(random.Random(7).randbytes(_SIZE))
_GIVEN: dict[str, Item] = {"f": File(_CONTENT)}


def _content(path: str) -> bytes:
    with open(path, "rb") as file:
        return file.read()


_CUTS = {str(size): (size,) for size in (0, 1, PAGE - 1, PAGE, PAGE + 1, _SIZE - 1, _SIZE)}
_GROWTHS = {str(size): (size,) for size in (_SIZE + 1, 11 * PAGE, 20 * PAGE, 1 << 32)}


@TOPIC.check(given=_GIVEN, cases=_CUTS | _GROWTHS)
def truncated(size: int) -> None:
    done(os.truncate, "f", size)
    same("size", os.stat("f").st_size, size)
    fd = os.open("f", os.O_RDONLY)
    same("content", os.pread(fd, 2 * _SIZE, 0), (_CONTENT + bytes(max(0, size - _SIZE)))[:size][: 2 * _SIZE])
    os.close(fd)


@TOPIC.check(given=_GIVEN, cases=_CUTS)
def cut_and_grown_again_is_zeros(size: int) -> None:
    fd = os.open("f", os.O_RDWR)
    os.ftruncate(fd, size)
    os.ftruncate(fd, _SIZE)
    os.close(fd)
    same("content", _content("f"), _CONTENT[:size] + bytes(_SIZE - size))


_PLACES = {
    f"{offset}+{length}": (offset, length)
    for offset in (0, 1, PAGE - 1, PAGE, 3 * PAGE + 7, _SIZE - 1, _SIZE, _SIZE + PAGE)
    for length in (1, 100, PAGE, 3 * PAGE)
}


@TOPIC.check(given=_GIVEN, cases=_PLACES)
def written_at(offset: int, length: int) -> None:
    data = bytes(range(1, 251)) * (length // 250 + 1)
    fd = os.open("f", os.O_RDWR)
    same("bytes written", os.pwrite(fd, data[:length], offset), length)
    wanted = bytearray(_CONTENT.ljust(offset + length, b"\0"))
    wanted[offset : offset + length] = data[:length]
    same("content by the same handle", os.pread(fd, 2 * _SIZE, 0), bytes(wanted))
    os.close(fd)
    same("content", _content("f"), bytes(wanted))
    same("size", os.stat("f").st_size, len(wanted))


@TOPIC.check(given=_GIVEN, cases=_PLACES)
def read_at(offset: int, length: int) -> None:
    fd = os.open("f", os.O_RDONLY)
    same("content", os.pread(fd, length, offset), _CONTENT[offset : offset + length])
    os.close(fd)


# Holes


@TOPIC.check()
def a_hole_takes_no_space() -> None:
    fd = os.open("f", os.O_CREAT | os.O_RDWR, 0o600)
    os.ftruncate(fd, 1 << 30)
    os.pwrite(fd, b"x", 1 << 29)
    os.fsync(fd)
    os.close(fd)
    holds("less than a megabyte is used", os.stat("f").st_blocks * 512 < 1 << 20)


_HOLES = {"given": (False,), "touched": (True,)}


@TOPIC.check(cases=_HOLES)
def seeking_data_and_holes(touched: bool) -> None:
    fd = os.open("f", os.O_CREAT | os.O_RDWR, 0o600)
    os.pwrite(fd, b"d" * 65536, 1 << 20)
    os.ftruncate(fd, 4 << 20)
    if touched:
        os.fsync(fd)
    same("data from 0", os.lseek(fd, 0, os.SEEK_DATA), 1 << 20)
    same("hole from 0", os.lseek(fd, 0, os.SEEK_HOLE), 0)
    same("hole behind data", os.lseek(fd, 1 << 20, os.SEEK_HOLE), (1 << 20) + 65536)
    refused(ENXIO, os.lseek, fd, 2 << 20, os.SEEK_DATA)
    refused(ENXIO, os.lseek, fd, 4 << 20, os.SEEK_HOLE)
    same("position", os.lseek(fd, 0, os.SEEK_CUR), (1 << 20) + 65536)
    os.close(fd)


@TOPIC.check(given=_GIVEN)
def seeking_where_there_are_no_holes() -> None:
    fd = os.open("f", os.O_RDONLY)
    same("data from 0", os.lseek(fd, 0, os.SEEK_DATA), 0)
    same("data from 5", os.lseek(fd, 5, os.SEEK_DATA), 5)
    same("hole from 0", os.lseek(fd, 0, os.SEEK_HOLE), _SIZE)
    refused(ENXIO, os.lseek, fd, _SIZE, os.SEEK_DATA)
    os.close(fd)


_RANGES = {
    f"{offset}+{length}": (offset, length)
    for offset, length in (
        (0, PAGE),
        (PAGE, PAGE),
        (100, 5 * PAGE),
        (0, _SIZE),
        (9 * PAGE, 100 * PAGE),
        (3, 1),
    )
}


@TOPIC.check(Need.PUNCH, given=_GIVEN, cases=_RANGES)
def punched(offset: int, length: int) -> None:
    fd = os.open("f", os.O_RDWR)
    done(calls.fallocate, fd, calls.PUNCH_HOLE | calls.KEEP_SIZE, offset, length)
    wanted = bytearray(_CONTENT)
    wanted[offset : offset + length] = bytes(max(0, min(length, _SIZE - offset)))
    same("content by the same handle", os.pread(fd, 2 * _SIZE, 0), bytes(wanted))
    os.close(fd)
    same("content", _content("f"), bytes(wanted))


@TOPIC.check(Need.PUNCH, given=_GIVEN, cases=_RANGES)
def zeroed(offset: int, length: int) -> None:
    fd = os.open("f", os.O_RDWR)
    done(calls.fallocate, fd, calls.ZERO_RANGE, offset, length)
    wanted = bytearray(_CONTENT.ljust(offset + length, b"\0"))
    wanted[offset : offset + length] = bytes(length)
    same("content", os.pread(fd, 1 << 20, 0), bytes(wanted))
    same("size", os.fstat(fd).st_size, len(wanted))
    os.close(fd)


@TOPIC.check(given=_GIVEN, cases=_RANGES)
def allocated(offset: int, length: int) -> None:
    fd = os.open("f", os.O_RDWR)
    done(calls.fallocate, fd, calls.KEEP_SIZE, offset, length)
    same("size", os.fstat(fd).st_size, _SIZE)
    done(os.posix_fallocate, fd, offset, length)
    size = max(_SIZE, offset + length)
    same("size", os.fstat(fd).st_size, size)
    same("content", os.pread(fd, 1 << 20, 0), _CONTENT.ljust(size, b"\0"))
    os.close(fd)


@TOPIC.check(given=_GIVEN)
def allocations_that_cannot_be() -> None:
    fd = os.open("f", os.O_RDWR)
    refused(EINVAL, calls.fallocate, fd, 0, 0, 0)
    refused(EINVAL, calls.fallocate, fd, 0, -1, 10)
    refused(EINVAL, calls.fallocate, fd, 0, 0, -10)
    refused(EFBIG, calls.fallocate, fd, 0, (1 << 63) - 10, 9)
    refused_with((EOPNOTSUPP, EINVAL), calls.fallocate, fd, calls.PUNCH_HOLE, 0, 10)
    os.close(fd)
    fd = os.open("f", os.O_RDONLY)
    refused(EBADF, calls.fallocate, fd, 0, 0, 10)
    os.close(fd)


_SHIFTS = {"collapse": (calls.COLLAPSE_RANGE,), "insert": (calls.INSERT_RANGE,)}


@TOPIC.check(given=_GIVEN, cases=_SHIFTS)
def shifted_or_refused(how: int) -> None:
    """These may be missing (fallocate(2)), but must not do half of it."""
    fd = os.open("f", os.O_RDWR)
    try:
        calls.fallocate(fd, how, PAGE, PAGE)
    except OSError as failure:
        same("why it is refused", failure.errno, EOPNOTSUPP)
        wanted = _CONTENT
    else:
        wanted = (
            _CONTENT[:PAGE] + _CONTENT[2 * PAGE :]
            if how == calls.COLLAPSE_RANGE
            else _CONTENT[:PAGE] + bytes(PAGE) + _CONTENT[PAGE:]
        )
    same("content", os.pread(fd, 1 << 20, 0), wanted)
    os.close(fd)


# Copying

_TWO: dict[str, Item] = {"f": File(_CONTENT), "g": File(b"other content")}
_COPIES = {
    f"{source}-{target}-{length}": (source, target, length)
    for source in (0, 1, PAGE, _SIZE - 1, _SIZE)
    for target in (0, 5, PAGE)
    for length in (1, PAGE, 2 * _SIZE)
}


@TOPIC.check(given=_TWO, cases=_COPIES)
def copy_file_range(source: int, target: int, length: int) -> None:
    reading, writing = os.open("f", os.O_RDONLY), os.open("g", os.O_RDWR)
    wanted = bytearray(b"other content")
    piece = _CONTENT[source : source + length]
    copied = 0
    while copied < len(piece):
        step = done(os.copy_file_range, reading, writing, length - copied, source + copied, target + copied)
        holds("something is copied", step > 0)
        copied += step
    same("what is copied at the end", os.copy_file_range(reading, writing, 10, _SIZE, target), 0)
    if piece:
        wanted = bytearray(wanted.ljust(target + len(piece), b"\0"))
        wanted[target : target + len(piece)] = piece
    same("content", os.pread(writing, 1 << 20, 0), bytes(wanted))
    os.close(reading)
    os.close(writing)
    same("content of the source", _content("f"), _CONTENT)


@TOPIC.check(given=_GIVEN)
def copy_file_range_within_a_file() -> None:
    fd = os.open("f", os.O_RDWR)
    same("bytes copied", done(os.copy_file_range, fd, fd, PAGE, 0, 5 * PAGE), PAGE)
    same("content", os.pread(fd, PAGE, 5 * PAGE), _CONTENT[:PAGE])
    refused(EINVAL, os.copy_file_range, fd, fd, 2 * PAGE, 0, PAGE)
    os.close(fd)


@TOPIC.check(given=_GIVEN)
def copy_file_range_out_of_the_file_system() -> None:
    fd, outside = os.open("f", os.O_RDONLY), os.memfd_create("outside")
    try:
        copied = os.copy_file_range(fd, outside, PAGE, 0, 0)
    except OSError as failure:
        among("why it is refused", failure.errno, (EXDEV, EINVAL, EOPNOTSUPP))
    else:
        same("content", os.pread(outside, PAGE, 0), _CONTENT[:copied])
    os.close(fd)
    os.close(outside)


@TOPIC.check(given=_TWO)
def sendfile() -> None:
    reading, writing = os.open("f", os.O_RDONLY), os.open("g", os.O_WRONLY)
    sent = 0
    while sent < _SIZE:
        sent += done(os.sendfile, writing, reading, sent, _SIZE - sent)
    os.close(reading)
    os.close(writing)
    same("content", _content("g"), _CONTENT)


# Large files


@TOPIC.check(given=_GIVEN)
def beyond_four_gigabytes() -> None:
    place = (5 << 30) + 17
    fd = os.open("f", os.O_RDWR)
    os.pwrite(fd, b"far away", place)
    same("size", os.fstat(fd).st_size, place + 8)
    same("content", os.pread(fd, 100, place), b"far away")
    same("content at the start", os.pread(fd, _SIZE, 0), _CONTENT)
    same("data behind the start", os.lseek(fd, 1 << 30, os.SEEK_DATA) // PAGE, place // PAGE)
    os.ftruncate(fd, (4 << 30) + 1)
    same("size", os.fstat(fd).st_size, (4 << 30) + 1)
    os.close(fd)


@TOPIC.check(Need.SPACE)
def many_megabytes() -> None:
    piece = random.Random(3).randbytes(1 << 20)
    with open("f", "wb") as file:
        for number in range(32):
            file.write(bytes([number]) + piece[1:])
    with open("f", "rb") as file:
        for number in range(32):
            same(f"megabyte {number}", file.read(1 << 20) == bytes([number]) + piece[1:], True)


# Mappings


@TOPIC.check(given=_GIVEN)
def mapped_shared() -> None:
    fd = os.open("f", os.O_RDWR)
    with mmap.mmap(fd, 0) as mapped:
        same("content", mapped[:], _CONTENT)
        mapped[5:8] = b"map"
        same("read through the handle", os.pread(fd, 3, 5), b"map")
        os.pwrite(fd, b"pwr", 9)
        same("read through the mapping", mapped[9:12], b"pwr")
        mapped.flush()
    os.close(fd)
    same("content", _content("f")[:12], _CONTENT[:5] + b"map" + _CONTENT[8:9] + b"pwr")


@TOPIC.check(given=_GIVEN)
def mapped_private() -> None:
    fd = os.open("f", os.O_RDONLY)
    with mmap.mmap(fd, 0, flags=mmap.MAP_PRIVATE, prot=mmap.PROT_READ | mmap.PROT_WRITE) as mapped:
        mapped[0:4] = b"mine"
        same("in the file", os.pread(fd, 4, 0), _CONTENT[:4])
    os.close(fd)
    same("content", _content("f"), _CONTENT)


@TOPIC.check(given=_GIVEN)
def mapped_to_read_sees_what_is_written_later() -> None:
    fd = os.open("f", os.O_RDONLY)
    with mmap.mmap(fd, 0, prot=mmap.PROT_READ) as mapped:
        same("content", mapped[:10], _CONTENT[:10])
        with open("f", "r+b") as file:
            file.write(b"new")
        same("content", mapped[:10], b"new" + _CONTENT[3:10])
    os.close(fd)


@TOPIC.check(given=_GIVEN)
def mapped_outlives_its_handle_and_its_name() -> None:
    fd = os.open("f", os.O_RDWR)
    with mmap.mmap(fd, 0) as mapped:
        os.close(fd)
        os.unlink("f")
        mapped[0:3] = b"new"
        same("content", mapped[:10], b"new" + _CONTENT[3:10])
        mapped.flush()


@TOPIC.check(given=_GIVEN)
def a_write_through_a_mapping_is_dated() -> None:
    fd = os.open("f", os.O_RDWR)
    before = os.fstat(fd).st_mtime_ns
    time.sleep(0.012)
    with mmap.mmap(fd, 0) as mapped:
        mapped[0:1] = b"x"
        mapped.flush()
    os.close(fd)
    holds("mtime moved on", os.stat("f").st_mtime_ns > before)


@TOPIC.check(given=_GIVEN)
def mapped_by_two_who_see_the_same() -> None:
    one, two = os.open("f", os.O_RDWR), os.open("f", os.O_RDWR)
    with mmap.mmap(one, 0) as first, mmap.mmap(two, 0) as second:
        first[100:103] = b"one"
        second[200:203] = b"two"
        same("by the second", second[100:103], b"one")
        same("by the first", first[200:203], b"two")
    os.close(one)
    os.close(two)


@TOPIC.check()
def synced() -> None:
    fd = os.open("f", os.O_CREAT | os.O_RDWR, 0o600)
    os.write(fd, b"x")
    done(os.fsync, fd)
    done(os.fdatasync, fd)
    os.close(fd)
    directory = os.open(".", os.O_RDONLY)
    done(os.fsync, directory)
    os.close(directory)
    fd = os.open("f", os.O_RDONLY)
    done(os.fsync, fd)
    os.close(fd)
