"""Running commands on a subject."""

from __future__ import annotations

import errno
from contextlib import suppress
from operator import itemgetter

from unionfs.errors import error
from unionfs.testing.commands import (
    Command,
    Crash,
    Create,
    GetStat,
    HandleClose,
    HandleRead,
    HandleStat,
    HandleTruncate,
    HandleWrite,
    Link,
    ListDir,
    MakeDir,
    MakeNode,
    MakeSymlink,
    MapWrite,
    Open,
    Outcome,
    ReadLink,
    Remount,
    RemoveDir,
    RemoveXattr,
    Rename,
    SetMode,
    SetOwner,
    SetTimes,
    SetXattr,
    Truncate,
    Unlink,
    Write,
)
from unionfs.testing.subject import OpenFile, Subject, attributes
from unionfs.types import Kind

_OPENABLE = {Kind.FILE, Kind.DIR, Kind.SYMLINK}  # a fifo would block, a device is the host's


class Interpreter:
    """Runs commands on one subject and keeps the slots of its open files."""

    def __init__(self, subject: Subject) -> None:
        self.subject = subject
        self._slots: dict[int, OpenFile] = {}

    def run(self, command: Command) -> Outcome:
        """Do `command`; `Remount` and `Crash` are not for interpreters."""
        try:
            return Outcome(self._run(command))
        except OSError as failure:
            return Outcome(errno=failure.errno or errno.EIO)

    def close(self) -> None:
        """Close what the slots hold."""
        while self._slots:
            self._slots.popitem()[1].close()

    def abandon(self) -> None:
        """Close what the slots hold of a tree that nobody serves any more."""
        while self._slots:
            with suppress(OSError):
                self._slots.popitem()[1].close()

    def _run(self, command: Command) -> object:
        if isinstance(command, HandleRead | HandleWrite | HandleTruncate | HandleStat | HandleClose):
            return self._run_on_handle(command)
        match command:
            case Open(slot, path, writable):
                self._open(slot, path, writable)
            case Write(path, data, offset):
                return self._write(path, data, offset)
            case MapWrite(path, data, offset):
                return self._write_mapped(path, data, offset)
            case ListDir(path):
                self._expect(path, {Kind.DIR}, errno.ENOTDIR)
                return sorted(self.subject.scan(path), key=itemgetter(0))
            case GetStat(path):
                return attributes(self.subject.stat(path))
            case ReadLink(path):
                return self.subject.readlink(path)
            case Create() | MakeDir() | MakeNode() | MakeSymlink() | Link():
                self._make(command)
            case Unlink(path):
                self.subject.unlink(path)
            case RemoveDir(path):
                self.subject.rmdir(path)
            case Rename(path, new, flags):
                self.subject.rename(path, new, flags)
            case Remount() | Crash():
                raise TypeError("a party remounts, not an interpreter")
            case _:
                self._change(command)
        return None

    def _make(self, command: Create | MakeDir | MakeNode | MakeSymlink | Link) -> None:
        match command:
            case Create(path, mode):
                self.subject.create(path, mode)
            case MakeDir(path, mode):
                self.subject.mkdir(path, mode)
            case MakeNode(path, mode, rdev):
                self.subject.mknod(path, mode, rdev)
            case MakeSymlink(path, target):
                self.subject.symlink(path, target)
            case Link(path, new):
                self.subject.link(path, new)

    def _change(self, command: Truncate | SetMode | SetOwner | SetTimes | SetXattr | RemoveXattr) -> None:
        match command:
            case Truncate(path, size):
                self._expect(path, {Kind.FILE, Kind.DIR}, errno.EINVAL)
                self.subject.truncate(path, size)
            case SetMode(path, mode):
                self._expect(path, set(Kind) - {Kind.SYMLINK}, errno.EOPNOTSUPP)
                self.subject.chmod(path, mode)
            case SetOwner(path, uid, gid):
                self.subject.chown(path, uid, gid)
            case SetTimes(path, atime_ns, mtime_ns):
                self.subject.utimens(path, atime_ns, mtime_ns)
            case SetXattr(path, name, value, flags):
                self._expect(path, {Kind.FILE, Kind.DIR}, errno.EPERM)
                self.subject.setxattr(path, name, value, flags)
            case RemoveXattr(path, name):
                self._expect(path, {Kind.FILE, Kind.DIR}, errno.EPERM)
                self.subject.removexattr(path, name)

    def _open(self, slot: int, path: bytes, writable: bool) -> None:
        if slot in self._slots:
            self._slots.pop(slot).close()
        self._expect(path, _OPENABLE, errno.EINVAL)
        if not writable:
            self._expect(path, _OPENABLE - {Kind.DIR}, errno.EISDIR)
        self._slots[slot] = self.subject.open(path, writable)

    def _write(self, path: bytes, data: bytes, offset: int) -> int:
        self._expect(path, _OPENABLE, errno.EINVAL)
        file = self.subject.open(path, writable=True)
        try:
            return file.write(data, offset)
        finally:
            file.close()

    def _write_mapped(self, path: bytes, data: bytes, offset: int) -> int:
        self._expect(path, {Kind.FILE}, errno.EINVAL)
        data = data[: max(0, self.subject.stat(path).size - offset)]
        if data:
            self.subject.write_mapped(path, data, offset)
        return len(data)

    def _run_on_handle(
        self, command: HandleRead | HandleWrite | HandleTruncate | HandleStat | HandleClose
    ) -> object:
        file = self._slots.get(command.slot)
        if file is None:
            raise error(errno.EBADF)
        match command:
            case HandleRead(_, size, offset):
                return file.read(size, offset)
            case HandleWrite(_, data, offset):
                return file.write(data, offset)
            case HandleTruncate(_, size):
                file.truncate(size)
            case HandleStat():
                return attributes(file.stat())
            case HandleClose(slot):
                self._slots.pop(slot).close()
        return None

    def _expect(self, path: bytes, kinds: set[Kind], otherwise: int) -> None:
        """A rule for all subjects, where system calls would follow a symlink, block, or miss the tree."""
        if self.subject.stat(path).kind not in kinds:
            raise error(otherwise, path)
