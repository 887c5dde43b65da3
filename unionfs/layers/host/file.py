"""Regular files of the host, opened relative to the descriptor of their directory."""

from __future__ import annotations

import errno
import os
import stat
from contextlib import suppress
from functools import cache

from unionfs.errors import error
from unionfs.layers.host import syscalls
from unionfs.layers.host.attributes import stat_of
from unionfs.types import SEEK_DATA, SEEK_HOLE, Access, File, Stat, XattrFlags

_COPY_MAX = 1 << 20
# What copy_file_range(2) says where the two files need plain reads and writes instead.
_NO_COPY_FILE_RANGE = {errno.EXDEV, errno.EINVAL, errno.ENOSYS, errno.EOPNOTSUPP, errno.ETXTBSY}

# O_NONBLOCK: a fifo must not hang us before we see that it is one.
_ALWAYS = os.O_NOFOLLOW | os.O_CLOEXEC | os.O_NONBLOCK
_ACCESS_MODES = {
    Access.READ: os.O_RDONLY,
    Access.WRITE: os.O_WRONLY,
    Access.READ | Access.WRITE: os.O_RDWR,
}


class HostFile:
    """A `File` over a descriptor, which it owns."""

    def __init__(self, fd: int) -> None:
        self._fd = fd

    def pread(self, size: int, offset: int) -> bytes:
        return os.pread(self._fd, size, offset)

    def readinto_now(self, buffer: memoryview, offset: int) -> int:
        """What is in memory (preadv2(2), RWF_NOWAIT)."""
        try:
            read = os.preadv(self._fd, [buffer], offset, os.RWF_NOWAIT)
            if read < len(buffer) and os.preadv(self._fd, [bytearray(1)], offset + read, os.RWF_NOWAIT):
                raise error(errno.EAGAIN)  # it was not the end of the file, and has come meanwhile
        except OSError as failure:
            if failure.errno == errno.EOPNOTSUPP:  # by this file system
                raise error(errno.EAGAIN) from None
            raise
        return read

    def pwrite(self, data: bytes | memoryview, offset: int) -> int:
        return os.pwrite(self._fd, data, offset)

    def truncate(self, size: int) -> None:
        try:
            os.ftruncate(self._fd, size)
        except OSError as failure:
            # ftruncate(2) says EINVAL for a descriptor that cannot write, as for a bad size.
            if failure.errno == errno.EINVAL and size >= 0:
                raise error(errno.EBADF) from None
            raise

    def fallocate(self, mode: int, offset: int, length: int) -> None:
        syscalls.fallocate(self._fd, mode, offset, length)

    def seek(self, offset: int, whence: int) -> int:
        if whence not in {SEEK_DATA, SEEK_HOLE}:
            raise error(errno.EINVAL)
        return os.lseek(self._fd, offset, whence)

    def stat(self) -> Stat:
        return stat_of(os.fstat(self._fd))

    def sync(self, data_only: bool = False) -> None:
        if data_only:
            os.fdatasync(self._fd)
        else:
            os.fsync(self._fd)

    def start_writing(self, offset: int, length: int) -> None:
        with suppress(OSError):  # what cannot be written, syncing will tell
            syscalls.start_writing(self._fd, offset, length)

    def fileno(self) -> int:
        return self._fd

    def xattrs(self) -> list[bytes]:
        try:
            return [os.fsencode(name) for name in os.listxattr(self._fd)]
        except OSError as failure:
            if failure.errno == errno.EOPNOTSUPP:
                return []
            raise

    def chmod(self, mode: int) -> None:
        os.fchmod(self._fd, mode)

    def chown(self, uid: int, gid: int) -> None:
        os.fchown(self._fd, uid, gid)

    def utimens(self, atime_ns: int, mtime_ns: int) -> None:
        os.utime(self._fd, ns=(atime_ns, mtime_ns))

    def setxattr(self, name: bytes, value: bytes, flags: XattrFlags = XattrFlags.NONE) -> None:
        os.setxattr(self._fd, name, value, int(flags))

    def copy_from(self, source: File, offset: int, length: int) -> int:
        if (other := source.fileno()) is not None:
            try:
                return os.copy_file_range(other, self._fd, length, offset, offset)
            except OSError as failure:
                if failure.errno not in _NO_COPY_FILE_RANGE:
                    raise
        return self.pwrite(source.pread(min(length, _COPY_MAX), offset), offset)

    def clone_from(self, source: File) -> bool:
        other = source.fileno()
        return other is not None and syscalls.clone(other, self._fd)

    def close(self) -> None:
        fd, self._fd = self._fd, -1
        if fd >= 0:
            os.close(fd)


def open_regular(dir_fd: int, name: bytes, access: Access) -> int:
    """Open a regular file; what is none gives EISDIR, ELOOP (a symbolic link) or EINVAL (the rest)."""
    try:
        fd = open_quietly(dir_fd, name, _flags(access))
    except OSError as failure:
        if failure.errno == errno.ENXIO:  # a socket, or a fifo that nobody reads
            raise error(errno.EINVAL) from None
        raise
    mode = os.fstat(fd).st_mode
    if not stat.S_ISREG(mode):
        os.close(fd)
        raise error(errno.EISDIR if stat.S_ISDIR(mode) else errno.EINVAL)
    return fd


def create_regular(dir_fd: int, name: bytes, mode: int, gid: int) -> int:
    """Create a file with exactly this mode and group, whatever umask, ACL or setgid directory say."""
    fd = os.open(name, os.O_RDWR | os.O_CREAT | os.O_EXCL | _ALWAYS, mode, dir_fd=dir_fd)
    try:
        made = os.fstat(fd)
        if (made.st_gid, stat.S_IMODE(made.st_mode)) != (gid, mode):
            os.fchown(fd, -1, gid)
            os.fchmod(fd, mode)
    except OSError:
        os.close(fd)
        raise
    return fd


def open_quietly(dir_fd: int, name: bytes, flags: int) -> int:
    """open(2) that leaves the access time alone where we may ask for that (O_NOATIME: our own files)."""
    try:
        return os.open(name, flags | os.O_NOATIME, dir_fd=dir_fd)
    except PermissionError:
        return os.open(name, flags, dir_fd=dir_fd)


@cache
def _flags(access: Access) -> int:
    flags = _ALWAYS | _ACCESS_MODES[access & (Access.READ | Access.WRITE)]
    if Access.APPEND in access:
        flags |= os.O_APPEND
    if Access.TRUNCATE in access:
        flags |= os.O_TRUNC
    return flags
