"""The portable transport: fusepy (or mfusepy) over libfuse 2."""

from __future__ import annotations

import os
from collections.abc import Callable
from importlib import import_module
from types import ModuleType
from typing import Any

from unionfs.adapters.fuse.beneath import watched
from unionfs.adapters.fuse.operations import ENCODING, Operations
from unionfs.adapters.options import Options
from unionfs.adapters.stack import watchable
from unionfs.core.beneath import Changed
from unionfs.core.union import Union
from unionfs.errors import ConfigError, UnionError


class _Called(Operations):
    """fusepy calls the object, mfusepy its methods (and warns about an object that can be called)."""

    def __call__(self, operation: str, *args: Any) -> Any:
        return getattr(self, operation)(*args)


def library() -> ModuleType:
    """fusepy, or mfusepy where only that is installed. `ConfigError` where neither works."""
    try:
        return _import()
    except (ImportError, OSError, AttributeError) as failure:
        raise ConfigError(f"no FUSE here ({failure}): fusepy and libfuse 2 are needed") from failure


def _import() -> ModuleType:
    try:
        return import_module("fuse")
    except ModuleNotFoundError:
        mfusepy = import_module("mfusepy")
    if mfusepy.fuse_version_major != 2:  # its rename drops the flags, and so destroys what it should exchange
        raise ImportError("mfusepy runs on libfuse 3")
    return mfusepy


def serve(
    library: ModuleType, union: Union, mountpoint: str, options: Options, ready: Callable[[], None]
) -> None:
    """Mount `union` and answer until it is unmounted, or until SIGTERM, SIGINT or SIGHUP unmounts it.

    `ready` is called once the kernel has begun to talk to us. `UnionError` where libfuse
    could not mount: it has said why on stderr.
    """
    shape = Operations if hasattr(library, "fuse_version_major") else _Called
    operations = shape(union, library.fuse_get_context, ready)
    try:
        with watched(union, watchable(union, options), _nobody_to_tell):
            library.FUSE(operations, _encoded(mountpoint), encoding=ENCODING, **_libfuse_options(options))
    except RuntimeError as failure:
        raise UnionError("libfuse failed") from failure


def _nobody_to_tell(change: Changed) -> None:
    """libfuse 2 passes nothing on by path: the kernel asks again after a second (`entry_timeout`)."""


def _encoded(text: str) -> str:
    """A host path in the form that the encoding given to libfuse's wrapper turns into its bytes again."""
    return os.fsencode(text).decode(ENCODING)


def _libfuse_options(options: Options) -> dict[str, Any]:
    privileged = os.geteuid() == 0
    return {
        "foreground": True,
        "fsname": _encoded(_escaped(options.fsname or "unionfs")),
        "subtype": "unionfs",
        "nonempty": True,
        "use_ino": True,
        "default_permissions": True,
        "big_writes": True,
        "atomic_o_trunc": True,
        # Names change only through this mount. Attributes of one name change through another
        # name of the same file, of which the kernel does not know that it is the same.
        "entry_timeout": 1,
        "negative_timeout": 1,
        "attr_timeout": 0,
        "allow_other": privileged or options.allow_other,
        **({"context": f'"{options.context}"'} if options.context else {}),
        **({"dev": True, "suid": True} if privileged else {}),
        **dict.fromkeys(options.mount_words, True),
    }


def _escaped(text: str) -> str:
    """libfuse splits its options at commas that no backslash protects (fuse_opt.h)."""
    return text.replace("\\", "\\\\").replace(",", "\\,")
