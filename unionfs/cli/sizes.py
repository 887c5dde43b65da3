"""Sizes and digests for people."""

from __future__ import annotations

_UNITS = ("B", "kB", "MB", "GB", "TB")

SHORT = 19
"""Characters of a digest that tell it from others; of ``sha256:`` and so on those that podman shows."""


def shown_size(size: float) -> str:
    """Three figures and a unit, decimal as podman's and docker's."""
    for unit in _UNITS[:-1]:
        if size < 999.5:
            return f"{size:.3g} {unit}"
        size /= 1000
    return f"{size:.3g} {_UNITS[-1]}"


def shown_size_if_known(size: int | None) -> str:
    return "-" if size is None else shown_size(size)
