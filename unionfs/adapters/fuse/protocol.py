"""The kernel's FUSE protocol as bytes: a request in, its parts out; a reply's parts in, bytes out.

Pure: no file descriptor, no union. The layouts are those of linux, include/uapi/linux/fuse.h,
of protocol 7.31 (Linux 5.4) and later; numbers are little-endian on every machine that this
runs on, and "=" in the formats says native without padding.

`parse` never trusts a length: a request that is cut short, too long or has a name that ends
nowhere is a `MalformedError`. Offsets, sizes and seconds are signed, as in the kernel: what is
beyond comes out negative, and is refused by whoever takes it.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Mapping
from enum import IntEnum, IntFlag
from struct import Struct
from typing import Any, NamedTuple

from unionfs.types import Kind, Stat, StatFs

MAJOR = 7
MINOR = 45
OLDEST_MINOR = 31

ROOT_ID = 1
BUFFER_HEADROOM = 4096
"""Bytes that a request may need besides the data it carries."""


class Opcode(IntEnum):
    LOOKUP = 1
    FORGET = 2
    GETATTR = 3
    SETATTR = 4
    READLINK = 5
    SYMLINK = 6
    MKNOD = 8
    MKDIR = 9
    UNLINK = 10
    RMDIR = 11
    RENAME = 12
    LINK = 13
    OPEN = 14
    READ = 15
    WRITE = 16
    STATFS = 17
    RELEASE = 18
    FSYNC = 20
    SETXATTR = 21
    GETXATTR = 22
    LISTXATTR = 23
    REMOVEXATTR = 24
    FLUSH = 25
    INIT = 26
    OPENDIR = 27
    READDIR = 28
    RELEASEDIR = 29
    FSYNCDIR = 30
    GETLK = 31
    SETLK = 32
    SETLKW = 33
    ACCESS = 34
    CREATE = 35
    INTERRUPT = 36
    BMAP = 37
    DESTROY = 38
    IOCTL = 39
    POLL = 40
    NOTIFY_REPLY = 41
    BATCH_FORGET = 42
    FALLOCATE = 43
    READDIRPLUS = 44
    RENAME2 = 45
    LSEEK = 46
    COPY_FILE_RANGE = 47
    SYNCFS = 50
    TMPFILE = 51
    STATX = 52
    COPY_FILE_RANGE_64 = 53


class InitFlags(IntFlag):
    """What INIT negotiates; the upper 32 bits travel in ``flags2``."""

    ASYNC_READ = 1 << 0
    ATOMIC_O_TRUNC = 1 << 3
    EXPORT_SUPPORT = 1 << 4
    BIG_WRITES = 1 << 5
    DONT_MASK = 1 << 6
    DO_READDIRPLUS = 1 << 13
    READDIRPLUS_AUTO = 1 << 14
    ASYNC_DIO = 1 << 15
    NO_OPEN_SUPPORT = 1 << 17
    PARALLEL_DIROPS = 1 << 18
    HANDLE_KILLPRIV = 1 << 19
    POSIX_ACL = 1 << 20
    MAX_PAGES = 1 << 22
    CACHE_SYMLINKS = 1 << 23
    NO_OPENDIR_SUPPORT = 1 << 24
    EXPLICIT_INVAL_DATA = 1 << 25
    HANDLE_KILLPRIV_V2 = 1 << 28
    SETXATTR_EXT = 1 << 29
    INIT_EXT = 1 << 30
    PASSTHROUGH = 1 << 37


class OpenFlags(IntFlag):
    """What the reply to OPEN and OPENDIR tells the kernel."""

    DIRECT_IO = 1 << 0
    KEEP_CACHE = 1 << 1
    CACHE_DIR = 1 << 3
    NOFLUSH = 1 << 5
    PASSTHROUGH = 1 << 7


class SetattrValid(IntFlag):
    MODE = 1 << 0
    UID = 1 << 1
    GID = 1 << 2
    SIZE = 1 << 3
    ATIME = 1 << 4
    MTIME = 1 << 5
    FH = 1 << 6
    ATIME_NOW = 1 << 7
    MTIME_NOW = 1 << 8
    KILL_SUIDGID = 1 << 11


WRITE_KILL_SUIDGID = 1 << 2
OPEN_KILL_SUIDGID = 1 << 0
FSYNC_FDATASYNC = 1 << 0
SETXATTR_ACL_KILL_SGID = 1 << 0

_WITHOUT_REPLY = (Opcode.FORGET, Opcode.BATCH_FORGET)


class Notice(IntEnum):
    """What the daemon tells the kernel without being asked."""

    INVAL_INODE = 2
    INVAL_ENTRY = 3
    STORE = 4


class MalformedError(Exception):
    """A request that the protocol does not allow."""


class Request(NamedTuple):
    """A request: who asks what about which node. `arguments` depend on the opcode, see `_PARSERS`."""

    opcode: int
    unique: int
    nodeid: int
    uid: int
    gid: int
    pid: int
    arguments: tuple[Any, ...]


class SetAttr(NamedTuple):
    valid: int
    fh: int
    size: int
    atime_ns: int
    mtime_ns: int
    mode: int
    uid: int
    gid: int


_SECOND = 1_000_000_000

# Requests

_IN_HEADER = Struct("=IIQQIIIHH")
_SETATTR = Struct("=IIQqQqqQIIIIIIII")
_INIT = Struct("=IIII")
_INIT2 = Struct("=I")
_FORGET_ONE = Struct("=QQ")


_Parser = Callable[[memoryview], tuple[Any, ...]]

Layouts = Mapping[int, _Parser]
"""How the arguments of each opcode are laid out."""


def parse(buffer: memoryview, layouts: Layouts | None = None) -> Request:
    """The request that a read from /dev/fuse gave. `MalformedError` for what is none.

    `layouts` are those that INIT has settled; by default the newest ones.
    """
    if len(buffer) < _IN_HEADER.size:
        raise MalformedError("header cut short")
    length, opcode, unique, nodeid, uid, gid, pid, extensions, _ = _IN_HEADER.unpack_from(buffer)
    end = length - 8 * extensions
    if length != len(buffer) or end < _IN_HEADER.size:
        raise MalformedError("length does not fit")
    parser = (layouts or _NEWEST).get(opcode)
    arguments = parser(buffer[_IN_HEADER.size : end]) if parser else ()
    return Request(opcode, unique, nodeid, uid, gid, pid, arguments)


def layouts_of(flags: InitFlags) -> Layouts:
    """The layouts of requests under what INIT has settled."""
    return _NEWEST if flags & InitFlags.SETXATTR_EXT else _BEFORE_SETXATTR_EXT


def unique_of(buffer: memoryview) -> int | None:
    """The number by which even a malformed request can be answered; None where nobody waits for an answer."""
    if len(buffer) < _IN_HEADER.size:
        return None
    _, opcode, unique, *_ = _IN_HEADER.unpack_from(buffer)
    return None if opcode in _WITHOUT_REPLY else unique


def _nothing(body: memoryview) -> tuple[Any, ...]:
    return ()


def _fixed(layout: str) -> _Parser:
    struct = Struct(layout)

    def parse_fixed(body: memoryview) -> tuple[Any, ...]:
        if len(body) < struct.size:
            raise MalformedError("arguments cut short")
        return struct.unpack_from(body)

    return parse_fixed


def _named(layout: str, names: int = 1) -> _Parser:
    """Fixed arguments, then so many names, each ended by a NUL."""
    fixed = _fixed(layout)
    start = Struct(layout).size

    def parse_named(body: memoryview) -> tuple[Any, ...]:
        return (*fixed(body), *_strings(body[start:], names))

    return parse_named


def _strings(body: memoryview, count: int) -> list[bytes]:
    parts = bytes(body).split(b"\0")
    if len(parts) != count + 1 or parts[-1]:
        raise MalformedError("names do not fit")
    return parts[:count]


def _write(body: memoryview) -> tuple[Any, ...]:
    fh, offset, size, flags = _WRITE(body)
    data = body[40:]
    if len(data) != size:
        raise MalformedError("data does not fit")
    return fh, offset, data, flags


def _setattr(body: memoryview) -> tuple[Any, ...]:
    if len(body) < _SETATTR.size:
        raise MalformedError("arguments cut short")
    fields = _SETATTR.unpack_from(body)
    valid, _, fh, size, _, atime, mtime, _, atimensec, mtimensec, _, mode, _, uid, gid, _ = fields
    if max(atimensec, mtimensec) >= _SECOND:
        raise MalformedError("nanoseconds do not fit")
    atime_ns = atime * _SECOND + atimensec
    mtime_ns = mtime * _SECOND + mtimensec
    return (SetAttr(valid, fh, size, atime_ns, mtime_ns, mode, uid, gid),)


def _init(body: memoryview) -> tuple[Any, ...]:
    if len(body) < _INIT.size:
        raise MalformedError("arguments cut short")
    major, minor, readahead, flags = _INIT.unpack_from(body)
    if flags & InitFlags.INIT_EXT and len(body) >= _INIT.size + _INIT2.size:
        flags |= _INIT2.unpack_from(body, _INIT.size)[0] << 32
    return major, minor, readahead, flags


def _batch_forget(body: memoryview) -> tuple[Any, ...]:
    (count, _) = _COUNT(body)
    if len(body) != 8 + count * _FORGET_ONE.size:
        raise MalformedError("count does not fit")
    return (list(_FORGET_ONE.iter_unpack(body[8:])),)


def _setxattr(body: memoryview) -> tuple[Any, ...]:
    size, flags, ext_flags, _ = _SETXATTR_EXT(body)
    name, end = _xattr_name(body, 16)
    return name, _xattr_value(body, end, size), flags, ext_flags


def _ioctl(body: memoryview) -> tuple[Any, ...]:
    command, size = _IOCTL(body)
    given = bytes(body[32:])
    if len(given) != size:
        raise MalformedError("argument does not fit")
    return command, given


def _short_setxattr(body: memoryview) -> tuple[Any, ...]:
    """SETXATTR without SETXATTR_EXT: as kernels before 5.12 send it."""
    size, flags = _COUNT(body)
    name, end = _xattr_name(body, 8)
    return name, _xattr_value(body, end, size), flags, 0


def _xattr_name(body: memoryview, start: int) -> tuple[bytes, int]:
    name, separator, _ = bytes(body[start : start + 256]).partition(b"\0")
    if not separator:
        raise MalformedError("name does not end")
    return name, start + len(name) + 1


def _xattr_value(body: memoryview, start: int, size: int) -> bytes:
    value = bytes(body[start:])
    if len(value) != size:
        raise MalformedError("value does not fit")
    return value


_WRITE = _fixed("=QqII16x")
_COUNT = _fixed("=II")
_SETXATTR_EXT = _fixed("=IIII")
_IOCTL = _fixed("=12xI8xI4x")

_NEWEST: Layouts = {
    Opcode.LOOKUP: _named("="),
    Opcode.FORGET: _fixed("=Q"),
    Opcode.GETATTR: _fixed("=I4xQ"),
    Opcode.SETATTR: _setattr,
    Opcode.READLINK: _nothing,
    Opcode.SYMLINK: _named("=", 2),
    Opcode.MKNOD: _named("=III4x"),
    Opcode.MKDIR: _named("=II"),
    Opcode.UNLINK: _named("="),
    Opcode.RMDIR: _named("="),
    Opcode.RENAME: _named("=Q", 2),
    Opcode.LINK: _named("=Q"),
    Opcode.OPEN: _fixed("=II"),
    Opcode.READ: _fixed("=QqI20x"),
    Opcode.WRITE: _write,
    Opcode.STATFS: _nothing,
    Opcode.RELEASE: _fixed("=Q16x"),
    Opcode.FSYNC: _fixed("=QI4x"),
    Opcode.SETXATTR: _setxattr,
    Opcode.GETXATTR: _named("=I4x"),
    Opcode.LISTXATTR: _fixed("=I4x"),
    Opcode.REMOVEXATTR: _named("="),
    Opcode.FLUSH: _fixed("=Q16x"),
    Opcode.INIT: _init,
    Opcode.OPENDIR: _fixed("=II"),
    Opcode.READDIR: _fixed("=QQI20x"),
    Opcode.RELEASEDIR: _fixed("=Q16x"),
    Opcode.FSYNCDIR: _fixed("=QI4x"),
    Opcode.ACCESS: _fixed("=I4x"),
    Opcode.CREATE: _named("=IIII"),
    Opcode.INTERRUPT: _fixed("=Q"),
    Opcode.DESTROY: _nothing,
    Opcode.IOCTL: _ioctl,
    Opcode.BATCH_FORGET: _batch_forget,
    Opcode.FALLOCATE: _fixed("=QqqI4x"),
    Opcode.READDIRPLUS: _fixed("=QQI20x"),
    Opcode.RENAME2: _named("=QI4x", 2),
    Opcode.LSEEK: _fixed("=QqI4x"),
    Opcode.COPY_FILE_RANGE: _fixed("=QqQQqQQ"),
    Opcode.COPY_FILE_RANGE_64: _fixed("=QqQQqQQ"),
    Opcode.SYNCFS: _fixed("=8x"),
    Opcode.TMPFILE: _named("=IIII"),
    Opcode.STATX: _fixed("=24x"),
}
_BEFORE_SETXATTR_EXT: Layouts = {**_NEWEST, Opcode.SETXATTR: _short_setxattr}

# Replies

_OUT_HEADER = Struct("=IiQ")
_ENTRY = Struct("=QQQQII")
_ATTR_OUT = Struct("=QII")
_ATTR = Struct("=QQQqqqIIIIIIIIII")
_STATX = Struct("=QI20xIIQIIIH2xQQQQ" + "qI4x" * 4 + "IIII112x")
_OPEN = Struct("=QIi")
_IOCTL_OUT = Struct("=iIII")
_WRITTEN = Struct("=I4x")
_XATTR_SIZE = Struct("=I4x")
_LSEEK = Struct("=Q")
_COPIED = Struct("=Q")
_STATFS = Struct("=QQQQQIIII24x")
_STORE = Struct("=QQI4x")
_INVAL_INODE = Struct("=Qqq")
_INVAL_ENTRY = Struct("=QII")
_INIT_OUT = Struct("=IIIIHHIIHHII24x")
_DIRENT = Struct("=QQII")
_DIRENTPLUS = Struct("=QQQQIIQQQqqqIIIIIIIIIIQQII")
"""`_ENTRY`, `_ATTR` and `_DIRENT` at once."""

_BLOCK_SIZE = 4096
_DIRENT_ALIGN = 8


class Lifetimes(NamedTuple):
    """How long the kernel may believe entries and attributes, in seconds."""

    entry: int
    attr: int


def reply(unique: int, body: bytes | memoryview = b"") -> bytes:
    return _OUT_HEADER.pack(16 + len(body), 0, unique) + body


def reply_error(unique: int, number: int) -> bytes:
    """A refusal; `number` is a positive errno."""
    return _OUT_HEADER.pack(16, -number, unique)


def reply_header(unique: int, size: int) -> bytes:
    """The header before `size` bytes of data that are written along with it."""
    return _OUT_HEADER.pack(16 + size, 0, unique)


def notice_of_data(nodeid: int, offset: int, size: int) -> bytes:
    """The head of a notice whose `size` bytes of data belong in the kernel's pages of a file."""
    head = _OUT_HEADER.pack(16 + _STORE.size + size, Notice.STORE, 0)
    return head + _STORE.pack(nodeid, offset, size)


def notice_of_inode(nodeid: int, offset: int, length: int) -> bytes:
    """Attributes of a file, and its pages from `offset` on (`length` 0: all), are not what they were.

    With a negative `offset` it is the attributes alone.
    """
    body = _INVAL_INODE.pack(nodeid, offset, length)
    return _OUT_HEADER.pack(16 + len(body), Notice.INVAL_INODE, 0) + body


def notice_of_entry(parent: int, name: bytes) -> bytes:
    """A name does not stand for what it stood for, or for nothing."""
    body = _INVAL_ENTRY.pack(parent, len(name), 0) + name + b"\0"
    return _OUT_HEADER.pack(16 + len(body), Notice.INVAL_ENTRY, 0) + body


def attr(stat: Stat) -> bytes:
    mode, ino, _, nlink, uid, gid, rdev, size, blocks, atime, mtime, ctime = stat
    return _ATTR.pack(
        ino,
        size,
        blocks,
        atime // _SECOND,
        mtime // _SECOND,
        ctime // _SECOND,
        atime % _SECOND,
        mtime % _SECOND,
        ctime % _SECOND,
        mode,
        nlink,
        uid,
        gid,
        encode_device(rdev),
        _BLOCK_SIZE,
        0,
    )


def attr_out(stat: Stat, lifetimes: Lifetimes) -> bytes:
    return _ATTR_OUT.pack(lifetimes.attr, 0, 0) + attr(stat)


_STATX_BASIC = 0x7FF
_STATX_BTIME = 0x800


def statx_out(stat: Stat, birth_ns: int | None, lifetimes: Lifetimes) -> bytes:
    """The attributes with the time of birth, where that is known."""
    mode, ino, _, nlink, uid, gid, rdev, size, blocks, atime, mtime, ctime = stat
    times = (atime, birth_ns or 0, ctime, mtime)
    return _STATX.pack(
        lifetimes.attr,
        0,
        _STATX_BASIC if birth_ns is None else _STATX_BASIC | _STATX_BTIME,
        _BLOCK_SIZE,
        0,
        nlink,
        uid,
        gid,
        mode,
        ino,
        size,
        blocks,
        0,
        *(part for time in times for part in divmod(time, _SECOND)),
        os.major(rdev),
        os.minor(rdev),
        0,
        0,
    )


def entry_out(nodeid: int, stat: Stat, lifetimes: Lifetimes) -> bytes:
    return _ENTRY.pack(nodeid, 0, lifetimes.entry, lifetimes.attr, 0, 0) + attr(stat)


def negative_entry(lifetimes: Lifetimes) -> bytes:
    """That there is nothing of this name, for the kernel to remember."""
    return _ENTRY.pack(0, 0, lifetimes.entry, 0, 0, 0) + bytes(_ATTR.size)


NO_ENTRY = bytes(_ENTRY.size + _ATTR.size)
"""In a READDIRPLUS reply: an entry without attributes."""


def open_out(fh: int, flags: int, backing_id: int = 0) -> bytes:
    return _OPEN.pack(fh, flags, backing_id)


def written(size: int) -> bytes:
    return _WRITTEN.pack(size)


def xattr_size(size: int) -> bytes:
    return _XATTR_SIZE.pack(size)


def ioctl_out(answer: bytes) -> bytes:
    return _IOCTL_OUT.pack(0, 0, 0, 0) + answer


def lseek_out(offset: int) -> bytes:
    return _LSEEK.pack(offset)


def copied(size: int) -> bytes:
    """The answer to COPY_FILE_RANGE_64; its elder's is `written`."""
    return _COPIED.pack(size)


def statfs_out(fs: StatFs) -> bytes:
    return _STATFS.pack(
        fs.blocks, fs.bfree, fs.bavail, fs.files, fs.ffree, fs.bsize, fs.namemax, fs.frsize, 0
    )


def dirent(name: bytes, ino: int, cookie: int, kind: Kind) -> bytes:
    """One entry of a READDIR reply, or what follows `entry_out` in a READDIRPLUS reply."""
    packed = _DIRENT.pack(ino, cookie, len(name), kind) + name
    return packed + bytes(-len(packed) % _DIRENT_ALIGN)


def direntplus(nodeid: int, stat: Stat, lifetimes: Lifetimes, name: bytes, cookie: int) -> bytes:
    """One entry of a READDIRPLUS reply: `entry_out`, and `dirent` behind it."""
    mode, ino, _, nlink, uid, gid, rdev, size, blocks, atime, mtime, ctime = stat
    packed = _DIRENTPLUS.pack(
        nodeid,
        0,
        lifetimes.entry,
        lifetimes.attr,
        0,
        0,
        ino,
        size,
        blocks,
        atime // _SECOND,
        mtime // _SECOND,
        ctime // _SECOND,
        atime % _SECOND,
        mtime % _SECOND,
        ctime % _SECOND,
        mode,
        nlink,
        uid,
        gid,
        encode_device(rdev) if rdev else 0,
        _BLOCK_SIZE,
        0,
        ino,
        cookie,
        len(name),
        mode >> 12,
    )
    return packed + name + _PADDING[len(name) % _DIRENT_ALIGN]


_PADDING = tuple(bytes(-length % _DIRENT_ALIGN) for length in range(_DIRENT_ALIGN))
"""What follows a name, by its length modulo 8: the entry's fixed part is whole eights."""


def direntplus_size(name: bytes) -> int:
    """The length of an entry of this name in a READDIRPLUS reply, in bytes."""
    size = _DIRENTPLUS.size + len(name)
    return size + -size % _DIRENT_ALIGN


def init_out(minor: int, readahead: int, flags: int, max_write: int, *, background: int) -> bytes:
    """The answer to INIT. `max_write` in bytes; passthrough, where in `flags`, may be one level deep."""
    depth = 1 if flags & InitFlags.PASSTHROUGH else 0
    return _INIT_OUT.pack(
        MAJOR,
        minor,
        readahead,
        flags & 0xFFFF_FFFF,
        background,
        background * 3 // 4,
        max_write,
        1,
        max_write // 4096,
        0,
        flags >> 32,
        depth,
    )


def encode_device(rdev: int) -> int:
    """makedev(3)'s number as the 32 bits of the kernel's new_encode_dev."""
    major = (rdev >> 8) & 0xFFF | (rdev >> 32) & ~0xFFF
    minor = rdev & 0xFF | (rdev >> 12) & ~0xFF
    return (minor & 0xFF | major << 8 | (minor & ~0xFF) << 12) & 0xFFFF_FFFF


def decode_device(encoded: int) -> int:
    """The inverse of `encode_device`."""
    major = encoded >> 8 & 0xFFF
    minor = encoded & 0xFF | encoded >> 12 & 0xFFF00
    return minor & 0xFF | major << 8 | (minor & ~0xFF) << 12


def iter_dirents(body: bytes) -> Iterator[tuple[bytes, int, int, int]]:
    """What a READDIR reply lists: name, ino, cookie, type. For tests and tools."""
    position = 0
    while position < len(body):
        ino, cookie, length, kind = _DIRENT.unpack_from(body, position)
        start = position + _DIRENT.size
        yield body[start : start + length], ino, cookie, kind
        position = start + length + -(_DIRENT.size + length) % _DIRENT_ALIGN
