"""A layered union filesystem: copy-up, whiteouts and image layers, as a library and as a FUSE mount."""

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from unionfs.adapters.memory.filesystem import Change, UnionFS
    from unionfs.adapters.memory.path import UnionPath
    from unionfs.committing import commit_image
    from unionfs.core.layer import Layer, UpperLayer
    from unionfs.dialects.aufs import AufsDialect
    from unionfs.dialects.overlay import OverlayDialect
    from unionfs.errors import (
        ArchiveError,
        ConfigError,
        DigestError,
        ImageError,
        ImageNotFoundError,
        UnionError,
    )
    from unionfs.layers.fill import Symlink
    from unionfs.layers.fsspec import FsspecStore
    from unionfs.layers.host import HostStore
    from unionfs.layers.memory import MemoryStore
    from unionfs.mounting import Mount, mounted
    from unionfs.opening import open_image, open_union
    from unionfs.types import Kind, RenameFlags

__version__ = "0.1.0"

__all__ = [
    "ArchiveError",
    "AufsDialect",
    "Change",
    "ConfigError",
    "DigestError",
    "FsspecStore",
    "HostStore",
    "ImageError",
    "ImageNotFoundError",
    "Kind",
    "Layer",
    "MemoryStore",
    "Mount",
    "OverlayDialect",
    "RenameFlags",
    "Symlink",
    "UnionError",
    "UnionFS",
    "UnionPath",
    "UpperLayer",
    "commit_image",
    "mounted",
    "open_image",
    "open_union",
]

_HOMES = {
    "unionfs.adapters.memory.filesystem": {"Change", "UnionFS"},
    "unionfs.adapters.memory.path": {"UnionPath"},
    "unionfs.committing": {"commit_image"},
    "unionfs.core.layer": {"Layer", "UpperLayer"},
    "unionfs.dialects.aufs": {"AufsDialect"},
    "unionfs.dialects.overlay": {"OverlayDialect"},
    "unionfs.errors": {
        "ArchiveError",
        "ConfigError",
        "DigestError",
        "ImageError",
        "ImageNotFoundError",
        "UnionError",
    },
    "unionfs.layers.fill": {"Symlink"},
    "unionfs.layers.fsspec": {"FsspecStore"},
    "unionfs.layers.host": {"HostStore"},
    "unionfs.layers.memory": {"MemoryStore"},
    "unionfs.mounting": {"Mount", "mounted"},
    "unionfs.opening": {"open_image", "open_union"},
    "unionfs.types": {"Kind", "RenameFlags"},
}
"""Where each public name is loaded from when it is first asked for.

Mounts and commands import this package too and need none of them; and `unionfs.core`
can be imported without what is built on it.
"""

if not TYPE_CHECKING:  # a checker sees the imports above, and would take any name for one of these

    def __getattr__(name: str) -> object:
        for home, names in _HOMES.items():
            if name in names:
                return globals().setdefault(name, getattr(import_module(home), name))
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")

    def __dir__() -> list[str]:
        return [*globals(), *__all__]
