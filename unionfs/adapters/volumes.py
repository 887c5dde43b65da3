"""Volumes: directories and files of this host that show at a path of a union, outside its layers.

What one is, for a mount (`adapters.fuse.volumes`) and for a union in memory
(`adapters.memory.volumes`) alike.
"""

from __future__ import annotations

import os
from typing import NamedTuple

from unionfs.errors import ConfigError

_MODES = {"rw": False, "ro": True}

PLACE_MODE = 0o755
"""Of a directory that is made to show one in, or on the way there."""
FILE_PLACE_MODE = 0o644


class Volume(NamedTuple):
    """`host` is an absolute path of this host; `path` one in the union, without a leading slash."""

    host: str
    path: str
    read_only: bool = False

    def __str__(self) -> str:
        return f"{self.host}:/{self.path}{':ro' if self.read_only else ''}"


def parse_volume(text: str) -> Volume:
    """``HOST:PATH[:ro|rw]``, as podman-run(1) has it. `ConfigError` for anything else."""
    host, _, rest = text.partition(":")
    path, colon, mode = rest.partition(":")
    names = path.strip("/").split("/")
    if not host or not path.startswith("/") or (colon and mode not in _MODES):
        raise ConfigError(f"volume {text}: not HOST:PATH[:ro|rw] with an absolute PATH")
    if any(name in ("", ".", "..") for name in names):
        raise ConfigError(f"volume {text}: the path in the union is '/', or has '.', '..' or '//' in it")
    if not os.path.exists(host):
        raise ConfigError(f"volume {text}: {host} does not exist")
    return Volume(os.path.realpath(host), "/".join(names), _MODES[mode or "rw"])


def refusal(volume: Volume, failure: OSError) -> ConfigError:
    """That a volume cannot be shown where it shall be."""
    return ConfigError(f"volume {volume.host}:/{volume.path}: {failure.strerror}")
