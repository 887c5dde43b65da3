"""Directories that are read before they are asked for."""

from __future__ import annotations

import struct
import time

from kernel import PATIENCE, Kernel

from unionfs.adapters.fuse.protocol import Opcode
from unionfs.core.layer import Layer
from unionfs.core.union import Union
from unionfs.dialects.overlay import OverlayDialect
from unionfs.layers.memory import MemoryStore

LIST = struct.pack("=QQI20x", 0, 0, 4096)


class Scanned(MemoryStore):
    """Remembers which directories have been listed."""

    def __init__(self) -> None:
        super().__init__()
        self.scans: list[bytes] = []

    def scan(self, path: bytes) -> list[tuple[bytes, object]]:  # type: ignore[override]
        self.scans.append(path)
        return list(super().scan(path))

    def wait_for(self, scans: list[bytes]) -> None:
        deadline = time.monotonic() + PATIENCE
        while self.scans != scans and time.monotonic() < deadline:
            time.sleep(0.001)
        assert self.scans == scans


def test_the_next_directory_is_read_meanwhile() -> None:
    store = Scanned()
    for name in (b"a", b"b", b"c", b"d"):
        store.mkdir(name, 0o755)
    with Kernel(Union([Layer(store, OverlayDialect())])) as kernel:
        kernel.ask(Opcode.READDIRPLUS, LIST)
        first = kernel.lookup(b"a")
        kernel.ask(Opcode.READDIRPLUS, LIST, nodeid=first)
        store.wait_for([b"", b"a", b"b"])
        kernel.ask(Opcode.READDIRPLUS, LIST, nodeid=kernel.lookup(b"b"))
        store.wait_for([b"", b"a", b"b", b"c"])


def test_a_directory_that_is_known_leads_to_no_reading() -> None:
    store = Scanned()
    for name in (b"a", b"b", b"c"):
        store.mkdir(name, 0o755)
    with Kernel(Union([Layer(store, OverlayDialect())])) as kernel:
        kernel.ask(Opcode.READDIRPLUS, LIST)
        kernel.ask(Opcode.READDIRPLUS, LIST, nodeid=kernel.lookup(b"a"))
        store.wait_for([b"", b"a", b"b"])
        for _ in range(3):
            kernel.ask(Opcode.READDIRPLUS, LIST, nodeid=kernel.lookup(b"a"))
            time.sleep(0.01)
        assert store.scans == [b"", b"a", b"b"]
