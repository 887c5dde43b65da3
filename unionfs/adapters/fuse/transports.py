"""Which transport shows a union: our own on /dev/fuse, or libfuse's through fusepy."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

from unionfs.adapters.fuse import device, native
from unionfs.adapters.options import Options
from unionfs.core.union import Union
from unionfs.errors import ConfigError

AUTO = "auto"
NATIVE = "native"
FUSEPY = "fusepy"
NAMES = (AUTO, NATIVE, FUSEPY)

Serve = Callable[[Union, str, Options, Callable[[], None]], None]
"""Mounts a union and answers until it is unmounted; the last argument is called when it is ready."""


def choose(name: str) -> Serve:
    """The transport of that name. `ConfigError` where it, or with `AUTO` any, cannot be had here."""
    if name in (AUTO, NATIVE) and native.is_possible():
        return native.serve
    if name == NATIVE:
        raise ConfigError(f"no FUSE here: there is no {device.PATH}")
    from unionfs.adapters.fuse import portable

    return partial(portable.serve, portable.library())
