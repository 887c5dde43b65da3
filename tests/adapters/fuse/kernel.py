"""The kernel's side of the protocol, for tests without a mount."""

from __future__ import annotations

import queue
import struct
import threading
from collections import Counter
from collections.abc import Callable
from types import TracebackType
from typing import NamedTuple

from unionfs.adapters.fuse.dispatch import Dispatcher
from unionfs.adapters.fuse.protocol import InitFlags, Opcode
from unionfs.adapters.fuse.session import Session
from unionfs.core.union import Union

PATIENCE = 20
"""Seconds until an answer is taken to be missing."""

EVERYTHING = 0xFFFF_FFFF
"""All that a kernel can offer in the first word of flags."""


def request(
    opcode: int, body: bytes = b"", *, nodeid: int = 1, unique: int = 8, uid: int = 0, gid: int = 0
) -> bytes:
    """The bytes of a request (struct fuse_in_header, then what belongs to the opcode)."""
    return struct.pack("=IIQQIIIHH", 40 + len(body), opcode, unique, nodeid, uid, gid, 77, 0, 0) + body


def init(minor: int = 45, flags: int = EVERYTHING, flags2: int = EVERYTHING) -> bytes:
    """INIT, in the long form if `flags` say so."""
    body = struct.pack("=IIII", 7, minor, 131_072, flags)
    if flags & InitFlags.INIT_EXT:
        body += struct.pack("=I44x", flags2)
    return request(Opcode.INIT, body, nodeid=0, unique=2)


class Reply(NamedTuple):
    """`error` is a positive errno, 0 where there is a body (which may be empty)."""

    unique: int
    error: int
    body: bytes


class Kernel:
    """Talks to a session that serves a union in a thread of its own; see that it ends well.

    It is a `session.Channel` whose replies have to be as linux, fs/fuse/dev.c
    (fuse_dev_do_write) wants them, one to a request.
    """

    descriptor = None

    def __init__(self, union: Union, *, init_with: bytes | None = None) -> None:
        self.dispatcher = Dispatcher(union)
        self.session = Session(self, self.dispatcher)
        self._requests: queue.Queue[bytes | None] = queue.Queue()
        self._replied = threading.Condition()
        self._replies: dict[int, Reply] = {}
        self._unique = 2
        self.answers: Counter[int] = Counter()
        self.notices: list[tuple[int, bytes]] = []
        """Which, and what follows its header."""
        self._failure: BaseException | None = None
        self._thread = threading.Thread(target=self._serve)
        self._requests.put(init_with or init())

    def __enter__(self) -> Kernel:
        self._thread.start()
        self.reply_to(2)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, failure: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._requests.put(None)
        self._thread.join(PATIENCE)
        assert not self._thread.is_alive()
        if self._failure is not None:
            raise self._failure

    def ask(self, opcode: int, body: bytes = b"", *, nodeid: int = 1) -> Reply:
        """The answer to a request."""
        return self.reply_to(self.tell(opcode, body, nodeid=nodeid))

    def tell(self, opcode: int, body: bytes = b"", *, nodeid: int = 1) -> int:
        """Send a request; its number."""
        self._unique += 2
        self.send_raw(request(opcode, body, nodeid=nodeid, unique=self._unique))
        return self._unique

    def send_raw(self, data: bytes) -> None:
        self._requests.put(data)

    def reply_to(self, unique: int) -> Reply:
        with self._replied:
            assert self._replied.wait_for(lambda: unique in self._replies, PATIENCE), "no answer"
            return self._replies[unique]

    def lookup(self, name: bytes, *, nodeid: int = 1) -> int:
        """The number of the node called `name`."""
        reply = self.ask(Opcode.LOOKUP, name + b"\0", nodeid=nodeid)
        assert reply.error == 0
        return nodeid_in(reply)

    def _serve(self) -> None:
        try:
            self.session.serve()
        except BaseException as failure:  # noqa: BLE001 - handed to the test
            self._failure = failure

    # session.Channel

    def receive(self, meanwhile: Callable[[], bool]) -> memoryview | None:
        while self._requests.empty() and meanwhile():
            pass
        data = self._requests.get()
        return None if data is None else memoryview(bytearray(data))

    def send(self, *parts: bytes) -> None:
        reply = b"".join(parts)
        length, error, unique = struct.unpack_from("=IiQ", reply)
        assert length == len(reply)
        if unique == 0:
            self.notices.append((error, reply[16:]))
            return
        assert -512 < error <= 0
        assert error == 0 or length == 16
        with self._replied:
            self.answers[unique] += 1
            self._replies[unique] = Reply(unique, -error, reply[16:])
            self._replied.notify_all()


def nodeid_in(reply: Reply) -> int:
    """From a reply that begins with a struct fuse_entry_out."""
    nodeid: int = struct.unpack_from("=Q", reply.body)[0]
    return nodeid


def handle_in(reply: Reply) -> int:
    """From a reply that ends with a struct fuse_open_out."""
    fh: int = struct.unpack_from("=Q", reply.body, len(reply.body) - 16)[0]
    return fh
