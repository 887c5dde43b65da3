"""From requests to node operations: what the transport on /dev/fuse answers.

The kernel keeps what it has been told, for as long as `Lifetimes` says, and every change
through the mount passes the kernel first; so nothing has to be taken back as long as the
layers change through this mount only.
"""

from __future__ import annotations

import errno
import stat as _s
from collections.abc import Callable
from contextlib import closing

from unionfs.adapters.fuse import protocol
from unionfs.adapters.fuse.clock import Clock
from unionfs.adapters.fuse.flags import access_of
from unionfs.adapters.fuse.foresight import Foresight
from unionfs.adapters.fuse.nodeids import NodeIds
from unionfs.adapters.fuse.notices import Notices
from unionfs.adapters.fuse.openings import Openings
from unionfs.adapters.fuse.protocol import InitFlags, Lifetimes, Opcode, Request, SetattrValid
from unionfs.adapters.fuse.set_id import mode_left
from unionfs.core.attrs import SAME, Changes
from unionfs.core.beneath import Changed
from unionfs.core.dialect import Feature
from unionfs.core.handle import Handle
from unionfs.core.node import Node
from unionfs.core.readdir import DirEntry
from unionfs.core.union import Union
from unionfs.errors import error
from unionfs.types import FlagsForm, Kind, Owner, RenameFlags, XattrFlags

DAY = 86_400
FOREVER = Lifetimes(entry=365 * DAY, attr=365 * DAY)

_SMALLEST_DIRENT = 24

_READ_MAX = 1 << 20
"""Bytes that the kernel asks for at once, at most; see `protocol.init_out`."""

_DOT, _DOTDOT = 1, 2
"""The cookies of the two entries that the union does not list."""


class WouldWaitError(Exception):
    """An answer that cannot be had at once."""


class Dispatcher:
    """Answers requests about one union; see `answer`.

    `flags` are what INIT has settled. Safe from several threads, but for FORGET.
    """

    def __init__(self, union: Union, lifetimes: Lifetimes = FOREVER) -> None:
        self._union = union
        self._lifetimes = lifetimes
        self._ids = NodeIds(union)
        self._foresight = Foresight(union)
        self._notices = Notices()
        self._files = Openings(union, self._notices)
        self._clock = Clock()
        self._reading = memoryview(bytearray(_READ_MAX))
        self._is_far = union.is_far
        self._has_xattrs = union.has_xattrs()
        self._copies_metadata_alone = union.upper is None or Feature.METACOPY in union.upper.dialect.features

    def start(self, flags: InitFlags, send: Callable[..., None], descriptor: int | None) -> None:
        """INIT has settled `flags`; `send` takes what the kernel is told without having asked."""
        self._notices.start(send)
        self._files.start(flags, descriptor)

    def fetch(self, request: Request) -> None:
        """Have at hand what a request in `LISTING` needs of stores far away."""
        self._union.fetch(self._ids[request.nodeid], _told(request))

    def answer(self, request: Request) -> bytes | None:
        """The body of the reply; None where the protocol has no reply. Raises what the operation raises."""
        handler = _HANDLERS.get(request.opcode)
        if handler is None:
            raise error(errno.ENOSYS)
        return handler(self, request, *request.arguments)

    def answer_now(self, request: Request) -> bytes | memoryview | None:
        """As `answer`; `WouldWaitError` where that has, or may have, to wait for data.

        For the thread that answers requests: the body is valid until its next call.
        """
        if request.opcode == Opcode.READ:
            try:
                return self._read_now(request, *request.arguments)
            except BlockingIOError as failure:
                raise WouldWaitError from failure
        return self.answer(request)

    def use_time(self) -> bool:
        """Do what can be done before the next request, for some milliseconds; False if that is nothing."""
        return self._foresight.use_time()

    def may_block(self, request: Request) -> bool:
        """Whether answering may take long: data to copy up, or to put on stable storage; a store far away."""
        if request.opcode in _BLOCKING:
            return True
        if request.opcode in LISTING:
            return self._is_far and not self._union.is_at_hand(self._ids[request.nodeid], _told(request))
        if request.opcode == Opcode.WRITE:
            fh, offset, data, _flags = request.arguments
            handle = self._files[fh]
            return handle.node.lacks_data and handle.write_waits(len(data), offset)
        if request.opcode in _FILLING:
            return self._ids[request.nodeid].lacks_data and (
                not self._copies_metadata_alone or _needs_data(request)
            )
        return not self._copies_metadata_alone and request.opcode in _COPYING

    def tell(self, change: Changed) -> None:
        """Tell the kernel of a change beneath. Not for the thread that answers requests (see `Notices`)."""
        if change.same and change.node is not None:
            self._notices.inode_changed(self._ids.number(change.node))
            return
        directory = self._ids.number(change.directory)
        self._notices.entry_changed(directory, change.name)
        self._notices.inode_changed(directory)

    def close(self) -> None:
        self._files.close()

    # Names

    def _lookup(self, request: Request, name: bytes) -> bytes:
        try:
            return self._entry(self._union.lookup(self._ids[request.nodeid], _checked(name)))
        except FileNotFoundError:
            return protocol.negative_entry(self._lifetimes)

    def _entry(self, node: Node) -> bytes:
        """What tells the kernel of a node; it will say FORGET one day."""
        stat = self._union.getattr(node)
        return protocol.entry_out(self._ids.remember(node), stat, self._lifetimes)

    def _forget(self, request: Request, count: int) -> None:
        self._forget_one(request.nodeid, count)

    def _batch_forget(self, request: Request, forgets: list[tuple[int, int]]) -> None:
        for nodeid, count in forgets:
            self._forget_one(nodeid, count)

    def _forget_one(self, nodeid: int, count: int) -> None:
        self._files.forget(nodeid)
        self._ids.forget(nodeid, count)

    def _readlink(self, request: Request) -> bytes:
        return self._union.readlink(self._ids[request.nodeid])

    def _mkdir(self, request: Request, mode: int, umask: int, name: bytes) -> bytes:
        parent = self._ids[request.nodeid]
        node = self._union.mkdir(parent, _checked(name), _s.S_IMODE(mode), _owner(request), umask)
        return self._entry(node)

    def _mknod(self, request: Request, mode: int, rdev: int, umask: int, name: bytes) -> bytes:
        parent = self._ids[request.nodeid]
        device = protocol.decode_device(rdev)
        node = self._union.mknod(parent, _checked(name), mode & _MODE, device, _owner(request), umask)
        return self._entry(node)

    def _symlink(self, request: Request, name: bytes, target: bytes) -> bytes:
        parent = self._ids[request.nodeid]
        return self._entry(self._union.symlink(parent, _checked(name), target, _owner(request)))

    def _link(self, request: Request, nodeid: int, name: bytes) -> bytes:
        node = self._ids[nodeid]
        self._union.link(node, self._ids[request.nodeid], _checked(name))
        return self._entry(node)

    def _unlink(self, request: Request, name: bytes) -> bytes:
        self._union.unlink(self._ids[request.nodeid], _checked(name))
        return b""

    def _rmdir(self, request: Request, name: bytes) -> bytes:
        self._union.rmdir(self._ids[request.nodeid], _checked(name))
        return b""

    def _rename(self, request: Request, nodeid: int, name: bytes, new_name: bytes) -> bytes:
        return self._rename2(request, nodeid, 0, name, new_name)

    def _rename2(self, request: Request, nodeid: int, flags: int, name: bytes, new_name: bytes) -> bytes:
        parent, new_parent = self._ids[request.nodeid], self._ids[nodeid]
        self._union.rename(parent, _checked(name), new_parent, _checked(new_name), RenameFlags(flags))
        return b""

    # Attributes

    def _getattr(self, request: Request, flags: int, fh: int) -> bytes:
        return protocol.attr_out(self._union.getattr(self._ids[request.nodeid]), self._lifetimes)

    def _statx(self, request: Request) -> bytes:
        node = self._ids[request.nodeid]
        return protocol.statx_out(self._union.getattr(node), self._union.birth_ns(node), self._lifetimes)

    def _setattr(self, request: Request, wanted: protocol.SetAttr) -> bytes:
        node = self._ids[request.nodeid]
        changes = self._changes(wanted)
        if wanted.valid & _TAKING_SET_ID or changes is _SAME_OWNER:
            changes = changes._replace(mode=self._mode_without_set_id(request, node))
        return protocol.attr_out(self._union.setattr(node, changes), self._lifetimes)

    def _changes(self, wanted: protocol.SetAttr) -> Changes:
        valid = wanted.valid
        if not valid & _CHANGING:
            return _SAME_OWNER
        return Changes(
            mode=_s.S_IMODE(wanted.mode) if valid & SetattrValid.MODE else None,
            uid=wanted.uid if valid & SetattrValid.UID else None,
            gid=wanted.gid if valid & SetattrValid.GID else None,
            size=wanted.size if valid & SetattrValid.SIZE else None,
            atime_ns=self._time(valid, SetattrValid.ATIME, SetattrValid.ATIME_NOW, wanted.atime_ns),
            mtime_ns=self._time(valid, SetattrValid.MTIME, SetattrValid.MTIME_NOW, wanted.mtime_ns),
        )

    def _time(self, valid: int, given: SetattrValid, now: SetattrValid, nanoseconds: int) -> int | None:
        if valid & now:
            return self._clock.now_ns()
        return nanoseconds if valid & given else None

    def _getxattr(self, request: Request, size: int, name: bytes) -> bytes:
        """ENOSYS where there are none at all: then the kernel never asks again, as for ls(1) twice a file."""
        if not self._has_xattrs:
            raise error(errno.ENOSYS)
        return _sized(self._union.getxattr(self._ids[request.nodeid], name), size)

    def _listxattr(self, request: Request, size: int) -> bytes:
        names = self._union.listxattr(self._ids[request.nodeid])
        return _sized(b"".join(name + b"\0" for name in names), size)

    def _setxattr(self, request: Request, name: bytes, value: bytes, flags: int, ext_flags: int) -> bytes:
        if flags & ~_XATTR_FLAGS:
            raise error(errno.EINVAL)
        node = self._ids[request.nodeid]
        self._union.setxattr(node, name, value, XattrFlags(flags))
        if ext_flags & protocol.SETXATTR_ACL_KILL_SGID:
            self._set_mode(node, self._union.getattr(node).mode & ~_s.S_ISGID)
        return b""

    def _removexattr(self, request: Request, name: bytes) -> bytes:
        self._union.removexattr(self._ids[request.nodeid], name)
        return b""

    def _statfs(self, request: Request) -> bytes:
        return protocol.statfs_out(self._union.statfs())

    # Files

    def _open(self, request: Request, flags: int, open_flags: int) -> bytes:
        node = self._ids[request.nodeid]
        opened = self._files.open(request.nodeid, node, flags)
        if open_flags & protocol.OPEN_KILL_SUIDGID:
            self._drop_set_id(request, node)
        return opened

    def _made(self, node: Node, handle: Handle, flags: int) -> bytes:
        """Of a file that is open because it has just been made."""
        entry = self._entry(node)
        return entry + self._files.opened(self._ids.number(node), handle, access_of(flags))

    def _create(
        self, request: Request, flags: int, mode: int, umask: int, open_flags: int, name: bytes
    ) -> bytes:
        node, handle = self._union.create(
            self._ids[request.nodeid], _checked(name), _s.S_IMODE(mode), _owner(request), umask
        )
        return self._made(node, handle, flags)

    def _tmpfile(
        self, request: Request, flags: int, mode: int, umask: int, open_flags: int, name: bytes
    ) -> bytes:
        parent = self._ids[request.nodeid]
        node, handle = self._union.tmpfile(parent, _s.S_IMODE(mode), _owner(request), umask)
        return self._made(node, handle, flags)

    def _read(self, request: Request, fh: int, offset: int, size: int) -> bytes:
        if fh:
            return self._files[fh].read(size, offset)
        with closing(self._union.open(self._ids[request.nodeid])) as handle:
            return handle.read(size, offset)

    def _read_now(self, request: Request, fh: int, offset: int, size: int) -> memoryview:
        """Into memory that is used again: new memory takes longer to be had than the data to be copied."""
        if size > len(self._reading):
            raise WouldWaitError
        room = self._reading[:size]
        return room[: self._at_hand(request, fh).readinto_now(room, offset)]

    def _at_hand(self, request: Request, fh: int) -> Handle:
        return self._files.at_hand(fh, request.nodeid, self._ids[request.nodeid])

    def _write(self, request: Request, fh: int, offset: int, data: memoryview, flags: int) -> bytes:
        handle = self._files[fh]
        size = handle.write(data, offset)
        if flags & protocol.WRITE_KILL_SUIDGID:
            self._drop_set_id(request, handle.node)
        return protocol.written(size)

    def _drop_set_id(self, request: Request, node: Node) -> None:
        """What a write without CAP_FSETID does; capabilities the upper drops by itself."""
        mode = self._mode_without_set_id(request, node)
        if mode is not None:
            self._union.setattr(node, Changes(mode=mode))

    def _mode_without_set_id(self, request: Request, node: Node) -> int | None:
        return mode_left(self._union.getattr(node), request.uid, request.gid, request.pid)

    def _flush(self, request: Request, fh: int) -> bytes:
        if not fh:
            raise error(errno.ENOSYS)  # in a read-only union that does not hear of opening: no more of this
        self._files[fh].flush()
        return b""

    def _set_mode(self, node: Node, mode: int) -> None:
        self._union.setattr(node, Changes(mode=_s.S_IMODE(mode)))

    def _release(self, request: Request, fh: int) -> bytes:
        self._files.release(fh)
        return b""

    def _fsync(self, request: Request, fh: int, flags: int) -> bytes:
        self._files[fh].sync(bool(flags & protocol.FSYNC_FDATASYNC))
        return b""

    def _fsyncdir(self, request: Request, fh: int, flags: int) -> bytes:
        self._union.sync_names()
        return b""

    def _syncfs(self, request: Request) -> bytes:
        self._union.sync()
        return b""

    def _fallocate(self, request: Request, fh: int, offset: int, length: int, mode: int) -> bytes:
        self._files[fh].fallocate(mode, offset, length)
        return b""

    def _lseek(self, request: Request, fh: int, offset: int, whence: int) -> bytes:
        return protocol.lseek_out(self._at_hand(request, fh).seek(offset, whence))

    def _copy_file_range(self, request: Request, *arguments: int) -> bytes:
        return protocol.written(self._copied(*arguments))

    def _copy_file_range_64(self, request: Request, *arguments: int) -> bytes:
        return protocol.copied(self._copied(*arguments))

    def _copied(
        self, fh: int, source_offset: int, nodeid: int, target: int, offset: int, length: int, flags: int
    ) -> int:
        return self._files[target].copy_from(self._files[fh], source_offset, offset, length)

    def _ioctl(self, request: Request, command: int, given: bytes) -> bytes:
        node = self._ids[request.nodeid]
        if command in _GET_FLAGS:
            return protocol.ioctl_out(self._union.flags(node, _GET_FLAGS[command]))
        if command in _SET_FLAGS:
            self._union.set_flags(node, _SET_FLAGS[command], given)
            return protocol.ioctl_out(b"")
        raise error(errno.ENOTTY)

    # Directories

    def _readdir(self, request: Request, fh: int, cookie: int, size: int) -> bytes:
        directory = self._ids[request.nodeid]
        reply = bytearray()
        entries = self._union.readdir(directory, cookie, size // _SMALLEST_DIRENT + 1)
        for entry in self._dots(directory, cookie) + entries:
            ino = entry.ino or self._ino(directory, entry.name)
            packed = protocol.dirent(entry.name, ino, entry.cookie, entry.kind)
            if len(reply) + len(packed) > size:
                break
            reply += packed
        return bytes(reply)

    def _readdirplus(self, request: Request, fh: int, cookie: int, size: int) -> bytes:
        directory = self._ids[request.nodeid]
        if cookie == 0:
            self._foresight.listing(directory)
        room = _Room(size)
        reply = [
            protocol.NO_ENTRY + protocol.dirent(dot.name, dot.ino, dot.cookie, dot.kind)
            for dot in self._dots(directory, cookie)
            if room.fits(dot.name)
        ]
        lifetimes, remember = self._lifetimes, self._ids.remember
        for name, kind, place, node, stat in self._union.readdirplus(directory, cookie, room.fits):
            if node is not None and stat is not None:
                reply.append(protocol.direntplus(remember(node), stat, lifetimes, name, place))
            else:
                reply.append(protocol.NO_ENTRY + protocol.dirent(name, 1, place, kind))
        return b"".join(reply)

    def _dots(self, directory: Node, cookie: int) -> list[DirEntry]:
        """The entries behind `cookie` that the union does not list."""
        dots: list[DirEntry] = []
        if cookie < _DOT:
            dots.append(DirEntry(b".", Kind.DIR, directory.ino, _DOT))
        if cookie < _DOTDOT:
            dots.append(DirEntry(b"..", Kind.DIR, self._parent_ino(directory), _DOTDOT))
        return dots

    def _parent_ino(self, directory: Node) -> int:
        try:
            return self._union.parent(directory).ino
        except FileNotFoundError:
            return directory.ino  # the directory itself has been removed

    def _ino(self, directory: Node, name: bytes) -> int:
        """The number of what a listed name stands for; 1 where it is broken."""
        try:
            return self._union.lookup(directory, name).ino
        except OSError:
            return 1


class _Room:
    """What is left of the room for a READDIRPLUS reply, in bytes."""

    def __init__(self, size: int) -> None:
        self._left = size

    def fits(self, name: bytes) -> bool:
        """Take the room for one more entry; False where it is too little."""
        self._left -= protocol.direntplus_size(name)
        return self._left >= 0


_MODE = 0o177777
"""The bits of ``st_mode``."""

_CHANGING = (
    SetattrValid.MODE
    | SetattrValid.UID
    | SetattrValid.GID
    | SetattrValid.SIZE
    | SetattrValid.ATIME
    | SetattrValid.MTIME
)

_TAKING_SET_ID = SetattrValid.UID | SetattrValid.GID | SetattrValid.KILL_SUIDGID

_SAME_OWNER = Changes(uid=SAME)
"""chown(2) to nobody: it dates the change and takes set-id bits. The kernel sends it with nothing valid."""

_XATTR_FLAGS = int(XattrFlags.CREATE | XattrFlags.REPLACE)

_GET_FLAGS = {0x80086601: FlagsForm.IFLAGS, 0x801C581F: FlagsForm.FSXATTR}
"""FS_IOC_GETFLAGS and FS_IOC_FSGETXATTR (linux, include/uapi/linux/fs.h)."""
_SET_FLAGS = {0x40086602: FlagsForm.IFLAGS, 0x401C5820: FlagsForm.FSXATTR}

_BLOCKING = frozenset(
    {
        Opcode.FSYNC,
        Opcode.FSYNCDIR,
        Opcode.SYNCFS,
        Opcode.FALLOCATE,
        Opcode.COPY_FILE_RANGE,
        Opcode.COPY_FILE_RANGE_64,
    }
)

_COPYING = frozenset({Opcode.LINK, Opcode.RENAME, Opcode.RENAME2, Opcode.REMOVEXATTR, Opcode.IOCTL})
"""What copies data up where the dialect cannot say that only the metadata is there."""

LISTING = frozenset({Opcode.LOOKUP, Opcode.READDIR, Opcode.READDIRPLUS})
"""What reads a directory from the layers."""

_FILLING = frozenset({Opcode.SETATTR, Opcode.SETXATTR})
"""What may have to wait for the data of an unfinished file."""

WAITING = frozenset(
    {
        Opcode.OPEN,
        Opcode.SETATTR,
        Opcode.SETXATTR,
        Opcode.REMOVEXATTR,
        Opcode.IOCTL,
        Opcode.LINK,
        Opcode.UNLINK,
        Opcode.RENAME,
        Opcode.RENAME2,
    }
)
"""What has to wait while somebody else has the data of the same file copied up."""

_HANDLERS: dict[int, Callable[..., bytes | None]] = {
    Opcode.LOOKUP: Dispatcher._lookup,
    Opcode.FORGET: Dispatcher._forget,
    Opcode.BATCH_FORGET: Dispatcher._batch_forget,
    Opcode.GETATTR: Dispatcher._getattr,
    Opcode.STATX: Dispatcher._statx,
    Opcode.SETATTR: Dispatcher._setattr,
    Opcode.READLINK: Dispatcher._readlink,
    Opcode.SYMLINK: Dispatcher._symlink,
    Opcode.MKNOD: Dispatcher._mknod,
    Opcode.MKDIR: Dispatcher._mkdir,
    Opcode.UNLINK: Dispatcher._unlink,
    Opcode.RMDIR: Dispatcher._rmdir,
    Opcode.RENAME: Dispatcher._rename,
    Opcode.RENAME2: Dispatcher._rename2,
    Opcode.LINK: Dispatcher._link,
    Opcode.OPEN: Dispatcher._open,
    Opcode.CREATE: Dispatcher._create,
    Opcode.TMPFILE: Dispatcher._tmpfile,
    Opcode.READ: Dispatcher._read,
    Opcode.WRITE: Dispatcher._write,
    Opcode.FLUSH: Dispatcher._flush,
    Opcode.RELEASE: Dispatcher._release,
    Opcode.FSYNC: Dispatcher._fsync,
    Opcode.FSYNCDIR: Dispatcher._fsyncdir,
    Opcode.SYNCFS: Dispatcher._syncfs,
    Opcode.FALLOCATE: Dispatcher._fallocate,
    Opcode.LSEEK: Dispatcher._lseek,
    Opcode.COPY_FILE_RANGE: Dispatcher._copy_file_range,
    Opcode.COPY_FILE_RANGE_64: Dispatcher._copy_file_range_64,
    Opcode.IOCTL: Dispatcher._ioctl,
    Opcode.GETXATTR: Dispatcher._getxattr,
    Opcode.LISTXATTR: Dispatcher._listxattr,
    Opcode.SETXATTR: Dispatcher._setxattr,
    Opcode.REMOVEXATTR: Dispatcher._removexattr,
    Opcode.STATFS: Dispatcher._statfs,
    Opcode.READDIR: Dispatcher._readdir,
    Opcode.READDIRPLUS: Dispatcher._readdirplus,
}


def _told(request: Request) -> bytes | None:
    """Of which entry of a directory the attributes are told; as for `Union.is_at_hand`."""
    if request.opcode == Opcode.LOOKUP:
        name: bytes = request.arguments[0]
        return name
    return None if request.opcode == Opcode.READDIRPLUS else b""


def _needs_data(request: Request) -> bool:
    """Whether a change of attributes waits for data: a new size, or what writing would take away again."""
    if request.opcode == Opcode.SETXATTR:
        return bool(request.arguments[0].startswith(b"security."))
    wanted: protocol.SetAttr = request.arguments[0]
    gives_set_id = wanted.valid & SetattrValid.MODE and wanted.mode & (_s.S_ISUID | _s.S_ISGID)
    return bool(wanted.valid & SetattrValid.SIZE or gives_set_id)


def _checked(name: bytes) -> bytes:
    """The kernel never sends such names; whoever else does gets what a file system would say."""
    if name in (b"", b".", b"..") or b"/" in name:
        raise error(errno.EINVAL, name)
    return name


def _owner(request: Request) -> Owner:
    return Owner(request.uid, request.gid)


def _sized(value: bytes, size: int) -> bytes:
    """An xattr reply: the size alone where none is given, as getxattr(2) does."""
    if size == 0:
        return protocol.xattr_size(len(value))
    if len(value) > size:
        raise error(errno.ERANGE)
    return value
