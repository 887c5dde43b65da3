"""From layers as a caller names them to an open `Union`."""

from __future__ import annotations

import os
from collections.abc import Sequence
from contextlib import AbstractContextManager, closing
from typing import TYPE_CHECKING

from unionfs.adapters.memory.names import AnyPath
from unionfs.core.layer import Layer, UpperLayer
from unionfs.core.store import Store
from unionfs.core.union import Union
from unionfs.dialects import detect
from unionfs.dialects.overlay import OverlayDialect
from unionfs.errors import ConfigError
from unionfs.layers.memory import MemoryStore
from unionfs.layers.urls import is_url

if TYPE_CHECKING:
    from unionfs.layers.fsspec.store import UrlOptions

# What concerns directories of this host is imported where one is given: it brings ctypes and
# takes as long to load as all the rest.

LayerLike = AnyPath | Store | Layer
UpperLike = AnyPath | MemoryStore | UpperLayer


def opened(
    lowers: Sequence[LayerLike],
    upper: UpperLike | None,
    work: AnyPath | None,
    read_only: bool,
    dialect: str | None = None,
    url_options: UrlOptions | None = None,
) -> AbstractContextManager[Union]:
    """The union that `UnionFS` describes. Raises `ConfigError` for arguments that contradict each other."""
    if read_only and upper is not None:
        raise ConfigError("a read-only union has no upper layer")
    if work is not None and not isinstance(upper, (str, bytes, os.PathLike)):
        raise ConfigError("only an upper directory has a work directory")
    layers = [_lower(lower, dialect, url_options) for lower in lowers]
    if isinstance(upper, (str, bytes, os.PathLike)):
        return _over_directory(layers, _directories(lowers), upper, work)
    return closing(Union(layers) if read_only else _over_memory(layers, upper))


def _over_directory(
    layers: Sequence[Layer], directories: Sequence[str], upper: AnyPath, work: AnyPath | None
) -> AbstractContextManager[Union]:
    """`directories` are those of the lower layers that must lie apart from the upper one."""
    from unionfs.adapters import stack
    from unionfs.adapters.options import Options

    writable = Options(upper=os.fsdecode(upper), work=None if work is None else os.fsdecode(work))
    stack.check(writable._replace(lowers=tuple(directories)), image=layers)
    return stack.opened(writable, layers)


def _directories(lowers: Sequence[LayerLike]) -> list[str]:
    names = [os.fsdecode(lower) for lower in lowers if isinstance(lower, (str, bytes, os.PathLike))]
    return [name for name in names if not is_url(name)]


def _lower(given: LayerLike, dialect: str | None, url_options: UrlOptions | None) -> Layer:
    if isinstance(given, Layer):
        return given
    if isinstance(given, (str, bytes, os.PathLike)):
        from unionfs.adapters import stack
        from unionfs.adapters.options import Options

        named = Options(lowers=(os.fsdecode(given),), dialect=dialect)
        (layer,) = stack.lower_layers(named, url_options)
        return layer
    return Layer(given, detect(given, OverlayDialect()))


def _over_memory(lowers: Sequence[Layer], upper: MemoryStore | UpperLayer | None) -> Union:
    """Changes go to `upper`; where it is None, to a new store with the root of the lowers."""
    if isinstance(upper, UpperLayer):
        return Union(lowers, upper)
    store = MemoryStore("changes") if upper is None else upper
    union = Union(lowers, UpperLayer(store, OverlayDialect(), MemoryStore("work", beside=store)))
    if upper is None:
        union.adopt_root()
    return union
