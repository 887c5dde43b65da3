"""A volatile store says that everything is on stable storage, and does nothing for it."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from unionfs.layers.host import HostStore, VolatileStore, syscalls


@pytest.mark.parametrize(
    ("kind", "synced"), [(HostStore, ["fsync", "fdatasync", "syncfs"]), (VolatileStore, [])]
)
def test_what_reaches_the_kernel(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, kind: type[HostStore], synced: list[str]
) -> None:
    calls: list[str] = []
    for module, name in ((os, "fsync"), (os, "fdatasync"), (syscalls, "syncfs")):
        monkeypatch.setattr(module, name, lambda fd, name=name: calls.append(name))
    store = kind(tmp_path, writable=True)
    made = store.create(b"f", 0o600)
    made.pwrite(b"content", 0)
    made.sync()
    opened = store.open(b"f")
    opened.sync(data_only=True)
    store.sync()
    assert opened.pread(10, 0) == b"content"
    assert calls == synced
    for thing in (made, opened, store):
        thing.close()
    assert made.fileno() == opened.fileno() == -1
