"""Dialects: how the marks of a layer are written down, and how one is chosen."""

from __future__ import annotations

from unionfs.core.dialect import Dialect
from unionfs.core.store import Store
from unionfs.dialects.aufs import PREFIX, AufsDialect
from unionfs.dialects.mixed import MixedDialect
from unionfs.dialects.overlay import TRUSTED, USER, OverlayDialect
from unionfs.errors import ConfigError

NAMES = ("overlay", "overlay.trusted", "overlay.user", "aufs", "mixed")
"""What `by_name` knows."""


def by_name(name: str, *, privileged: bool) -> Dialect:
    """The dialect of that name; ``overlay`` is ``overlay.trusted`` for the privileged, else ``overlay.user``.

    ``mixed`` is ``overlay`` that reads AuFS's marks too.
    Raises `ConfigError` for a name not in `NAMES`.
    """
    match name:
        case "overlay":
            return OverlayDialect(TRUSTED if privileged else USER)
        case "mixed":
            return MixedDialect(OverlayDialect(TRUSTED if privileged else USER))
        case "overlay.trusted":
            return OverlayDialect(TRUSTED)
        case "overlay.user":
            return OverlayDialect(USER)
        case "aufs":
            return AufsDialect()
    raise ConfigError(f"unknown dialect {name!r}: not one of {', '.join(NAMES)}")


def detect(store: Store, default: Dialect) -> Dialect:
    """AuFS where the root holds a name that only AuFS gives a meaning, otherwise `default`.

    A guess: whiteouts deeper in the tree are not looked for, and an overlayfs layer
    may hold an ordinary file called ``.wh.something``.
    """
    marked = any(name.startswith(PREFIX) for name, _kind in store.scan(b""))
    return AufsDialect() if marked else default
