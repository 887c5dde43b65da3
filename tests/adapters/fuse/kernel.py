"""The kernel's side of the protocol, for tests without a mount."""

from __future__ import annotations

import struct
from collections import deque
from typing import NamedTuple

from unionfs.adapters.fuse.dispatch import Dispatcher
from unionfs.adapters.fuse.protocol import InitFlags, Opcode
from unionfs.adapters.fuse.session import Session
from unionfs.core.union import Union

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


class Wire:
    """A channel that holds what it is given: requests to be read, replies as they were written."""

    descriptor = None

    def __init__(self, *requests: bytes) -> None:
        self.requests = deque(requests)
        self.replies: list[Reply] = []

    def receive(self) -> memoryview | None:
        return memoryview(bytearray(self.requests.popleft())) if self.requests else None

    def send(self, *parts: bytes) -> None:
        """Take one reply, which has to be as linux, fs/fuse/dev.c (fuse_dev_do_write) wants it."""
        reply = b"".join(parts)
        length, error, unique = struct.unpack_from("=IiQ", reply)
        assert length == len(reply)
        assert -512 < error <= 0
        assert error == 0 or length == 16
        self.replies.append(Reply(unique, -error, reply[16:]))


def served(union: Union, *requests: bytes) -> list[Reply]:
    """What a session answers to these requests, and that it comes to its end."""
    wire = Wire(*requests)
    Session(wire, Dispatcher(union)).serve()
    return wire.replies


class Conversation:
    """A dispatcher behind a session that is asked one thing at a time."""

    def __init__(self, union: Union, *, flags: int = EVERYTHING) -> None:
        self.dispatcher = Dispatcher(union)
        self._wire = Wire(init(flags=flags))
        self._session = Session(self._wire, self.dispatcher)
        self._unique = 2
        self._session.serve_pending()

    def ask(self, opcode: int, body: bytes = b"", nodeid: int = 1) -> Reply:
        raise NotImplementedError
