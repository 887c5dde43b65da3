"""The memory store behaves as the host's file system does: random histories, run on both."""

from __future__ import annotations

import os
import stat
import struct
from collections.abc import Callable
from itertools import chain
from tempfile import TemporaryDirectory
from typing import NamedTuple

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from unionfs.core.store import WritableStore
from unionfs.layers.host import HostStore
from unionfs.layers.memory import MemoryStore
from unionfs.types import Access, File, Kind, RenameFlags, XattrFlags

SLOTS = 3
SIZE_MAX = 20_000
CAPABILITY = struct.pack("<5I", 0x02000001, 0x400, 0, 0, 0)  # struct vfs_cap_data: cap_net_bind_service


class Machine:
    """A store with a few open files; each method is a command."""

    def __init__(self, store: WritableStore) -> None:
        self.store = store
        self.files: list[File | None] = [None] * SLOTS

    def create(self, path: bytes, mode: int, slot: int) -> None:
        self._keep(slot, self.store.create(path, mode))

    def open(self, path: bytes, access: Access, slot: int) -> None:
        self._keep(slot, self.store.open(path, access))

    def pread(self, slot: int, size: int, offset: int) -> bytes | None:
        return file.pread(size, offset) if (file := self.files[slot]) else None

    def pwrite(self, slot: int, data: bytes, offset: int) -> int | None:
        return file.pwrite(data, offset) if (file := self.files[slot]) else None

    def truncate(self, slot: int, size: int) -> None:
        if file := self.files[slot]:
            file.truncate(size)

    def fallocate(self, slot: int, mode: int, offset: int, length: int) -> None:
        if file := self.files[slot]:
            file.fallocate(mode, offset, length)

    def copy(self, slot: int, other: int, offset: int, length: int) -> int | None:
        file, source = self.files[slot], self.files[other]
        return file.copy_from(source, offset, length) if file and source and slot != other else None

    def fstat(self, slot: int) -> tuple[int, ...] | None:
        if file := self.files[slot]:
            found = file.stat()
            return found.mode, found.size, found.nlink, found.uid, found.gid
        return None

    def scan(self, path: bytes) -> list[tuple[bytes, Kind]]:
        return sorted(self.store.scan(path))

    def readlink(self, path: bytes) -> bytes:
        return self.store.readlink(path)

    def mkdir(self, path: bytes, mode: int) -> None:
        self.store.mkdir(path, mode)

    def mknod(self, path: bytes, mode: int, rdev: int) -> None:
        self.store.mknod(path, mode, rdev)

    def symlink(self, path: bytes, target: bytes) -> None:
        self.store.symlink(path, target)

    def link(self, path: bytes, new: bytes) -> None:
        self.store.stat(path)  # of two faults, which one is told first is not compared
        self.store.link(path, self.store, new)

    def rename(self, path: bytes, new: bytes, flags: RenameFlags) -> None:
        self.store.rename(path, self.store, new, flags)

    def unlink(self, path: bytes) -> None:
        self.store.unlink(path)

    def rmdir(self, path: bytes) -> None:
        self.store.rmdir(path)

    def chmod(self, path: bytes, mode: int) -> None:
        self.store.chmod(path, mode)

    def chown(self, path: bytes, uid: int, gid: int) -> None:
        self.store.chown(path, uid, gid)

    def utimens(self, path: bytes, atime_ns: int, mtime_ns: int) -> tuple[int, int]:
        self.store.utimens(path, atime_ns, mtime_ns)
        return self.store.stat(path)[9:11]

    def getxattr(self, path: bytes, name: bytes) -> bytes:
        return self.store.getxattr(path, name)

    def setxattr(self, path: bytes, name: bytes, value: bytes, flags: XattrFlags) -> None:
        self.store.setxattr(path, name, CAPABILITY if name.startswith(b"security") else value, flags)

    def removexattr(self, path: bytes, name: bytes) -> None:
        self.store.removexattr(path, name)

    def close(self, slot: int) -> None:
        self._keep(slot, None)

    def _keep(self, slot: int, file: File | None) -> None:
        if old := self.files[slot]:
            old.close()
        self.files[slot] = file


class Command(NamedTuple):
    run: Callable[..., object]
    arguments: tuple[object, ...]

    def __repr__(self) -> str:
        return f"{self.run.__name__}{self.arguments!r}"


NAMES = b"a b c a/a a/b a/c b/a b/b b/c a/a/a a/a/b a/a/c".split()
below_root = st.sampled_from(NAMES)
paths = st.sampled_from([*NAMES, b""])
modes = st.sampled_from([0o644, 0o755, 0o4755, 0o2644, 0o2755, 0o1777, 0])
ids = st.sampled_from([-1, 0, 1, 1000])
slots = st.integers(0, SLOTS - 1)
offsets = st.integers(-1, SIZE_MAX)
xattr_names = st.sampled_from([b"user.a", b"trusted.a", b"security.capability", b"odd"])
nodes = st.sampled_from([stat.S_IFCHR, stat.S_IFBLK, stat.S_IFIFO, stat.S_IFSOCK, stat.S_IFCHR | 0o644])
accesses = st.sampled_from(
    [
        Access.READ,
        Access.WRITE,
        Access.READ | Access.WRITE,
        Access.WRITE | Access.APPEND,
        Access.READ | Access.WRITE | Access.TRUNCATE,
        Access.READ | Access.TRUNCATE,
    ]
)
rename_flags = st.sampled_from(
    [
        RenameFlags.NONE,
        RenameFlags.NONE,
        RenameFlags.NOREPLACE,
        RenameFlags.EXCHANGE,
        RenameFlags.WHITEOUT,
        RenameFlags.NOREPLACE | RenameFlags.WHITEOUT,
        RenameFlags.EXCHANGE | RenameFlags.NOREPLACE,
    ]
)
times = st.integers(0, 2**32 * 10**9)
fallocate_modes = st.sampled_from([0, 1, 2, 3, 0x10, 0x11])


def command(run: Callable[..., object], *arguments: st.SearchStrategy[object]) -> st.SearchStrategy[Command]:
    return st.tuples(*arguments).map(lambda drawn: Command(run, drawn))


commands = st.one_of(
    command(Machine.create, paths, modes, slots),
    command(Machine.open, paths, accesses, slots),
    command(Machine.pread, slots, st.integers(0, SIZE_MAX), offsets),
    command(Machine.pwrite, slots, st.binary(max_size=20), offsets),
    command(Machine.pwrite, slots, st.integers(0, 9000).map(lambda size: b"x" * size), offsets),
    command(Machine.truncate, slots, offsets),
    command(Machine.fallocate, slots, fallocate_modes, offsets, offsets),
    command(Machine.copy, slots, slots, st.integers(0, SIZE_MAX), st.integers(0, SIZE_MAX)),
    command(Machine.fstat, slots),
    command(Machine.scan, paths),
    command(Machine.readlink, paths),
    command(Machine.mkdir, paths, modes),
    command(Machine.mkdir, paths, modes),
    command(Machine.mknod, paths, nodes, st.sampled_from([0, os.makedev(1, 3)])),
    command(Machine.symlink, paths, st.sampled_from([b"a", b"../b", b"/etc/passwd"])),
    command(Machine.link, paths, paths),
    command(Machine.rename, below_root, below_root, rename_flags),
    command(Machine.rename, below_root, below_root, rename_flags),
    command(Machine.unlink, paths),
    command(Machine.rmdir, paths),
    command(Machine.chmod, paths, modes),
    command(Machine.chown, paths, ids, ids),
    command(Machine.utimens, paths, times, times),
    command(Machine.getxattr, paths, xattr_names),
    command(
        Machine.setxattr,
        paths,
        xattr_names,
        st.binary(max_size=5),
        st.sampled_from([XattrFlags.NONE, XattrFlags.CREATE, XattrFlags.REPLACE]),
    ),
    command(Machine.removexattr, paths, xattr_names),
    command(Machine.close, slots),
)


# Every history starts here, so that short ones already meet full directories, links and open files.
BEGINNING = (
    Command(Machine.mkdir, (b"a", 0o755)),
    Command(Machine.mkdir, (b"a/a", 0o755)),
    Command(Machine.mkdir, (b"b", 0o755)),
    Command(Machine.create, (b"a/b", 0o4755, 0)),
    Command(Machine.create, (b"c", 0o644, 1)),
    Command(Machine.pwrite, (1, b"content" * 1000, 0)),
    Command(Machine.link, (b"c", b"a/a/c")),
    Command(Machine.symlink, (b"a/c", b"../c")),
    Command(Machine.mkdir, (b"b/a", 0o755)),
    Command(Machine.mknod, (b"b/b", stat.S_IFCHR, 0)),
    Command(Machine.setxattr, (b"c", b"user.a", b"1", XattrFlags.NONE)),
    Command(Machine.setxattr, (b"a/b", b"security.capability", b"", XattrFlags.NONE)),
    Command(Machine.setxattr, (b"b/b", b"trusted.a", b"1", XattrFlags.NONE)),
)

# A list of lists, as a single one would be short on average.
histories = st.lists(st.lists(commands, max_size=20), max_size=20)


def outcome(machine: Machine, command: Command) -> object:
    try:
        return command.run(machine, *command.arguments)
    except OSError as failure:
        return failure.strerror


def tree(store: WritableStore, path: bytes = b"") -> dict[bytes, object]:
    """Everything that a caller can see, but for times, inode numbers and the room that directories take."""
    found = store.stat(path)
    directory = found.kind is Kind.DIR
    xattrs = {name: store.getxattr(path, name) for name in store.listxattr(path)}
    facts = (found.mode, found.uid, found.gid, found.rdev, found.nlink, xattrs)
    seen: dict[bytes, object] = {path: facts if directory else (*facts, found.size, content(store, path))}
    for name, kind in store.scan(path) if directory else ():
        below = path + b"/" + name if path else name
        assert store.stat(below).kind is kind
        seen.update(tree(store, below))
    return seen


def content(store: WritableStore, path: bytes) -> bytes | None:
    kind = store.stat(path).kind
    if kind is Kind.SYMLINK:
        return store.readlink(path)
    if kind is not Kind.FILE:
        return None
    file = store.open(path)
    try:
        return file.pread(2 * SIZE_MAX, 0)
    finally:
        file.close()


@settings(max_examples=150, deadline=None)
@given(histories)
def test_the_memory_store_behaves_as_the_host_does(history: list[list[Command]]) -> None:
    if os.geteuid() != 0:
        pytest.fail("needs root: devices, owners and trusted.* attributes are compared")
    with TemporaryDirectory() as directory:
        memory, host = Machine(MemoryStore()), Machine(HostStore(directory, writable=True))
        host.store.chmod(b"", 0o755)
        try:
            for command in chain(BEGINNING, *history):
                assert outcome(memory, command) == outcome(host, command), command
                assert tree(memory.store) == tree(host.store), command
        finally:
            for slot in range(SLOTS):
                host.close(slot)
            host.store.close()
