"""The ports to where a tree of files is kept: memory, a host directory, an archive.

A store is one directory tree, addressed by path and without state of its own
that a caller could see. It knows nothing of layers, whiteouts or other marks:
it shows every entry that is really there.

Rules for every store:

- paths are `bytes` below the store's root (see `unionfs.types`), never resolved
  through symbolic links, neither in the middle nor at the end;
- a failure is an `OSError` with the errno that Linux gives for the same call,
  its filename the path within the store (ENOTDIR or ELOOP where a parent is a
  symbolic link);
- calls are safe from several threads.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Protocol

from unionfs.types import Access, File, FlagsForm, Kind, RenameFlags, Stat, StatFs, XattrFlags


class Store(Protocol):
    """A tree of files that can be read."""

    @property
    def name(self) -> str:
        """What people call this store: a directory's path, an archive's file name."""

    def stat(self, path: bytes) -> Stat: ...
    def scan(self, path: bytes) -> Iterable[tuple[bytes, Kind]]:
        """Every entry of a directory but ``.`` and ``..``, in no particular order."""

    def readlink(self, path: bytes) -> bytes: ...
    def listxattr(self, path: bytes) -> list[bytes]: ...
    def getxattr(self, path: bytes, name: bytes) -> bytes:
        """The value of one extended attribute; ENODATA where it has none of that name."""

    def has_xattrs(self) -> bool:
        """False where nothing in the store has an extended attribute, or ever will; True where one may."""

    def open(self, path: bytes, access: Access = Access.READ) -> File:
        """Open an existing regular file. A store that cannot be written gives EROFS for `Access.WRITE`."""

    def handle(self, path: bytes) -> bytes | None:
        """What identifies the file for good, whatever its name: or None where nothing does.

        The value is the kernel's ``struct ovl_fb`` where the host can make one
        (linux, fs/overlayfs/overlayfs.h): what overlayfs stores as a copy's origin.
        """

    def find(self, handle: bytes) -> tuple[int, int] | None:
        """Device and inode number of the file that `handle` identifies, wherever on the store's file system.

        None where there is none, or where finding it is not permitted.
        """

    def hard_links(self) -> Mapping[int, Sequence[bytes]]:
        """The files that have several names in the store: their paths, by inode number. Takes a walk."""

    def statfs(self) -> StatFs: ...
    def close(self) -> None: ...


class StatsTogether(Protocol):
    """What a store offers that is faster when it is asked about many names of one directory."""

    def stat_in(self, path: bytes) -> Callable[[bytes], Stat]:
        """What `stat` says of entries of the directory at `path`, by name."""


def stat_in(store: Store | StatsTogether, path: bytes) -> Callable[[bytes], Stat]:
    """What gives the attributes of entries of the directory at `path`, by name."""
    if hasattr(store, "stat_in"):
        return store.stat_in(path)
    prefix = path + b"/" if path else b""
    return lambda name: store.stat(prefix + name)


class Fetches(Protocol):
    """What a store offers that is far away. Safe from several threads."""

    def is_at_hand(self, path: bytes, name: bytes | None) -> bool:
        """Whether the directory at `path` can be listed, and `name` in it be looked at, without waiting.

        `name` is None for all that is in it, and empty for nothing but the names.
        """

    def fetch(self, path: bytes, name: bytes | None) -> None:
        """Have that at hand."""


class TellsBirth(Protocol):
    """What a store offers that may know when its files were made."""

    def birth_ns(self, path: bytes) -> int | None:
        """When what is at `path` was made, in nanoseconds since the epoch; None where nothing tells."""


class HasFlags(Protocol):
    """What a store offers whose regular files and directories may have the flags of chattr(1).

    ENOTTY or EOPNOTSUPP where their file system does not know these flags.
    """

    def flags(self, path: bytes, form: FlagsForm) -> bytes: ...
    def set_flags(self, path: bytes, form: FlagsForm, value: bytes) -> None: ...


class WritableStore(Store, Protocol):
    """A tree of files that can be changed.

    `rename` and `link` may cross from one store into another (`to`) where both
    are on one file system; otherwise they give EXDEV. Modes are exact: no umask.
    """

    @property
    def owner(self) -> tuple[int, int] | None:
        """The uid and gid that a file made here gets by itself; None where a further step gives it any.

        Until then others must not see it.
        """

    @property
    def epoch(self) -> bytes:
        """At most 40 bytes that change when what was written, but not synced, may have been lost."""

    def create(self, path: bytes, mode: int) -> File:
        """A new, empty regular file, open for reading and writing; EEXIST where the name is taken."""

    def mkdir(self, path: bytes, mode: int) -> None: ...
    def mknod(self, path: bytes, mode: int, rdev: int) -> None:
        """A new device, fifo or socket; `mode` includes the format bits."""

    def symlink(self, path: bytes, target: bytes) -> None: ...
    def link(self, path: bytes, to: WritableStore, new: bytes) -> None: ...
    def rename(self, path: bytes, to: WritableStore, new: bytes, flags: RenameFlags) -> None: ...
    def unlink(self, path: bytes) -> None: ...
    def rmdir(self, path: bytes) -> None: ...
    def chmod(self, path: bytes, mode: int) -> None:
        """Set the permission bits (07777) of anything but a symbolic link."""

    def chown(self, path: bytes, uid: int, gid: int) -> None:
        """Set owner and group (-1 leaves one alone), of a symbolic link itself too."""

    def utimens(self, path: bytes, atime_ns: int, mtime_ns: int) -> None:
        """Set both times, of a symbolic link itself too."""

    def setxattr(
        self, path: bytes, name: bytes, value: bytes, flags: XattrFlags = XattrFlags.NONE
    ) -> None: ...
    def removexattr(self, path: bytes, name: bytes) -> None: ...
    def sync(self) -> None:
        """syncfs(2): everything written so far is on stable storage when it returns."""
