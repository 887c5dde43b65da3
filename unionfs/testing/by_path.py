"""A subject that is a directory of this host: a mountpoint, or a plain directory."""

from __future__ import annotations

import errno
import mmap
import os
import stat as stat_bits
from collections.abc import Iterator

from unionfs.errors import error
from unionfs.layers.host.syscalls import renameat2
from unionfs.types import Kind, RenameFlags, Stat, XattrFlags

_NO_FD = -1  # absolute paths are not relative to a descriptor


def stat_of(found: os.stat_result) -> Stat:
    """The project's form of an ``os.stat_result``."""
    return Stat(
        mode=found.st_mode,
        ino=found.st_ino,
        dev=found.st_dev,
        nlink=found.st_nlink,
        uid=found.st_uid,
        gid=found.st_gid,
        rdev=found.st_rdev,
        size=found.st_size,
        blocks=found.st_blocks,
        atime_ns=found.st_atime_ns,
        mtime_ns=found.st_mtime_ns,
        ctime_ns=found.st_ctime_ns,
    )


class Descriptor:
    """An open file by its descriptor."""

    def __init__(self, fd: int) -> None:
        self._fd = fd

    def read(self, size: int, offset: int) -> bytes:
        return os.pread(self._fd, size, offset)

    def write(self, data: bytes, offset: int) -> int:
        return os.pwrite(self._fd, data, offset)

    def truncate(self, size: int) -> None:
        try:
            os.ftruncate(self._fd, size)
        except OSError as failure:
            # For a file not open for writing POSIX has either; Linux gives EINVAL, the project EBADF.
            raise error(
                errno.EBADF if failure.errno == errno.EINVAL else failure.errno or errno.EIO
            ) from None

    def stat(self) -> Stat:
        return stat_of(os.fstat(self._fd))

    def close(self) -> None:
        os.close(self._fd)


class PathSubject:
    """The tree below `root`, by ordinary system calls. Modes are exact where the umask is 0."""

    def __init__(self, root: bytes) -> None:
        self._root = root

    def stat(self, path: bytes) -> Stat:
        return stat_of(os.lstat(self._walk(path)))

    def scan(self, path: bytes) -> list[tuple[bytes, Kind | None]]:
        with os.scandir(self._walk(path)) as found:
            return [(entry.name, _kind_of_entry(entry)) for entry in found]

    def readlink(self, path: bytes) -> bytes:
        return os.readlink(self._walk(path))

    def xattrs(self, path: bytes) -> dict[bytes, bytes]:
        place = self._walk(path)
        names = os.listxattr(place, follow_symlinks=False)
        return {os.fsencode(name): os.getxattr(place, name, follow_symlinks=False) for name in names}

    def open(self, path: bytes, writable: bool) -> Descriptor:
        flags = os.O_RDWR if writable else os.O_RDONLY
        return Descriptor(os.open(self._walk(path), flags | os.O_NOFOLLOW | os.O_CLOEXEC))

    def create(self, path: bytes, mode: int) -> None:
        os.close(os.open(self._walk(path), os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, mode))

    def mkdir(self, path: bytes, mode: int) -> None:
        os.mkdir(self._walk(path), mode)

    def mknod(self, path: bytes, mode: int, rdev: int) -> None:
        os.mknod(self._walk(path), mode, rdev)

    def symlink(self, path: bytes, target: bytes) -> None:
        os.symlink(target, self._walk(path))

    def link(self, path: bytes, new: bytes) -> None:
        source = self._walk(path)
        os.lstat(source)
        os.link(source, self._walk(new), follow_symlinks=False)

    def unlink(self, path: bytes) -> None:
        os.unlink(self._walk(path))

    def rmdir(self, path: bytes) -> None:
        os.rmdir(self._walk(path))

    def rename(self, path: bytes, new: bytes, flags: RenameFlags) -> None:
        renameat2(_NO_FD, self._walk(path), _NO_FD, self._walk(new), flags)

    def truncate(self, path: bytes, size: int) -> None:
        os.truncate(self._walk(path), size)

    def write_mapped(self, path: bytes, data: bytes, offset: int) -> None:
        fd = os.open(self._walk(path), os.O_RDWR | os.O_NOFOLLOW | os.O_CLOEXEC)
        try:
            with mmap.mmap(fd, 0) as mapping:
                mapping[offset : offset + len(data)] = data
                mapping.flush()
        finally:
            os.close(fd)

    def chmod(self, path: bytes, mode: int) -> None:
        os.chmod(self._walk(path), mode)

    def chown(self, path: bytes, uid: int, gid: int) -> None:
        os.lchown(self._walk(path), uid, gid)

    def utimens(self, path: bytes, atime_ns: int, mtime_ns: int) -> None:
        os.utime(self._walk(path), ns=(atime_ns, mtime_ns), follow_symlinks=False)

    def setxattr(self, path: bytes, name: bytes, value: bytes, flags: XattrFlags) -> None:
        os.setxattr(self._walk(path), name, value, flags, follow_symlinks=False)

    def removexattr(self, path: bytes, name: bytes) -> None:
        os.removexattr(self._walk(path), name, follow_symlinks=False)

    def _walk(self, path: bytes) -> bytes:
        """Where `path` is on the host, once every parent is known to be a real directory."""
        for parent in _parents(path):
            if not stat_bits.S_ISDIR(os.lstat(os.path.join(self._root, parent)).st_mode):
                raise error(errno.ENOTDIR, path)
        return os.path.join(self._root, path) if path else self._root


def _parents(path: bytes) -> Iterator[bytes]:
    slash = path.find(b"/")
    while slash >= 0:
        yield path[:slash]
        slash = path.find(b"/", slash + 1)


def _kind_of_entry(entry: os.DirEntry[bytes]) -> Kind | None:
    """The kind that the listing itself gave; None for those that Python cannot tell apart without a stat."""
    if entry.is_symlink():
        return Kind.SYMLINK
    if entry.is_dir(follow_symlinks=False):
        return Kind.DIR
    if entry.is_file(follow_symlinks=False):
        return Kind.FILE
    return None
