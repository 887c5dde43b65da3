"""A directory of the host as a store."""

from __future__ import annotations

import errno
import os
import stat
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import cached_property

from unionfs.core.store import WritableStore
from unionfs.errors import error
from unionfs.layers.host import syscalls
from unionfs.layers.host.attributes import stat_of, statfs_of
from unionfs.layers.host.directories import Directory, directories
from unionfs.layers.host.file import HostFile, create_regular, open_quietly, open_regular
from unionfs.layers.host.handle import find_by_handle, overlay_handle, uuid_of
from unionfs.layers.paths import check_name, names_path
from unionfs.types import Access, FlagsForm, Kind, RenameFlags, Stat, StatFs, XattrFlags, kind_of

_READ_DIRECTORY = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
_READ_ANYTHING = os.O_RDONLY | os.O_NONBLOCK | os.O_NOFOLLOW | os.O_CLOEXEC
_ENCODING, _ERRORS = sys.getfilesystemencoding(), sys.getfilesystemencodeerrors()
_ONLY_NAME = os.O_PATH | os.O_NOFOLLOW | os.O_CLOEXEC


class HostStore:
    """A `WritableStore` over a directory of this host; without `writable` every change gives EROFS.

    Nothing outside the directory can be reached: a path's directories are opened
    beneath the root by descriptor, through no symbolic link, and its last name is
    used relative to its directory's descriptor, never followed. Directories are
    remembered; they must not be renamed behind the store's back while it is used.

    New files have the mode that was asked for and belong to `owner`, whatever
    umask, default ACLs and setgid directories say.
    """

    def __init__(
        self, path: str | bytes | os.PathLike[str], name: str | None = None, *, writable: bool = False
    ) -> None:
        """ENOENT or ENOTDIR where `path` is no directory; the way to it may lead through symbolic links."""
        self.name = os.fsdecode(path) if name is None else name
        self.writable = writable
        self._root = Directory(os.open(path, os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC))

    @property
    def owner(self) -> tuple[int, int] | None:
        return os.geteuid(), os.getegid()

    @cached_property
    def epoch(self) -> bytes:
        """The host's boot id."""
        with open("/proc/sys/kernel/random/boot_id", "rb") as file:
            return file.read().strip()

    # Reading.

    @names_path
    def stat(self, path: bytes) -> Stat:
        directory, name = self._place(path)
        return stat_of(os.stat(name, dir_fd=directory.fd, follow_symlinks=False))

    @names_path
    def stat_in(self, path: bytes) -> Callable[[bytes], Stat]:
        directory = self.directory(path)
        return lambda name: stat_of(os.stat(name, dir_fd=directory.fd, follow_symlinks=False))

    def scan(self, path: bytes) -> list[tuple[bytes, Kind]]:
        with self._scan(path) as entries:
            return [(entry.name.encode(_ENCODING, _ERRORS), _kind(entry)) for entry in entries]

    @contextmanager
    def _scan(self, path: bytes) -> Iterator[Iterator[os.DirEntry[str]]]:
        """The directory is kept at hand, for whoever lists one asks about what is in it next."""
        generation = directories.generation
        directory = Directory(self._open_directory(path), is_readable=True)
        with os.scandir(directory.fd) as entries:
            yield entries
        if path:
            directories.keep((self._root, path), directory, generation)

    @names_path
    def _open_directory(self, path: bytes) -> int:
        directory, name = self._place(path)
        return open_quietly(directory.fd, name, _READ_DIRECTORY)

    @names_path
    def readlink(self, path: bytes) -> bytes:
        directory, name = self._place(path)
        return os.readlink(name, dir_fd=directory.fd)

    @names_path
    def listxattr(self, path: bytes) -> list[bytes]:
        target, follow = self._target(path)
        return [os.fsencode(name) for name in os.listxattr(target, follow_symlinks=follow)]

    @names_path
    def getxattr(self, path: bytes, name: bytes) -> bytes:
        target, follow = self._target(path)
        return os.getxattr(target, name, follow_symlinks=follow)

    def has_xattrs(self) -> bool:
        return True

    @names_path
    def birth_ns(self, path: bytes) -> int | None:
        directory, name = self._place(path)
        return syscalls.birth_ns(directory.fd, name)

    @names_path
    def flags(self, path: bytes, form: FlagsForm) -> bytes:
        with self._file_or_directory(*self._place(path)) as fd:
            return syscalls.flags(fd, form)

    @names_path
    def open(self, path: bytes, access: Access = Access.READ) -> HostFile:
        directory, name = self._place(path) if access == Access.READ else self._place_to_change(path)
        return self._file(open_regular(directory.fd, name, access))

    def _file(self, fd: int) -> HostFile:
        """What a store of this kind opens, which owns the descriptor."""
        return HostFile(fd)

    @names_path
    def handle(self, path: bytes) -> bytes | None:
        directory, name = self._place(path)
        return overlay_handle(directory.fd, name, self._uuid)

    def find(self, handle: bytes) -> tuple[int, int] | None:
        return find_by_handle(self._root.fd, handle, self._uuid)

    def hard_links(self) -> dict[int, list[bytes]]:
        """Found by the inode numbers that directories list, without a stat(2) a file."""
        names: dict[int, list[bytes]] = {}
        directories = [b""]
        for path in directories:
            with self._scan(path) as entries:
                for entry in entries:
                    name = os.fsencode(entry.name)
                    below = path + b"/" + name if path else name
                    if entry.is_dir(follow_symlinks=False):
                        directories.append(below)
                    else:
                        names.setdefault(entry.inode(), []).append(below)
        return {ino: paths for ino, paths in names.items() if len(paths) > 1}

    def statfs(self) -> StatFs:
        return statfs_of(os.fstatvfs(self._root.fd))

    def close(self) -> None:
        directories.forget_all(self._root)
        self._root.close()

    # Names.

    @names_path
    def create(self, path: bytes, mode: int) -> HostFile:
        directory, name = self._place_to_change(path)
        return self._file(create_regular(directory.fd, name, mode, os.getegid()))

    @names_path
    def mkdir(self, path: bytes, mode: int) -> None:
        directory, name = self._place_to_change(path)
        os.mkdir(name, mode, dir_fd=directory.fd)
        _make_exact(directory, name, mode)

    @names_path
    def mknod(self, path: bytes, mode: int, rdev: int) -> None:
        directory, name = self._place_to_change(path)
        if stat.S_IFMT(mode) in {0, stat.S_IFREG}:
            raise error(errno.EINVAL)
        os.mknod(name, mode, rdev, dir_fd=directory.fd)
        _make_exact(directory, name, stat.S_IMODE(mode))

    @names_path
    def symlink(self, path: bytes, target: bytes) -> None:
        directory, name = self._place_to_change(path)
        os.symlink(target, name, dir_fd=directory.fd)
        os.chown(name, -1, os.getegid(), dir_fd=directory.fd, follow_symlinks=False)

    @names_path
    def link(self, path: bytes, to: WritableStore, new: bytes) -> None:
        source, old_name = self._place_to_change(path)
        target, new_name = _host_store(to)._place_to_change(new)
        os.link(old_name, new_name, src_dir_fd=source.fd, dst_dir_fd=target.fd, follow_symlinks=False)

    @names_path
    def rename(self, path: bytes, to: WritableStore, new: bytes, flags: RenameFlags) -> None:
        other = _host_store(to)
        source, old_name = self._place_to_change(path)
        target, new_name = other._place_to_change(new)
        syscalls.renameat2(source.fd, old_name, target.fd, new_name, flags)
        exchanged = flags & RenameFlags.EXCHANGE and _is_directory(source, old_name)
        if exchanged or _is_directory(target, new_name):
            directories.forget(self._root, path)
            directories.forget(other._root, new)

    @names_path
    def unlink(self, path: bytes) -> None:
        directory, name = self._place_to_change(path)
        os.unlink(name, dir_fd=directory.fd)

    @names_path
    def rmdir(self, path: bytes) -> None:
        directory, name = self._place_to_change(path)
        os.rmdir(name, dir_fd=directory.fd)
        directories.forget_removed(self._root, path)

    # Attributes.

    @names_path
    def chmod(self, path: bytes, mode: int) -> None:
        directory, name = self._place_to_change(path)
        _chmod(directory, name, mode)

    @names_path
    def chown(self, path: bytes, uid: int, gid: int) -> None:
        directory, name = self._place_to_change(path)
        os.chown(name, uid, gid, dir_fd=directory.fd, follow_symlinks=False)

    @names_path
    def utimens(self, path: bytes, atime_ns: int, mtime_ns: int) -> None:
        directory, name = self._place_to_change(path)
        os.utime(name, ns=(atime_ns, mtime_ns), dir_fd=directory.fd, follow_symlinks=False)

    @names_path
    def setxattr(self, path: bytes, name: bytes, value: bytes, flags: XattrFlags = XattrFlags.NONE) -> None:
        directory, last = self._place_to_change(path)
        os.setxattr(_proc_path(directory, last), name, value, int(flags), follow_symlinks=False)

    @names_path
    def removexattr(self, path: bytes, name: bytes) -> None:
        directory, last = self._place_to_change(path)
        os.removexattr(_proc_path(directory, last), name, follow_symlinks=False)

    @names_path
    def set_flags(self, path: bytes, form: FlagsForm, value: bytes) -> None:
        with self._file_or_directory(*self._place_to_change(path)) as fd:
            syscalls.set_flags(fd, form, value)

    @staticmethod
    @contextmanager
    def _file_or_directory(directory: Directory, name: bytes) -> Iterator[int]:
        """What takes an ioctl. The caller knows that it is no device or fifo."""
        fd = open_quietly(directory.fd, name, _READ_ANYTHING)
        try:
            yield fd
        finally:
            os.close(fd)

    def sync(self) -> None:
        fd = os.open(".", _READ_DIRECTORY, dir_fd=self._root.fd)
        try:
            syscalls.syncfs(fd)
        finally:
            os.close(fd)

    # Resolving.

    def _place(self, path: bytes) -> tuple[Directory, bytes]:
        """The directory that holds, or could hold, the last name of a path; and that name.

        The caller holds the directory until it has used the descriptor.
        """
        parent, slash, name = path.rpartition(b"/")
        directory = directories.get(self._root, parent) if slash else self._root
        if not path:
            return directory, b"."
        check_name(name)
        return directory, name

    @names_path
    def directory(self, path: bytes) -> Directory:
        """A directory of the store, for calls that take a descriptor."""
        return directories.get(self._root, path) if path else self._root

    def _target(self, path: bytes) -> tuple[int | bytes, bool]:
        """What stands for `path` in calls that take a descriptor or a path, and whether to follow links.

        The descriptor of a directory that is at hand, for it takes a fifth of the time of a path.
        """
        directory = directories.kept(self._root, path)
        if directory is not None and directory.is_readable:
            return directory.fd, True
        return _proc_path(*self._place(path)), False

    def _place_to_change(self, path: bytes) -> tuple[Directory, bytes]:
        if not self.writable:
            raise error(errno.EROFS)
        return self._place(path)

    @cached_property
    def _uuid(self) -> bytes:
        return uuid_of(self._root.fd)


def _host_store(store: WritableStore) -> HostStore:
    if isinstance(store, HostStore):
        return store
    raise error(errno.EXDEV)


def _proc_path(directory: Directory, name: bytes) -> bytes:
    """A path for the calls that take no descriptor; only its last name comes from the layer."""
    return b"/proc/self/fd/%d/%b" % (directory.fd, name)


def _is_directory(directory: Directory, name: bytes) -> bool:
    return stat.S_ISDIR(os.stat(name, dir_fd=directory.fd, follow_symlinks=False).st_mode)


def _kind(entry: os.DirEntry[str]) -> Kind:
    if entry.is_file(follow_symlinks=False):
        return Kind.FILE
    if entry.is_dir(follow_symlinks=False):
        return Kind.DIR
    if entry.is_symlink():
        return Kind.SYMLINK
    return kind_of(entry.stat(follow_symlinks=False).st_mode)


def _make_exact(directory: Directory, name: bytes, mode: int) -> None:
    """Give what was just made the mode and group that umask, ACLs or a setgid directory may have changed."""
    made = os.stat(name, dir_fd=directory.fd, follow_symlinks=False)
    gid = os.getegid()
    if (made.st_gid, stat.S_IMODE(made.st_mode)) != (gid, mode):
        os.chown(name, -1, gid, dir_fd=directory.fd, follow_symlinks=False)
        _chmod(directory, name, mode)


def _chmod(directory: Directory, name: bytes, mode: int) -> None:
    # fchmodat(2) follows symbolic links, and fchmod(2) does not take an O_PATH descriptor.
    fd = os.open(name, _ONLY_NAME, dir_fd=directory.fd)
    try:
        if stat.S_ISLNK(os.fstat(fd).st_mode):
            raise error(errno.EOPNOTSUPP)
        os.chmod(b"/proc/self/fd/%d" % fd, mode)
    finally:
        os.close(fd)
