"""What a session answers, without a mount: negotiation, refusals, faults, and who waits for whom."""

from __future__ import annotations

import errno
import logging
import stat
import struct
import threading
from collections.abc import Iterator

import pytest
from kernel import Kernel, handle_in, init, nodeid_in, request
from unions import AUFS, OVERLAY, TREE, read_only, writable

from unionfs.adapters.fuse import protocol, session
from unionfs.adapters.fuse.protocol import InitFlags, Opcode, SetattrValid
from unionfs.core.union import Union
from unionfs.errors import error
from unionfs.layers.memory import MemoryStore
from unionfs.layers.memory.file import MemoryFile
from unionfs.types import Access, CopyUp, Stat

UNKNOWN = 99_999
ROOT = 1


@pytest.fixture
def kernel() -> Iterator[Kernel]:
    with Kernel(writable()) as kernel:
        yield kernel


# Negotiation


def settled(kernel: Kernel) -> tuple[int, int, InitFlags]:
    """Major and minor version and flags in the answer to INIT."""
    body = kernel.reply_to(2).body
    assert len(body) == 64
    major, minor, _, low = struct.unpack_from("=IIII", body)
    (high,) = struct.unpack_from("=I", body, 32)
    return major, minor, InitFlags(low | high << 32)


def test_a_newer_kernel_speaks_our_version() -> None:
    with Kernel(writable(), init_with=init(minor=99)) as kernel:
        major, minor, flags = settled(kernel)
    assert (major, minor) == (7, protocol.MINOR)
    assert InitFlags.INIT_EXT | InitFlags.SETXATTR_EXT | InitFlags.PASSTHROUGH in flags


def test_linux_5_4_is_told_nothing_that_it_does_not_know() -> None:
    with Kernel(writable(), init_with=init(minor=31, flags=0x03FF_FFFB)) as kernel:
        major, minor, flags = settled(kernel)
        assert (major, minor, flags & ~InitFlags(0x03FF_FFFB)) == (7, 31, 0)
        short = struct.pack("=II", 5, 0) + b"user.a\0value"
        assert kernel.ask(Opcode.SETXATTR, short).error == 0
        assert kernel.ask(Opcode.GETXATTR, struct.pack("=I4x", 9) + b"user.a\0").body == b"value"


def test_what_the_reply_leaves_unsaid_was_not_offered() -> None:
    with Kernel(writable(), init_with=init(minor=36, flags=int(InitFlags.ASYNC_READ))) as kernel:
        assert settled(kernel) == (7, 36, InitFlags.ASYNC_READ)


@pytest.mark.parametrize(("major", "minor"), [(7, 30), (6, 45), (8, 0)])
def test_versions_that_are_not_ours(major: int, minor: int) -> None:
    refused = request(Opcode.INIT, struct.pack("=IIII", major, minor, 0, 0), nodeid=0, unique=2)
    with Kernel(writable(), init_with=refused) as kernel:
        assert kernel.reply_to(2).error == errno.EPROTO


def test_ready_is_said_once_the_kernel_has_been_answered() -> None:
    wire = Kernel(writable())
    said: list[int] = []
    wire.session = session.Session(wire, wire.dispatcher, lambda: said.append(wire.answers[2]))
    with wire:
        pass
    assert said == [1]


def test_the_umask_is_applied_by_us(kernel: Kernel) -> None:
    made = kernel.ask(Opcode.MKDIR, struct.pack("=II", 0o777, 0o027) + b"made\0")
    (mode,) = struct.unpack_from("=I", made.body, 40 + 60)
    assert mode == stat.S_IFDIR | 0o750


# Refusals


@pytest.mark.parametrize(
    "opcode",
    [Opcode.POLL, Opcode.BMAP, Opcode.GETLK, Opcode.OPENDIR, Opcode.NOTIFY_REPLY + 1000, 4095],
)
def test_what_is_not_known_is_enosys(kernel: Kernel, opcode: int) -> None:
    assert kernel.ask(opcode, bytes(64)).error == errno.ENOSYS


GETFLAGS, SETFLAGS = 0x80086601, 0x40086602


def test_most_ioctls_mean_nothing(kernel: Kernel) -> None:
    assert kernel.ask(Opcode.IOCTL, bytes(32)).error == errno.ENOTTY


@pytest.mark.parametrize("command", [GETFLAGS, SETFLAGS])
def test_what_is_in_memory_has_no_flags(kernel: Kernel, command: int) -> None:
    body = struct.pack("=QIIQII", 0, 0, command, 0, 4, 4) + bytes(4)
    assert kernel.ask(Opcode.IOCTL, body, nodeid=kernel.lookup(b"file")).error == errno.ENOTTY


def test_what_is_in_memory_has_no_time_of_birth(kernel: Kernel) -> None:
    answer = kernel.ask(Opcode.STATX, bytes(24), nodeid=kernel.lookup(b"file"))
    (mask,) = struct.unpack_from("=I", answer.body, 32)
    assert mask == 0x7FF
    (size,) = struct.unpack_from("=Q", answer.body, 32 + 40)
    assert size == len(b"some content of a lower file")


def test_acls_can_be_refused() -> None:
    wire = Kernel(writable())
    wire.session = session.Session(wire, wire.dispatcher, unwanted=InitFlags.POSIX_ACL)
    with wire:
        assert InitFlags.POSIX_ACL not in settled(wire)[2]


def test_malformed_requests_are_refused_where_somebody_waits(kernel: Kernel) -> None:
    assert kernel.ask(Opcode.OPEN, b"short").error == errno.EINVAL
    for opcode in (Opcode.FORGET, Opcode.BATCH_FORGET):
        unanswered = kernel.tell(opcode, b"short")
        assert kernel.ask(Opcode.STATFS).error == 0
        assert unanswered not in kernel.answers
    kernel.send_raw(b"too short for a header")
    assert kernel.ask(Opcode.STATFS).error == 0


BY_NODE = {
    Opcode.LOOKUP: b"a\0",
    Opcode.GETATTR: bytes(16),
    Opcode.STATX: bytes(24),
    Opcode.IOCTL: bytes(32),
    Opcode.SETATTR: bytes(88),
    Opcode.READLINK: b"",
    Opcode.SYMLINK: b"a\0b\0",
    Opcode.MKNOD: struct.pack("=III4x", stat.S_IFIFO, 0, 0) + b"a\0",
    Opcode.MKDIR: bytes(8) + b"a\0",
    Opcode.UNLINK: b"a\0",
    Opcode.RMDIR: b"a\0",
    Opcode.RENAME: struct.pack("=Q", ROOT) + b"a\0b\0",
    Opcode.RENAME2: struct.pack("=QQ", ROOT, 0) + b"a\0b\0",
    Opcode.LINK: struct.pack("=Q", ROOT) + b"a\0",
    Opcode.OPEN: bytes(8),
    Opcode.SETXATTR: bytes(16) + b"user.a\0",
    Opcode.GETXATTR: bytes(8) + b"user.a\0",
    Opcode.LISTXATTR: bytes(8),
    Opcode.REMOVEXATTR: b"user.a\0",
    Opcode.CREATE: bytes(16) + b"a\0",
    Opcode.TMPFILE: bytes(16) + b"/\0",
    Opcode.READDIR: bytes(40),
    Opcode.READDIRPLUS: bytes(40),
}


@pytest.mark.parametrize("opcode", BY_NODE)
def test_a_node_that_was_never_told_of_is_stale(kernel: Kernel, opcode: Opcode) -> None:
    assert kernel.ask(opcode, BY_NODE[opcode], nodeid=UNKNOWN).error == errno.ESTALE


@pytest.mark.parametrize(
    ("opcode", "body"),
    [
        (Opcode.RENAME, struct.pack("=Q", UNKNOWN) + b"file\0b\0"),
        (Opcode.RENAME2, struct.pack("=QQ", UNKNOWN, 0) + b"file\0b\0"),
        (Opcode.LINK, struct.pack("=Q", UNKNOWN) + b"b\0"),
    ],
)
def test_so_is_one_named_in_the_arguments(kernel: Kernel, opcode: Opcode, body: bytes) -> None:
    assert kernel.ask(opcode, body).error == errno.ESTALE


@pytest.mark.parametrize(
    ("opcode", "body"),
    [
        (Opcode.READ, struct.pack("=QQI20x", UNKNOWN, 0, 5)),
        (Opcode.WRITE, struct.pack("=QQI20x", UNKNOWN, 0, 1) + b"x"),
        (Opcode.RELEASE, struct.pack("=Q16x", UNKNOWN)),
        (Opcode.FSYNC, struct.pack("=Q8x", UNKNOWN)),
        (Opcode.FALLOCATE, struct.pack("=QQQ8x", UNKNOWN, 0, 1)),
        (Opcode.LSEEK, struct.pack("=QQII", UNKNOWN, 0, 3, 0)),
        (Opcode.COPY_FILE_RANGE, struct.pack("=7Q", UNKNOWN, 0, ROOT, UNKNOWN, 0, 1, 0)),
        (Opcode.COPY_FILE_RANGE_64, struct.pack("=7Q", UNKNOWN, 0, ROOT, UNKNOWN, 0, 1, 0)),
    ],
)
def test_a_handle_that_was_never_given_out_is_bad(kernel: Kernel, opcode: Opcode, body: bytes) -> None:
    assert kernel.ask(opcode, body).error == errno.EBADF


TAKING_NAMES = {
    Opcode.LOOKUP: b"",
    Opcode.MKDIR: bytes(8),
    Opcode.MKNOD: struct.pack("=III4x", stat.S_IFREG, 0, 0),
    Opcode.CREATE: bytes(16),
    Opcode.UNLINK: b"",
    Opcode.RMDIR: b"",
}


@pytest.mark.parametrize("opcode", TAKING_NAMES)
@pytest.mark.parametrize(
    ("name", "expected"),
    [
        (b"", errno.EINVAL),
        (b".", errno.EINVAL),
        (b"..", errno.EINVAL),
        (b"dir/a", errno.EINVAL),
        (b"/", errno.EINVAL),
        (b"n" * 256, errno.ENAMETOOLONG),
        (b"n" * 4000, errno.ENAMETOOLONG),
        (b"fi\0le", errno.EINVAL),
    ],
)
def test_names_that_no_kernel_sends(kernel: Kernel, opcode: Opcode, name: bytes, expected: int) -> None:
    assert kernel.ask(opcode, TAKING_NAMES[opcode] + name + b"\0").error == expected


@pytest.mark.parametrize("name", [b".", b"..", b"dir/new", b"n" * 256])
def test_nor_are_they_taken_as_a_second_name(kernel: Kernel, name: bytes) -> None:
    file = kernel.lookup(b"file")
    expected = errno.ENAMETOOLONG if len(name) > 255 else errno.EINVAL
    for opcode, body in [
        (Opcode.RENAME, struct.pack("=Q", ROOT) + b"file\0" + name + b"\0"),
        (Opcode.RENAME2, struct.pack("=QQ", ROOT, 0) + b"file\0" + name + b"\0"),
        (Opcode.LINK, struct.pack("=Q", file) + name + b"\0"),
        (Opcode.SYMLINK, name + b"\0target\0"),
    ]:
        assert kernel.ask(opcode, body).error == expected


@pytest.mark.parametrize(
    ("flags", "expected"), [(1, errno.EEXIST), (3, errno.EINVAL), (4, errno.EINVAL), (8, errno.EINVAL)]
)
def test_flags_of_rename(kernel: Kernel, flags: int, expected: int) -> None:
    body = struct.pack("=QII", ROOT, flags, 0) + b"file\0link\0"
    assert kernel.ask(Opcode.RENAME2, body).error == expected


@pytest.mark.parametrize(
    ("flags", "expected"), [(0, 0), (1, 0), (2, errno.ENODATA), (4, errno.EINVAL), (0x80000001, errno.EINVAL)]
)
def test_flags_of_setxattr(kernel: Kernel, flags: int, expected: int) -> None:
    assert kernel.ask(Opcode.SETXATTR, struct.pack("=IIII", 1, flags, 0, 0) + b"user.a\0v").error == expected


@pytest.mark.parametrize(
    ("mode", "expected"),
    [
        (0o644, 0),
        (stat.S_IFSOCK, 0),
        (stat.S_IFREG | 0o1_000_000, 0),
        (stat.S_IFDIR, errno.EPERM),
        (stat.S_IFLNK, errno.EINVAL),
        (0o170000, errno.EINVAL),
        (0o030000, errno.EINVAL),
    ],
)
def test_modes_of_mknod(kernel: Kernel, mode: int, expected: int) -> None:
    reply = kernel.ask(Opcode.MKNOD, struct.pack("=III4x", mode, 0, 0) + b"new\0")
    assert reply.error == expected
    if mode == 0o644:
        assert struct.unpack_from("=I", reply.body, 40 + 60)[0] == stat.S_IFREG | 0o644


def test_opening_for_ioctl_alone(kernel: Kernel) -> None:
    reply = kernel.ask(Opcode.OPEN, struct.pack("=II", 3, 0), nodeid=kernel.lookup(b"file"))
    assert reply.error == 0
    write = struct.pack("=QQI20x", handle_in(reply), 0, 1) + b"x"
    assert kernel.ask(Opcode.WRITE, write).error == errno.EBADF


def test_appending_is_where_the_kernel_says(kernel: Kernel) -> None:
    file = kernel.lookup(b"file")
    appending = struct.pack("=II", 0o2001, 0)  # O_WRONLY | O_APPEND, which F_SETFL can take away
    fh = handle_in(kernel.ask(Opcode.OPEN, appending, nodeid=file))
    assert kernel.ask(Opcode.WRITE, struct.pack("=QQI20x", fh, 0, 4) + b"SOME", nodeid=file).error == 0
    reading = handle_in(kernel.ask(Opcode.OPEN, bytes(8), nodeid=file))
    assert kernel.ask(Opcode.READ, struct.pack("=QQI20x", reading, 0, 9)).body == b"SOME cont"


@pytest.mark.parametrize("opcode", [Opcode.MKDIR, Opcode.CREATE, Opcode.TMPFILE, Opcode.UNLINK])
def test_nothing_changes_without_an_upper_layer(opcode: Opcode) -> None:
    body = {**BY_NODE, Opcode.UNLINK: b"file\0"}[opcode]
    with Kernel(read_only()) as kernel:
        assert kernel.ask(opcode, body).error == errno.EROFS


# Faults


def test_a_fault_is_eio_and_logged_and_the_session_lives_on(
    kernel: Kernel, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object) -> bytes:
        raise ZeroDivisionError("on purpose")

    monkeypatch.setattr(Union, "readlink", fail)
    with caplog.at_level(logging.ERROR):
        assert kernel.ask(Opcode.READLINK, nodeid=kernel.lookup(b"link")).error == errno.EIO
    assert "on purpose" in caplog.text
    assert "Traceback" in caplog.text
    assert kernel.ask(Opcode.STATFS).error == 0


def test_an_errno_that_the_protocol_has_no_room_for_is_eio(
    kernel: Kernel, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object) -> bytes:
        raise OSError(524, "ENOTSUPP, which the kernel's NFS lets out")

    monkeypatch.setattr(Union, "readlink", fail)
    assert kernel.ask(Opcode.READLINK, nodeid=kernel.lookup(b"link")).error == errno.EIO


def test_one_broken_file_does_not_fail_a_listing(kernel: Kernel, monkeypatch: pytest.MonkeyPatch) -> None:
    stat = MemoryStore.stat

    def fail_for_the_link(store: MemoryStore, path: bytes) -> Stat:
        if path == b"link":
            raise error(errno.EUCLEAN)
        return stat(store, path)

    monkeypatch.setattr(MemoryStore, "stat", fail_for_the_link)
    reply = kernel.ask(Opcode.READDIRPLUS, struct.pack("=QQI20x", 0, 0, 4096))
    assert reply.error == 0
    listed = dict(entries(reply.body))
    assert set(listed) == {b".", b"..", b"dir", b"file", b"link"}
    assert listed[b"link"] == 0
    assert 0 not in (listed[b"dir"], listed[b"file"])


def entries(body: bytes) -> Iterator[tuple[bytes, int]]:
    """Names and node ids of a READDIRPLUS reply."""
    position = 0
    while position < len(body):
        (nodeid,) = struct.unpack_from("=Q", body, position)
        (length,) = struct.unpack_from("=I", body, position + 128 + 16)
        start = position + 128 + 24
        yield body[start : start + length], nodeid
        position = start + length + -length % 8


# Who waits for whom


class SlowStore(MemoryStore):
    """A layer whose files cannot be opened while `gate` is closed."""

    def __init__(self, name: str = "slow") -> None:
        super().__init__(name)
        self.gate = threading.Event()
        self.gate.set()
        self.reached = threading.Event()

    def open(self, path: bytes, access: Access = Access.READ) -> MemoryFile:
        if not self.gate.is_set():
            self.reached.set()
        assert self.gate.wait(20)
        return super().open(path, access)


class SlowFile(MemoryFile):
    gate: threading.Event
    reached: threading.Event

    def pread(self, size: int, offset: int) -> bytes:
        if not self.gate.is_set():
            self.reached.set()
        assert self.gate.wait(20)
        return super().pread(size, offset)


class SlowReads(SlowStore):
    """A layer whose files can be opened, but not read, while `gate` is closed."""

    def open(self, path: bytes, access: Access = Access.READ) -> MemoryFile:
        file = SlowFile(self._inode(path), access)  # type: ignore[arg-type]
        file.gate, file.reached = self.gate, self.reached
        return file


@pytest.fixture(params=["overlay", "aufs"])
def copying(
    request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch
) -> Iterator[tuple[Kernel, int, SlowStore, int]]:
    """A session while the data of ``file`` is being copied up for a write; its node, the store, the write."""
    monkeypatch.setattr("unionfs.core.completion.AT_ONCE", 0)
    slow = SlowStore.of(TREE)
    assert isinstance(slow, SlowStore)
    union = writable(slow, OVERLAY if request.param == "overlay" else AUFS, CopyUp.EAGER)
    with Kernel(union) as kernel:
        file = kernel.lookup(b"file")
        fh = handle_in(kernel.ask(Opcode.OPEN, struct.pack("=II", 2, 0), nodeid=file))
        slow.gate.clear()
        write = kernel.tell(Opcode.WRITE, struct.pack("=QQI20x", fh, 0, 4) + b"SOME", nodeid=file)
        assert slow.reached.wait(20)
        try:
            yield kernel, file, slow, write
        finally:
            slow.gate.set()


def test_others_go_on_while_data_is_copied_up(copying: tuple[Kernel, int, SlowStore, int]) -> None:
    kernel, file, slow, write = copying
    directory = kernel.lookup(b"dir")
    assert kernel.ask(Opcode.GETATTR, bytes(16), nodeid=file).error == 0
    assert kernel.ask(Opcode.MKDIR, bytes(8) + b"new\0", nodeid=directory).error == 0
    assert kernel.ask(Opcode.UNLINK, b"b\0", nodeid=directory).error == 0
    assert kernel.ask(Opcode.READDIRPLUS, struct.pack("=QQI20x", 0, 0, 4096)).error == 0
    assert write not in kernel.answers
    slow.gate.set()
    assert kernel.reply_to(write).body == protocol.written(4)


def resize(size: int) -> bytes:
    return struct.pack("=I12xQ64x", SetattrValid.SIZE, size)


CHANGES_OF_THE_FILE = {
    "chmod": (Opcode.SETATTR, struct.pack("=I64xI16x", SetattrValid.MODE, 0o600), True),
    "truncate": (Opcode.SETATTR, resize(5), True),
    "setxattr": (Opcode.SETXATTR, struct.pack("=IIII", 1, 0, 0, 0) + b"user.a\0v", True),
    "open to truncate": (Opcode.OPEN, struct.pack("=II", 0o1002, 0), True),
    "rename": (Opcode.RENAME, struct.pack("=Q", ROOT) + b"file\0moved\0", False),
    "unlink": (Opcode.UNLINK, b"file\0", False),
    "link": (Opcode.LINK, b"", False),
}


@pytest.mark.parametrize("change", CHANGES_OF_THE_FILE)
def test_what_changes_the_file_waits_without_holding_up_others(
    copying: tuple[Kernel, int, SlowStore, int], change: str
) -> None:
    kernel, file, slow, write = copying
    opcode, body, by_node = CHANGES_OF_THE_FILE[change]
    if opcode is Opcode.LINK:
        body = struct.pack("=Q", file) + b"second\0"
    changing = kernel.tell(opcode, body, nodeid=file if by_node else ROOT)
    assert kernel.ask(Opcode.STATFS).error == 0
    assert kernel.lookup(b"link")
    slow.gate.set()
    assert kernel.reply_to(write).error == 0
    assert kernel.reply_to(changing).error == 0


def test_a_write_is_answered_before_any_data_is_copied() -> None:
    """Behind it comes the rest, for which nobody waits."""
    slow = SlowReads.of({"file": b"0123456789" * 1000})
    assert isinstance(slow, SlowReads)
    with Kernel(writable(slow, OVERLAY, CopyUp.LAZY)) as kernel:
        file = kernel.lookup(b"file")
        fh = handle_in(kernel.ask(Opcode.OPEN, struct.pack("=II", 2, 0), nodeid=file))
        slow.gate.clear()
        whole_block = struct.pack("=QQI20x", fh, 0, 4096) + b"x" * 4096
        assert kernel.ask(Opcode.WRITE, whole_block, nodeid=file).body == protocol.written(4096)
        assert slow.reached.wait(20)
        read = kernel.ask(Opcode.READ, struct.pack("=QQI20x", fh, 0, 4096), nodeid=file)
        assert read.body == b"x" * 4096
        assert kernel.ask(Opcode.GETATTR, bytes(16), nodeid=file).error == 0
        slow.gate.set()
        assert kernel.ask(Opcode.FSYNC, struct.pack("=QI4x", fh, 0), nodeid=file).error == 0
        rest = kernel.ask(Opcode.READ, struct.pack("=QQI20x", fh, 4096, 9999), nodeid=file)
        assert rest.body == (b"0123456789" * 1000)[4096:]


def test_a_forget_meanwhile_harms_nobody(copying: tuple[Kernel, int, SlowStore, int]) -> None:
    kernel, file, slow, write = copying
    kernel.tell(Opcode.FORGET, struct.pack("=Q", 1), nodeid=file)
    again = kernel.lookup(b"file")
    slow.gate.set()
    assert kernel.reply_to(write).body == protocol.written(4)
    fh = handle_in(kernel.ask(Opcode.OPEN, bytes(8), nodeid=again))
    assert kernel.ask(Opcode.READ, struct.pack("=QQI20x", fh, 0, 9), nodeid=again).body == b"SOME cont"


def test_the_end_waits_for_what_is_under_way(copying: tuple[Kernel, int, SlowStore, int]) -> None:
    kernel, _file, slow, write = copying
    threading.Timer(0.2, slow.gate.set).start()
    kernel.__exit__(None, None, None)
    assert kernel.answers[write] == 1


# Copying from file to file, and files without names


def test_copy_file_range_in_both_forms(kernel: Kernel) -> None:
    source = handle_in(kernel.ask(Opcode.OPEN, bytes(8), nodeid=kernel.lookup(b"file")))
    made = kernel.ask(Opcode.CREATE, struct.pack("=IIII", 2, 0o600, 0, 0) + b"new\0")
    node, target = nodeid_in(made), handle_in(made)
    old = kernel.ask(Opcode.COPY_FILE_RANGE, struct.pack("=7Q", source, 5, node, target, 0, 7, 0))
    new = kernel.ask(Opcode.COPY_FILE_RANGE_64, struct.pack("=7Q", source, 0, node, target, 7, 4, 0))
    assert (old.body, new.body) == (protocol.written(7), protocol.copied(4))
    assert kernel.ask(Opcode.READ, struct.pack("=QQI20x", target, 0, 99)).body == b"contentsome"


def test_a_file_without_a_name_gets_one(kernel: Kernel) -> None:
    made = kernel.ask(Opcode.TMPFILE, struct.pack("=IIII", 2, 0o100600, 0, 0) + b"/\0")
    assert struct.unpack_from("=I", made.body, 40 + 64)[0] == 0  # nlink
    link = struct.pack("=Q", nodeid_in(made)) + b"named\0"
    assert nodeid_in(kernel.ask(Opcode.LINK, link)) == nodeid_in(made) == kernel.lookup(b"named")


def test_a_kernel_that_tells_of_no_opening_is_asked_to_tell_of_no_closing(kernel: Kernel) -> None:
    reply = kernel.ask(Opcode.FLUSH, struct.pack("=Q16x", 0), nodeid=kernel.lookup(b"file"))
    assert reply.error == errno.ENOSYS


@pytest.mark.parametrize(
    ("nanoseconds", "expected"), [(999_999_999, 0), (10**9, errno.EINVAL), (2**32 - 1, errno.EINVAL)]
)
def test_the_last_moment_that_can_be_set(kernel: Kernel, nanoseconds: int, expected: int) -> None:
    last = 2**63 - 1
    valid = SetattrValid.ATIME | SetattrValid.MTIME
    body = struct.pack(
        "=IIQQQqqqIIIIIIII", valid, 0, 0, 0, 0, last, last, 0, *[nanoseconds] * 2, 0, 0, 0, 0, 0, 0
    )
    assert kernel.ask(Opcode.SETATTR, body, nodeid=kernel.lookup(b"file")).error == expected
