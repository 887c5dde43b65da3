"""What `probe` finds out."""

from __future__ import annotations

import errno
import os
from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest

from unionfs.errors import error
from unionfs.layers.fill import fill
from unionfs.layers.host import Abilities, HostStore, probe
from unionfs.types import RenameFlags


@pytest.fixture
def store(tmp_path: Path) -> Iterator[HostStore]:
    store = HostStore(tmp_path, writable=True)
    yield store
    store.close()


def test_root_can_do_everything_and_nothing_is_left_behind(store: HostStore) -> None:
    root = os.geteuid() == 0
    expected = Abilities(
        trusted_xattrs=root,
        user_xattrs=True,
        whiteout_devices=True,
        rename_whiteout=True,
        rename_exchange=True,
    )
    assert probe(store) == expected
    assert store.scan(b"") == []


def test_what_a_killed_probe_left_is_cleared(store: HostStore) -> None:
    fill(store, {"#probe/a": b""})
    probe(store)
    assert store.scan(b"") == []


def test_a_refusal_is_no_ability(store: HostStore, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(path: bytes, to: object, new: bytes, flags: RenameFlags) -> None:
        raise error(errno.EINVAL)

    monkeypatch.setattr(store, "rename", refuse)
    found = probe(store)
    assert (found.rename_whiteout, found.rename_exchange, found.user_xattrs) == (False, False, True)


def test_what_cannot_be_tried_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(OSError, match="Read-only"):
        probe(HostStore(tmp_path))


def test_a_file_system_with_few_abilities() -> None:
    """A memory file system (tmpfs) and the work directory's may differ: each is asked itself."""
    with TemporaryDirectory(dir="/dev/shm") as directory:
        store = HostStore(directory, writable=True)
        assert probe(store).rename_exchange
        store.close()
