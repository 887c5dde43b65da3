"""Values that every part of the project shares: kinds, attributes, flags, protocols of open files.

Paths inside the project are `bytes`, relative to the root of the tree they
belong to, without a leading or trailing slash; the root itself is ``b""``.
Times are integers in nanoseconds since the epoch, sizes and offsets are bytes.
The numbers are Linux's, so that adapters can hand them on unchanged.
"""

from __future__ import annotations

import stat as _s
from enum import Enum, IntEnum, IntFlag
from typing import NamedTuple, Protocol

SEEK_DATA = 3
SEEK_HOLE = 4

NAME_MAX = 255


class Kind(IntEnum):
    """What a file is; the values are those of ``d_type`` (readdir(3))."""

    FIFO = 1
    CHAR = 2
    DIR = 4
    BLOCK = 6
    FILE = 8
    SYMLINK = 10
    SOCKET = 12


_KIND_OF_FORMAT = {kind.value: kind for kind in Kind}


def kind_of(mode: int) -> Kind:
    """The kind that the format bits of `mode` (``st_mode``) say."""
    return _KIND_OF_FORMAT[_s.S_IFMT(mode) >> 12]


SECTOR = 512
"""The unit of `Stat.blocks`, in bytes."""


class Stat(NamedTuple):
    """Attributes of one file, as stat(2) gives them. `mode` includes the format bits.

    `size` is in bytes, `blocks` in units of `SECTOR`; times are in nanoseconds since the epoch.
    """

    mode: int
    ino: int = 0
    dev: int = 0
    nlink: int = 1
    uid: int = 0
    gid: int = 0
    rdev: int = 0
    size: int = 0
    blocks: int = 0
    atime_ns: int = 0
    mtime_ns: int = 0
    ctime_ns: int = 0

    @property
    def kind(self) -> Kind:
        return _KIND_OF_FORMAT[self.mode >> 12]

    def numbered(self, ino: int) -> Stat:
        """The same under a union's inode number, which belongs to no device."""
        return Stat._make((self[0], ino, 0, *self[3:]))


class StatFs(NamedTuple):
    """Attributes of a file system, as statvfs(3) gives them."""

    bsize: int = 4096
    frsize: int = 4096
    blocks: int = 0
    bfree: int = 0
    bavail: int = 0
    files: int = 0
    ffree: int = 0
    favail: int = 0
    namemax: int = NAME_MAX


class Owner(NamedTuple):
    """Who a new file belongs to."""

    uid: int = 0
    gid: int = 0


class Access(IntFlag):
    """How a file is opened."""

    READ = 1
    WRITE = 2
    APPEND = 4
    TRUNCATE = 8

    def has(self, any_of: Access) -> bool:
        """Whether one of these is in it. The operator `&` makes a new member, and takes ten times as long."""
        return int.__and__(self, any_of) != 0


class CopyUp(Enum):
    """When the data of a lower file that is written to is copied."""

    AUTO = "auto"
    """Small files by their first writer, others behind it."""
    EAGER = "eager"
    """Before the first write returns."""
    LAZY = "lazy"
    """Behind the first writer, whatever the size."""


class RenameFlags(IntFlag):
    """The flags of renameat2(2). A union refuses `WHITEOUT` (EINVAL), as overlayfs does."""

    NONE = 0
    NOREPLACE = 1
    EXCHANGE = 2
    WHITEOUT = 4


class XattrFlags(IntFlag):
    """The flags of setxattr(2)."""

    NONE = 0
    CREATE = 1
    REPLACE = 2


class FlagsForm(Enum):
    """The two forms in which a file's flags (chattr(1)) are asked for; the values are their sizes in bytes.

    Both begin with 32 bits of flags, which are not the same in both.
    """

    IFLAGS = 4
    """ioctl_iflags(2)."""
    FSXATTR = 28
    """``struct fsxattr``, ioctl_xfs_fsgetxattr(2)."""


class File(Protocol):
    """An open regular file of a store: positions are given with every call.

    Safe for use by several threads at once, except for `close`.
    Every method raises `OSError`; writing to a file opened without
    `Access.WRITE` gives EBADF.
    """

    def pread(self, size: int, offset: int) -> bytes: ...
    def pwrite(self, data: bytes | memoryview, offset: int) -> int: ...
    def truncate(self, size: int) -> None: ...
    def fallocate(self, mode: int, offset: int, length: int) -> None:
        """fallocate(2); EOPNOTSUPP for a mode that the store cannot do."""

    def seek(self, offset: int, whence: int) -> int:
        """The next data or hole from `offset` on (`SEEK_DATA`, `SEEK_HOLE`); ENXIO past the end."""

    def stat(self) -> Stat: ...
    def sync(self, data_only: bool = False) -> None: ...
    def fileno(self) -> int | None:
        """A descriptor of the file on this host, or None where there is none."""

    def copy_from(self, source: File, offset: int, length: int) -> int:
        """Copy at most `length` bytes of `source` to the same place here; the number copied, 0 at the end."""

    def clone_from(self, source: File) -> bool:
        """Share all data of `source`, and its size (FICLONE); False where they cannot be shared."""

    def close(self) -> None: ...


class ReadsNow(Protocol):
    """What a `File` offers that can tell whether reading would have to wait."""

    def readinto_now(self, buffer: memoryview, offset: int) -> int:
        """Fill `buffer` from `offset` on, if nothing has to be waited for; how many bytes there were.

        Fewer only at the end of the file. BlockingIOError (EAGAIN) where something has to be waited for.
        """


class WritesEarly(Protocol):
    """What a `File` offers whose data can be on its way to the disk before it is synced."""

    def start_writing(self, offset: int, length: int) -> None: ...


class TakesAttributes(Protocol):
    """What a `File` offers whose attributes can be set without a path; as `WritableStore` has it."""

    def chmod(self, mode: int) -> None: ...
    def chown(self, uid: int, gid: int) -> None: ...
    def utimens(self, atime_ns: int, mtime_ns: int) -> None: ...
    def setxattr(self, name: bytes, value: bytes, flags: XattrFlags = XattrFlags.NONE) -> None: ...


class TellsXattrs(Protocol):
    """What a `File` offers that knows its extended attributes."""

    def xattrs(self) -> list[bytes]:
        """Their names, as `Store.listxattr` gives them."""
