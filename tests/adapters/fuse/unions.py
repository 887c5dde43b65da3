"""Unions in memory, for tests without a mount."""

from __future__ import annotations

from unionfs.core.dialect import Dialect
from unionfs.core.layer import Layer, UpperLayer
from unionfs.core.union import Union
from unionfs.dialects.aufs import AufsDialect
from unionfs.dialects.overlay import TRUSTED, OverlayDialect
from unionfs.layers.fill import Content, Symlink
from unionfs.layers.memory import MemoryStore
from unionfs.types import CopyUp

OVERLAY = OverlayDialect(TRUSTED)
AUFS = AufsDialect()

TREE: dict[str, Content] = {
    "dir/a": b"in a directory",
    "dir/b": b"",
    "file": b"some content of a lower file",
    "link": Symlink("dir/a"),
}


def writable(
    lower: MemoryStore | None = None, dialect: Dialect = OVERLAY, copy_up: CopyUp = CopyUp.AUTO
) -> Union:
    """A lower layer (by default one of `TREE`) beneath an empty upper one."""
    upper = MemoryStore("upper")
    work = MemoryStore("work", beside=upper)
    layers = [Layer(lower or MemoryStore.of(TREE), dialect)]
    return Union(layers, UpperLayer(upper, dialect, work), copy_up=copy_up)


def read_only() -> Union:
    return Union([Layer(MemoryStore.of(TREE), OVERLAY)])
