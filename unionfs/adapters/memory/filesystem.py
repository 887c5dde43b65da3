"""`UnionFS`: a union with the calls of `os`."""

from __future__ import annotations

import errno
import os
import posixpath
import stat as _s
import time
import weakref
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, ExitStack, closing, suppress
from typing import IO, TYPE_CHECKING, Any, AnyStr, NamedTuple, overload

from unionfs.adapters.memory import files, patterns
from unionfs.adapters.memory.constructor import LayerLike, UpperLike, opened
from unionfs.adapters.memory.names import AnyPath, Path, decode, encode, like, naming
from unionfs.adapters.memory.path import UnionPath
from unionfs.adapters.memory.resolve import (
    NOT_NAMES,
    Slot,
    locate,
    locate_for_open,
    locate_new,
    occupant,
    resolve,
)
from unionfs.adapters.memory.results import NS, Entries, stat_result, statvfs_result
from unionfs.adapters.memory.tree import Tree
from unionfs.adapters.volumes import Volume, parse_volume
from unionfs.core.attrs import Changes
from unionfs.errors import error
from unionfs.types import Access, Kind, Owner, RenameFlags, XattrFlags

if TYPE_CHECKING:
    from _typeshed import OpenBinaryMode, OpenTextMode

    from unionfs.adapters.memory.volumes import WithVolumes
    from unionfs.core.handle import Handle
    from unionfs.core.layer import Layer, UpperLayer
    from unionfs.core.node import Node
    from unionfs.core.union import Union
    from unionfs.layers.fsspec.store import UrlOptions
    from unionfs.layers.host.shared import SharedStore

FILE_MODE = 0o644
DIR_MODE = 0o755

_RMDIR_ERRORS = {b"": errno.EBUSY, b".": errno.EINVAL, b"..": errno.ENOTEMPTY}


class Change(NamedTuple):
    """One difference between the upper layer and what it lies on."""

    path: str
    """From the union's root, with a leading slash."""
    letter: str
    """``A`` added, ``C`` changed, ``D`` removed, as ``docker diff`` says it."""
    kind: Kind
    """Of what is there now; for ``D``, of what was there."""
    size: int
    """Bytes; 0 for anything but a regular file."""


class UnionFS:
    """Layers seen as one file system, without a mount and without privileges.

    `lowers` are the read-only layers, the top-most first: directories of this host
    (`str`, `bytes` or `PathLike`), URLs that fsspec understands (``s3://…``), stores, or each
    a `Layer`. What is changed goes to `upper`::

        UnionFS("l2", "l1")                                 into memory, gone with this object
        UnionFS("l2", "l1", upper="changes", work="tmp")    into a directory, for the next time
        UnionFS("l2", "l1", read_only=True)                 nowhere: EROFS

    `work` is an empty directory on the file system of `upper`, which an upper on disk needs
    and no other may have. A layer in a dialect that cannot be guessed is given as a
    `Layer` (store and dialect); or all that are given by name have `dialect` (``aufs``, …).
    `url_options` are what the file systems of URLs are made with, by protocol:
    ``{"s3": {"anon": True}}``. `volumes` are directories and files of this host that are shown
    outside of all layers, each as ``HOST:PATH[:ro]`` (``unionfs mount --volume``): shared with whoever
    else uses them, and in no `diff` or commit. New files belong to `owner` (uid, gid), by default to this
    process's effective ids. Raises `unionfs.ConfigError` for layers that do not fit together.

    Calls have the names, arguments and results of those in `os` and `os.path`; what is said of one
    here is what is different. For all of them:

    - a path is absolute or relative, which is the same: both start at the union's root,
      and neither `..` nor a symbolic link leads out of it;
    - what takes `str` gives `str`, what takes `bytes` gives `bytes`; `str` is UTF-8 with
      surrogateescape;
    - failures are `OSError` of the usual subclass, with errno and the path as it was given;
    - modes are exact, there is no umask: the defaults are 0o644 and 0o755;
    - permissions are stored and shown, but not enforced;
    - calls may come from several threads.

    >>> from unionfs import MemoryStore, UnionFS
    >>> with UnionFS(MemoryStore(), owner=(0, 0)) as fs:
    ...     fs.makedirs("etc/app")
    ...     with fs.open("etc/app/conf", "w") as file:
    ...         _ = file.write("colour = blue\\n")
    ...     fs.path("etc/app/conf").read_text()
    ...     [(change.letter, change.path) for change in fs.diff()]
    'colour = blue\\n'
    [('A', '/etc'), ('A', '/etc/app'), ('A', '/etc/app/conf')]
    """

    def __init__(
        self,
        *lowers: LayerLike,
        upper: UpperLike | None = None,
        work: AnyPath | None = None,
        read_only: bool = False,
        owner: tuple[int, int] | None = None,
        dialect: str | None = None,
        url_options: UrlOptions | None = None,
        volumes: Sequence[str] = (),
    ) -> None:
        parsed = [parse_volume(text) for text in volumes]
        self._adopt(opened(lowers, upper, work, read_only, dialect, url_options), owner)
        if parsed:
            self._attach(parsed)

    @classmethod
    def over(cls, union: Union, owner: tuple[int, int] | None = None) -> UnionFS:
        """A file system over a `unionfs.core.union.Union` that is there already; `close` closes it."""
        fs = cls.__new__(cls)
        fs._adopt(closing(union), owner)
        return fs

    def _adopt(self, union: AbstractContextManager[Union], owner: tuple[int, int] | None) -> None:
        self._held = ExitStack()
        self.union = self._held.enter_context(union)
        self._tree: Tree = self.union
        self._volumes: WithVolumes | None = None
        self.owner = Owner(os.geteuid(), os.getegid()) if owner is None else Owner(*owner)

    def _attach(self, volumes: Sequence[Volume]) -> None:
        from unionfs.adapters.memory.volumes import WithVolumes

        self._tree = self._volumes = WithVolumes(self.union)
        self._held.callback(self._volumes.close)
        try:
            self._volumes.attach(volumes, self.owner)
        except BaseException:
            self.close()
            raise

    # The union as a whole.

    def diff(self) -> Iterator[Change]:
        """What the upper layer changes: sorted by path bytes, parents before children.

        The letters are those of ``docker diff``. A renamed directory is one that was removed, and one
        that was added. Takes time in proportion to the change, not to the tree.
        """
        for path, letter, kind, size in self.union.diff():
            yield Change("/" + decode(path), letter, kind, size)

    @property
    def layers(self) -> tuple[Layer | UpperLayer, ...]:
        """The top-most first: the upper layer, unless the union is read-only, and the lowers."""
        upper = self.union.upper
        return tuple(self.union.lowers) if upper is None else (upper, *self.union.lowers)

    def layer_of(self, path: AnyPath, *, follow_symlinks: bool = True) -> Layer | UpperLayer:
        """The layer that a file's metadata comes from; its `name` is what people call it.

        Data may come from a layer further down, where the metadata alone was copied up. EINVAL for
        what is in a volume.
        """
        with naming(path):
            node = self._node(path, follow_symlinks)
            if self._volume_of(node) is not None:
                raise error(errno.EINVAL)
            return self.union.layer_of(node)

    def path(self, *segments: AnyPath) -> UnionPath:
        """`segments`, joined, as a path object; the root if there are none."""
        return UnionPath(self, *map(decode, map(encode, segments)))

    def statvfs(self, path: AnyPath) -> os.statvfs_result:
        with naming(path):
            volume = self._volume_of(self._node(path))
            if volume is not None:
                return statvfs_result(volume.statfs(), read_only=not volume.writable)
            return statvfs_result(self.union.statfs(), read_only=self.union.upper is None)

    def sync(self) -> None:
        """Return once everything written so far is on stable storage, and every file is whole."""
        self.union.sync()
        if self._volumes is not None:
            self._volumes.sync()

    def close(self) -> None:
        """Make what was written last, and close the layers, those that were given as stores too."""
        self._held.close()

    def close_when_gone(self) -> None:
        """Close it once nobody holds it any more, or the process ends. A process forked from it does not."""
        weakref.finalize(self, _close, os.getpid(), self._held)

    def __enter__(self) -> UnionFS:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def __repr__(self) -> str:
        layers = [layer.name for layer in self.union.lowers]
        upper = self.union.upper.name if self.union.upper else None
        return f"<UnionFS {':'.join(layers)} upper={upper}>"

    # Reading.

    def stat(self, path: AnyPath, *, follow_symlinks: bool = True) -> os.stat_result:
        with naming(path):
            return stat_result(self._tree.getattr(self._node(path, follow_symlinks)))

    def lstat(self, path: AnyPath) -> os.stat_result:
        return self.stat(path, follow_symlinks=False)

    def exists(self, path: AnyPath) -> bool:
        return self._kind(path) is not None

    def lexists(self, path: AnyPath) -> bool:
        return self._kind(path, follow=False) is not None

    def isfile(self, path: AnyPath) -> bool:
        return self._kind(path) is Kind.FILE

    def isdir(self, path: AnyPath) -> bool:
        return self._kind(path) is Kind.DIR

    def islink(self, path: AnyPath) -> bool:
        return self._kind(path, follow=False) is Kind.SYMLINK

    def readlink(self, path: Path[AnyStr]) -> AnyStr:
        with naming(path):
            return like(os.fspath(path), self._tree.readlink(self._node(path, follow=False)))

    def listdir(self, path: Path[AnyStr]) -> list[AnyStr]:
        given = os.fspath(path)
        with naming(path):
            return [like(given, entry.name) for entry in self._tree.readdir(self._node(path))]

    def scandir(self, path: Path[AnyStr]) -> Entries[AnyStr]:
        """The entries of a directory with their kinds, as objects like `os.DirEntry`."""
        with naming(path):
            return Entries(self, os.fspath(path), self._tree.readdir(self._node(path)))

    def walk(
        self,
        top: Path[AnyStr],
        topdown: bool = True,
        onerror: Callable[[OSError], object] | None = None,
        followlinks: bool = False,
    ) -> Iterator[tuple[AnyStr, list[AnyStr], list[AnyStr]]]:
        """A tree's directories as `(path, directory names, other names)`, as `os.walk`.

        Top-down, the caller may change the list of directory names to choose where to go.
        """
        ahead: list[AnyStr | tuple[AnyStr, list[AnyStr], list[AnyStr]]] = [os.fspath(top)]
        while ahead:
            at = ahead.pop()
            if isinstance(at, tuple):
                yield at
                continue
            try:
                dirs, others = self._split_listing(at)
            except OSError as failure:
                if onerror is not None:
                    onerror(failure)
                continue
            if topdown:
                yield at, dirs, others
            else:
                ahead.append((at, dirs, others))
            paths = [posixpath.join(at, name) for name in reversed(dirs)]
            ahead += [path for path in paths if followlinks or not self.islink(path)]

    def _split_listing(self, path: AnyStr) -> tuple[list[AnyStr], list[AnyStr]]:
        dirs: list[AnyStr] = []
        others: list[AnyStr] = []
        for entry in self.scandir(path):
            (dirs if entry.is_dir() else others).append(entry.name)
        return dirs, others

    def glob(self, pattern: AnyStr) -> Iterator[AnyStr]:
        """The absolute paths that match, by the rules of `pathlib.Path.glob`, ``**`` included."""
        for path in patterns.glob(self, "/", decode(encode(pattern))):
            yield like(pattern, encode(path))

    # Files.

    @overload
    def open(
        self,
        path: AnyPath,
        mode: OpenTextMode = "r",
        buffering: int = -1,
        encoding: str | None = None,
        errors: str | None = None,
        newline: str | None = None,
    ) -> IO[str]: ...
    @overload
    def open(
        self,
        path: AnyPath,
        mode: OpenBinaryMode,
        buffering: int = -1,
        encoding: None = None,
        errors: None = None,
        newline: None = None,
    ) -> IO[bytes]: ...
    @overload
    def open(
        self,
        path: AnyPath,
        mode: str,
        buffering: int = -1,
        encoding: str | None = None,
        errors: str | None = None,
        newline: str | None = None,
    ) -> IO[Any]: ...
    def open(
        self,
        path: AnyPath,
        mode: str = "r",
        buffering: int = -1,
        encoding: str | None = None,
        errors: str | None = None,
        newline: str | None = None,
    ) -> IO[Any]:
        """Open a regular file, as the built-in `open`; the file object has no descriptor.

        Opening for writing copies nothing; nor does ``w``, which cuts the file to nothing.
        """

        def get(how: files.Mode) -> Handle:
            with naming(path):
                return self._handle(encode(path), how)

        return files.open_file(self, get, os.fspath(path), mode, buffering, encoding, errors, newline)

    def truncate(self, path: AnyPath, length: int) -> None:
        """Cut or lengthen a regular file to `length` bytes; copies at most what stays."""
        self._change(path, Changes(size=length))

    def _handle(self, path: bytes, how: files.Mode) -> Handle:
        if not how.creates:
            return self._tree.open(resolve(self._tree, path), how.access)
        slot = self._slot_to_create(path, how.exclusive)
        node = None if how.exclusive else occupant(self._tree, slot)
        if node is None:
            node, handle = self._tree.create(slot.parent, slot.name, FILE_MODE, self.owner)
            if not how.access & Access.APPEND:
                return handle
            handle.close()
        return self._tree.open(node, how.access)

    def _slot_to_create(self, path: bytes, exclusive: bool) -> Slot:
        if not exclusive:
            return locate_for_open(self._tree, path)
        slot = locate_new(self._tree, path, directory=True)
        if slot.slash:
            raise error(errno.EISDIR)
        return slot

    # Making.

    def mkdir(self, path: AnyPath, mode: int = DIR_MODE) -> None:
        with naming(path):
            slot = locate_new(self._tree, encode(path), directory=True)
            self._tree.mkdir(slot.parent, slot.name, mode, self.owner)

    def makedirs(self, name: Path[AnyStr], mode: int = DIR_MODE, exist_ok: bool = False) -> None:
        """Make a directory (with `mode`) and the parents it lacks (with 0o755)."""
        path = os.fspath(name)
        head, tail = posixpath.split(path)
        if not tail:
            head, tail = posixpath.split(head)
        if head and tail and not self.exists(head):
            with suppress(FileExistsError):  # a dangling link, or another was quicker: mkdir will tell
                self.makedirs(head)
            if tail == (b"." if isinstance(path, bytes) else "."):
                return  # it came with its directory
        try:
            self.mkdir(name, mode)
        except FileExistsError:
            if not exist_ok or not self.isdir(name):
                raise

    def mknod(self, path: AnyPath, mode: int = 0o600, device: int = 0) -> None:
        """A device, fifo or socket; an empty regular file if `mode` has no format bits."""
        with naming(path):
            slot = locate_new(self._tree, encode(path))
            mode = mode if _s.S_IFMT(mode) else mode | _s.S_IFREG
            self._tree.mknod(slot.parent, slot.name, mode, device, self.owner)

    def mkfifo(self, path: AnyPath, mode: int = FILE_MODE) -> None:
        self.mknod(path, _s.S_IFIFO | mode)

    def symlink(self, src: AnyPath, dst: AnyPath) -> None:
        """Make `dst` a symbolic link that says `src`."""
        with naming(src, dst):
            target = encode(src)
            if not target:
                raise error(errno.ENOENT)
            slot = locate_new(self._tree, encode(dst))
            self._tree.symlink(slot.parent, slot.name, target, self.owner)

    def link(self, src: AnyPath, dst: AnyPath, *, follow_symlinks: bool = False) -> None:
        """Make `dst` one more name of `src`; of a symbolic link itself, as link(2), unless told to follow."""
        with naming(src, dst):
            node = self._node(src, follow_symlinks)
            slot = locate_new(self._tree, encode(dst))
            self._tree.link(node, slot.parent, slot.name)

    # Removing and moving.

    def unlink(self, path: AnyPath) -> None:
        with naming(path):
            slot = locate(self._tree, encode(path))
            if slot.name in NOT_NAMES:
                raise error(errno.EISDIR)
            if slot.slash:
                raise error(errno.EISDIR if self._is_dir(slot) else errno.ENOTDIR)
            self._tree.unlink(slot.parent, slot.name)

    remove = unlink

    def rmdir(self, path: AnyPath) -> None:
        with naming(path):
            slot = locate(self._tree, encode(path))
            if slot.name in NOT_NAMES:
                raise error(_RMDIR_ERRORS[slot.name])
            self._tree.rmdir(slot.parent, slot.name)

    def rename(self, src: AnyPath, dst: AnyPath, *, flags: RenameFlags = RenameFlags.NONE) -> None:
        """Move a file or directory, replacing what may be at `dst`, as rename(2).

        `flags` are those of renameat2(2): `RenameFlags.NOREPLACE`, `EXCHANGE`.
        """
        with naming(src, dst):
            old, new = locate(self._tree, encode(src)), locate(self._tree, encode(dst))
            self._check_rename(old, new, flags)
            self._tree.rename(old.parent, old.name, new.parent, new.name, flags)

    replace = rename

    def _check_rename(self, old: Slot, new: Slot, flags: RenameFlags) -> None:
        if old.name in NOT_NAMES:
            raise error(errno.EBUSY)
        if new.name in NOT_NAMES:
            raise error(errno.EEXIST if flags & RenameFlags.NOREPLACE else errno.EBUSY)
        comes = new if flags & RenameFlags.EXCHANGE else old
        if (old.slash and not self._is_dir(old)) or (new.slash and not self._is_dir(comes)):
            raise error(errno.ENOTDIR)

    # Attributes.

    def chmod(self, path: AnyPath, mode: int, *, follow_symlinks: bool = True) -> None:
        self._change(path, Changes(mode=_s.S_IMODE(mode)), follow_symlinks)

    def chown(self, path: AnyPath, uid: int, gid: int, *, follow_symlinks: bool = True) -> None:
        """Set owner and group; -1 leaves one alone."""
        changes = Changes(uid=None if uid == -1 else uid, gid=None if gid == -1 else gid)
        self._change(path, changes, follow_symlinks)

    def utime(
        self,
        path: AnyPath,
        times: tuple[float, float] | None = None,
        *,
        ns: tuple[int, int] | None = None,
        follow_symlinks: bool = True,
    ) -> None:
        """Set both times, given in seconds or nanoseconds; to now if neither is given."""
        if times is not None and ns is not None:
            raise ValueError("utime: you may specify either 'times' or 'ns' but not both")
        if ns is None:
            ns = (time.time_ns(),) * 2 if times is None else (_in_ns(times[0]), _in_ns(times[1]))
        self._change(path, Changes(atime_ns=ns[0], mtime_ns=ns[1]), follow_symlinks)

    def getxattr(self, path: AnyPath, attribute: AnyPath, *, follow_symlinks: bool = True) -> bytes:
        with naming(path):
            return self._tree.getxattr(self._node(path, follow_symlinks), encode(attribute))

    def listxattr(self, path: AnyPath, *, follow_symlinks: bool = True) -> list[str]:
        with naming(path):
            return [decode(name) for name in self._tree.listxattr(self._node(path, follow_symlinks))]

    def setxattr(
        self, path: AnyPath, attribute: AnyPath, value: bytes, flags: int = 0, *, follow_symlinks: bool = True
    ) -> None:
        """Set an extended attribute; `flags` may be `os.XATTR_CREATE` or `os.XATTR_REPLACE`."""
        with naming(path):
            node = self._node(path, follow_symlinks)
            self._tree.setxattr(node, encode(attribute), bytes(value), XattrFlags(flags))

    def removexattr(self, path: AnyPath, attribute: AnyPath, *, follow_symlinks: bool = True) -> None:
        with naming(path):
            self._tree.removexattr(self._node(path, follow_symlinks), encode(attribute))

    # Paths to nodes.

    def _node(self, path: AnyPath, follow: bool = True) -> Node:
        return resolve(self._tree, encode(path), follow)

    def _volume_of(self, node: Node) -> SharedStore | None:
        return None if self._volumes is None else self._volumes.store_of(node)

    def _kind(self, path: AnyPath, follow: bool = True) -> Kind | None:
        """None where there is nothing, or `path` cannot be one: what `os.path`'s questions need."""
        try:
            return self._node(path, follow).kind
        except (OSError, ValueError):
            return None

    def _is_dir(self, slot: Slot) -> bool:
        return self._tree.lookup(slot.parent, slot.name).kind is Kind.DIR

    def _change(self, path: AnyPath, changes: Changes, follow: bool = True) -> None:
        with naming(path):
            self._tree.setattr(self._node(path, follow), changes)


def _close(pid: int, held: ExitStack) -> None:
    if os.getpid() == pid:
        held.close()


def _in_ns(seconds: float) -> int:
    """Exact for integers; floats are rounded down, as `os.utime` does."""
    whole = int(seconds // 1)
    return whole * NS + int((seconds - whole) * NS)
