"""The operations that fusepy (and mfusepy) call: paths in, node operations of the union out.

The path interface of libfuse 2 sets limits that the union does not have: rename has no
flags, every hard link has pages of its own in the kernel's cache (so attributes are not
cached at all), and create does not say with which flags the file is opened.

Names are `str` in latin-1, which stands for any byte (`FUSE` is given that encoding).
"""

from __future__ import annotations

import errno
import functools
import os
import stat as _s
from collections.abc import Callable, Iterator
from typing import Any, TypeVar

from unionfs.adapters.fuse.clock import Clock
from unionfs.adapters.fuse.flags import access_of
from unionfs.adapters.fuse.handles import Handles
from unionfs.adapters.fuse.hidden import Hidden
from unionfs.adapters.fuse.set_id import mode_left
from unionfs.adapters.fuse.wire import errno_of
from unionfs.core.attrs import Changes
from unionfs.core.handle import Handle
from unionfs.core.node import Node
from unionfs.core.union import Union
from unionfs.errors import error
from unionfs.types import Kind, Owner, Stat, XattrFlags

ENCODING = "latin-1"

BLOCK_SIZE = 4096
"""``st_blksize``, in bytes."""

_UTIME_NOW = (1 << 30) - 1
_UTIME_OMIT = (1 << 30) - 2
"""utimensat(2)'s values for ``tv_nsec``; with them the seconds are 0, and fusepy adds the two up."""

Entry = tuple[str, dict[str, int], int]
_C = TypeVar("_C", bound=type)


def _answering(cls: _C) -> _C:
    """Let every public method raise nothing but `OSError` with an errno."""
    for name, method in list(vars(cls).items()):
        if callable(method) and not name.startswith("_"):
            setattr(cls, name, _guarded(method))
    return cls


def _guarded(method: Callable[..., Any]) -> Callable[..., Any]:
    @functools.wraps(method)
    def answer(*args: Any) -> Any:
        try:
            return method(*args)
        except Exception as failure:  # noqa: BLE001 - the boundary to the kernel
            number = errno_of(failure)
        raise OSError(number, os.strerror(number))

    return answer


@_answering
class Operations:
    """What libfuse asks of a file system. `ready` is called once the kernel talks to it.

    `context` gives uid, gid and pid of the caller (fuse_get_context(3)). What is not
    defined here (access, flush, lock, ioctl, …) the kernel does itself.
    """

    use_ns = True
    # Ask by handle where there is one: an open file may have no path any more.
    flag_nullpath_ok = True
    flag_nopath = True
    # Without this libfuse drops a change of one of the two times.
    flag_utime_omit_ok = True

    def __init__(
        self, union: Union, context: Callable[[], tuple[int, int, int]], ready: Callable[[], None]
    ) -> None:
        self._union = union
        self._context = context
        self._ready = ready
        self._files: Handles[Handle] = Handles()
        self._directories: Handles[Node] = Handles()
        self._hidden = Hidden()
        self._clock = Clock()

    def init(self, path: str) -> None:
        self._ready()

    # Attributes

    def getattr(self, path: str, fh: int | None = None) -> dict[str, int]:
        if fh:
            return _attributes(self._union.getattr(self._files[fh].node))
        stat = self._union.getattr(self._node(path))
        # libfuse takes off the link that it believes the made-up name to be.
        return _attributes(stat._replace(nlink=stat.nlink + 1) if self._is_hidden(path) else stat)

    def chmod(self, path: str, mode: int) -> None:
        self._union.setattr(self._node(path), Changes(mode=_s.S_IMODE(mode)))

    def chown(self, path: str, uid: int, gid: int) -> None:
        changes = Changes(uid=None if uid == -1 else uid, gid=None if gid == -1 else gid)
        self._union.setattr(self._node(path), changes)

    def utimens(self, path: str, times: tuple[int, int] | None = None) -> None:
        atime, mtime = times or (_UTIME_NOW, _UTIME_NOW)
        self._union.setattr(self._node(path), Changes(atime_ns=self._time(atime), mtime_ns=self._time(mtime)))

    def truncate(self, path: str, length: int, fh: int | None = None) -> None:
        if fh:
            self._files[fh].truncate(length)
        else:
            self._union.setattr(self._node(path), Changes(size=length))

    def listxattr(self, path: str) -> list[str]:
        return [name.decode(ENCODING) for name in self._union.listxattr(self._node(path))]

    def getxattr(self, path: str, name: str, position: int = 0) -> bytes:
        return self._union.getxattr(self._node(path), name.encode(ENCODING))

    def setxattr(self, path: str, name: str, value: bytes, options: int, position: int = 0) -> None:
        if name.startswith("system.posix_acl_"):
            raise error(errno.EOPNOTSUPP)  # libfuse 2 cannot have the kernel act on it
        self._union.setxattr(self._node(path), name.encode(ENCODING), value, XattrFlags(options))

    def removexattr(self, path: str, name: str) -> None:
        self._union.removexattr(self._node(path), name.encode(ENCODING))

    def statfs(self, path: str) -> dict[str, int]:
        return {f"f_{name}": value for name, value in self._union.statfs()._asdict().items()}

    # Names

    def readlink(self, path: str) -> str:
        return self._union.readlink(self._node(path)).decode(ENCODING)

    def mkdir(self, path: str, mode: int) -> None:
        self._union.mkdir(*self._place(path), _s.S_IMODE(mode), self._caller())

    def mknod(self, path: str, mode: int, dev: int) -> None:
        self._union.mknod(*self._place(path), mode, dev, self._caller())

    def symlink(self, path: str, target: str) -> None:
        self._union.symlink(*self._place(path), target.encode(ENCODING), self._caller())

    def link(self, path: str, existing: str) -> None:
        self._union.link(self._node(existing), *self._place(path))

    def unlink(self, path: str) -> None:
        place = self._place(path)
        if self._hidden.pop(*place) is None:
            self._union.unlink(*place)

    def rmdir(self, path: str) -> None:
        self._union.rmdir(*self._place(path))

    def rename(self, old: str, new: str) -> None:
        source, target = self._place(old), self._place(new)
        if self._hidden.is_name(target[1]) and self._is_open(node := self._child(*source)):
            self._hidden.put(target, node, was=source)
            self._union.unlink(*source)
        elif self._hidden.is_to_come_back(target, node := self._child(*source)):
            self._union.link(node, *target)
        else:
            self._union.rename(*source, *target)

    # Files

    def create(self, path: str, mode: int, fi: object = None) -> int:
        _, handle = self._union.create(*self._place(path), _s.S_IMODE(mode), self._caller())
        return self._files.add(handle)

    def open(self, path: str, flags: int) -> int:
        node = self._node(path)
        fh = self._files.add(self._union.open(node, access_of(flags)))
        if flags & os.O_TRUNC:
            self._drop_set_id(node)
        return fh

    def read(self, path: str | None, size: int, offset: int, fh: int) -> bytes:
        return self._files[fh].read(size, offset)

    def write(self, path: str | None, data: bytes, offset: int, fh: int) -> int:
        return self._files[fh].write(data, offset)

    def fsync(self, path: str | None, datasync: int, fh: int) -> None:
        self._files[fh].sync(bool(datasync))

    def flush(self, path: str | None, fh: int) -> None:
        self._files[fh].flush()

    def release(self, path: str | None, fh: int) -> None:
        handle = self._files.pop(fh)
        handle.close()
        if not self._is_open(handle.node):
            self._hidden.forget(handle.node)

    # Directories

    def opendir(self, path: str) -> int:
        return self._directories.add(self._node(path))

    def readdir(self, path: str | None, fh: int) -> list[Entry]:
        """The whole listing at once (offset 0): fusepy does not pass on where libfuse wants to go on."""
        node = self._directories[fh]
        return [_entry(b".", Kind.DIR, node.ino), *self._parent_entry(node), *self._entries(node)]

    def releasedir(self, path: str | None, fh: int) -> None:
        self._directories.pop(fh)

    def fsyncdir(self, path: str | None, datasync: int, fh: int) -> None:
        self._union.sync_names()

    # From paths to nodes

    def _node(self, path: str) -> Node:
        node = self._union.root
        for name in filter(None, path.encode(ENCODING).split(b"/")):
            node = self._child(node, name)
        return node

    def _child(self, directory: Node, name: bytes) -> Node:
        return self._hidden.get(directory, name) or self._union.lookup(directory, name)

    def _place(self, path: str) -> tuple[Node, bytes]:
        directory, _, name = path.rpartition("/")
        return self._node(directory), name.encode(ENCODING)

    def _is_hidden(self, path: str) -> bool:
        directory, _, name = path.rpartition("/")
        made_up = name.encode(ENCODING)
        return Hidden.is_name(made_up) and self._hidden.get(self._node(directory), made_up) is not None

    def _is_open(self, node: Node) -> bool:
        return any(handle.node is node for handle in self._files.all())

    def _caller(self) -> Owner:
        uid, gid, _ = self._context()
        return Owner(uid, gid)

    def _drop_set_id(self, node: Node) -> None:
        """Before a write the kernel does so itself, but not where opening cuts a file off."""
        uid, gid, pid = self._context()
        mode = None if uid == 0 else mode_left(self._union.getattr(node), uid, gid, pid)
        if mode is not None:
            self._union.setattr(node, Changes(mode=mode))

    def _time(self, nanoseconds: int) -> int | None:
        if nanoseconds == _UTIME_OMIT:
            return None
        return self._clock.now_ns() if nanoseconds == _UTIME_NOW else nanoseconds

    def _parent_entry(self, node: Node) -> Iterator[Entry]:
        yield _entry(b"..", Kind.DIR, self._union.parent(node).ino)

    def _entries(self, directory: Node) -> Iterator[Entry]:
        for entry in self._union.readdir(directory):
            try:
                ino = entry.ino or self._union.lookup(directory, entry.name).ino
            except FileNotFoundError:  # removed since the listing was made
                continue
            yield _entry(entry.name, entry.kind, ino)


def _entry(name: bytes, kind: Kind, ino: int) -> Entry:
    return name.decode(ENCODING), {"st_ino": ino, "st_mode": kind << 12}, 0


def _attributes(stat: Stat) -> dict[str, int]:
    return {
        "st_mode": stat.mode,
        "st_ino": stat.ino,
        "st_nlink": stat.nlink,
        "st_uid": stat.uid,
        "st_gid": stat.gid,
        "st_rdev": stat.rdev,
        "st_size": stat.size,
        "st_blocks": stat.blocks,
        "st_blksize": BLOCK_SIZE,
        "st_atime": stat.atime_ns,
        "st_mtime": stat.mtime_ns,
        "st_ctime": stat.ctime_ns,
    }
