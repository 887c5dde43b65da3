"""How a dialect is chosen: by name, or by what a layer's root holds."""

from __future__ import annotations

import pytest

from unionfs.core.dialect import Dialect
from unionfs.dialects import NAMES, by_name, detect
from unionfs.dialects.aufs import AufsDialect
from unionfs.dialects.overlay import TRUSTED, USER, OverlayDialect
from unionfs.errors import ConfigError
from unionfs.layers.memory import MemoryStore


@pytest.mark.parametrize(
    ("name", "privileged", "dialect"),
    [
        ("overlay", True, OverlayDialect(TRUSTED)),
        ("overlay", False, OverlayDialect(USER)),
        ("overlay.trusted", False, OverlayDialect(TRUSTED)),
        ("overlay.user", True, OverlayDialect(USER)),
    ],
)
def test_by_name(name: str, privileged: bool, dialect: Dialect) -> None:
    assert by_name(name, privileged=privileged) == dialect


@pytest.mark.parametrize("name", NAMES)
def test_a_dialect_is_called_what_it_was_chosen_by(name: str) -> None:
    assert by_name(name, privileged=True).name == name.partition(".")[0]


def test_an_unknown_name_is_named() -> None:
    with pytest.raises(ConfigError, match=r"'unionfs'.*overlay.*aufs"):
        by_name("unionfs", privileged=True)


@pytest.mark.parametrize(
    "name", [b".wh..wh.aufs", b".wh..wh.plnk", b".wh..wh.orph", b".wh..wh..opq", b".wh.x"]
)
def test_aufs_is_detected(name: bytes) -> None:
    store = MemoryStore()
    store.create(name, 0o444)
    assert isinstance(detect(store, OverlayDialect()), AufsDialect)


def test_the_default_is_taken_where_nothing_is_found() -> None:
    store = MemoryStore()
    store.create(b".whisper", 0o644)
    default = OverlayDialect(USER)
    assert detect(store, default) is default
