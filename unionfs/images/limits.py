"""How much of an image is believed before it is called hostile."""

from __future__ import annotations

from typing import NamedTuple


class Limits(NamedTuple):
    """Upper bounds, each inclusive. Sizes are bytes.

    The ratio of uncompressed to compressed bytes is looked at only once `ratio_from`
    bytes have come out: small archives of zeros are common and harmless.
    """

    layers: int = 1000
    entries: int = 2_000_000
    metadata: int = 256 << 20  # names, links' targets and extended attributes of a layer: they are in memory
    depth: int = 256
    path: int = 4095  # PATH_MAX without its NUL
    extended_header: int = 1 << 20
    total: int = 256 << 30
    ratio: int = 500
    ratio_from: int = 1 << 30
    document: int = 4 << 20  # a manifest, an index or a configuration: what registries allow
    last_wins: bool = False  # of entries of one path, instead of being an error


DEFAULT_LIMITS = Limits()

_ANY = (1 << 63) - 1
NO_LIMITS = Limits(total=_ANY, ratio=_ANY)
"""Of how much comes out of what has been verified before, by somebody's limits."""
