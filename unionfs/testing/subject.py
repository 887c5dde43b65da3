"""What the interpreter needs of a tree, however it is reached: calls by path, open files.

Paths are walked component by component and never through a symbolic link: one in
the middle gives ENOTDIR everywhere, whatever the host's own walk would do.
"""

from __future__ import annotations

from typing import NamedTuple, Protocol

from unionfs.types import Kind, RenameFlags, Stat, XattrFlags


class OpenFile(Protocol):
    """An open regular file (`unionfs.core.union.Handle` is one)."""

    def read(self, size: int, offset: int) -> bytes: ...
    def write(self, data: bytes, offset: int) -> int: ...
    def truncate(self, size: int) -> None: ...
    def stat(self) -> Stat: ...
    def close(self) -> None: ...


class Subject(Protocol):
    """A tree under test. Every method raises `OSError`; modes are exact, nobody's umask counts."""

    def stat(self, path: bytes) -> Stat: ...
    def scan(self, path: bytes) -> list[tuple[bytes, Kind | None]]:
        """Names and kinds as the listing gives them; None for fifos, sockets and devices."""

    def readlink(self, path: bytes) -> bytes: ...
    def xattrs(self, path: bytes) -> dict[bytes, bytes]: ...
    def open(self, path: bytes, writable: bool) -> OpenFile: ...
    def create(self, path: bytes, mode: int) -> None: ...
    def mkdir(self, path: bytes, mode: int) -> None: ...
    def mknod(self, path: bytes, mode: int, rdev: int) -> None: ...
    def symlink(self, path: bytes, target: bytes) -> None: ...
    def link(self, path: bytes, new: bytes) -> None: ...
    def unlink(self, path: bytes) -> None: ...
    def rmdir(self, path: bytes) -> None: ...
    def rename(self, path: bytes, new: bytes, flags: RenameFlags) -> None: ...
    def truncate(self, path: bytes, size: int) -> None: ...
    def write_mapped(self, path: bytes, data: bytes, offset: int) -> None:
        """Change bytes of a file, which is long enough, as a mapping of it does where it can be mapped."""

    def chmod(self, path: bytes, mode: int) -> None: ...
    def chown(self, path: bytes, uid: int, gid: int) -> None: ...
    def utimens(self, path: bytes, atime_ns: int, mtime_ns: int) -> None: ...
    def setxattr(self, path: bytes, name: bytes, value: bytes, flags: XattrFlags) -> None: ...
    def removexattr(self, path: bytes, name: bytes) -> None: ...


NOW_NS = 1_577_836_800_000_000_000
"""2020-01-01: generated times are older, times that an operation gives by itself are newer."""


class Attributes(NamedTuple):
    """The part of `Stat` that all trees must agree on.

    `size` and `nlink` are None for directories, where file systems differ;
    `mtime_ns` is None when it is newer than `NOW_NS`: "now", whenever that was.
    """

    kind: Kind
    mode: int
    uid: int
    gid: int
    size: int | None
    nlink: int | None
    rdev: int
    mtime_ns: int | None


def attributes(stat: Stat) -> Attributes:
    """`stat` without what may differ between equal trees."""
    is_dir = stat.kind is Kind.DIR
    return Attributes(
        kind=stat.kind,
        mode=stat.mode & 0o7777,
        uid=stat.uid,
        gid=stat.gid,
        size=None if is_dir else stat.size,
        nlink=None if is_dir else stat.nlink,
        rdev=stat.rdev,
        mtime_ns=stat.mtime_ns if stat.mtime_ns < NOW_NS else None,
    )
