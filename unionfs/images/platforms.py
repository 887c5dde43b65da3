"""Platforms: which image of an index is for which machine."""

from __future__ import annotations

import os
from collections.abc import Sequence

from unionfs.errors import ImageNotFoundError
from unionfs.images.documents import Descriptor, Platform, listed

_ARCHITECTURES = {
    "x86_64": ("amd64", ""),
    "aarch64": ("arm64", ""),
    "armv7l": ("arm", "v7"),
    "armv6l": ("arm", "v6"),
    "i686": ("386", ""),
    "i386": ("386", ""),
    "loongarch64": ("loong64", ""),
}

# What a platform without a variant is (containerd/platforms, normalization).
_USUAL_VARIANTS = {"arm": "v7", "arm64": "v8"}
_ARM_VARIANTS = ("v8", "v7", "v6", "v5")
"""The newest first: each can run what was built for those after it."""


def host_platform() -> Platform:
    machine = os.uname().machine
    architecture, variant = _ARCHITECTURES.get(machine, (machine, ""))
    return Platform("linux", architecture, variant)


def parse_platform(text: str) -> Platform:
    """``OS/ARCH[/VARIANT]``. Raises `ImageNotFoundError` for anything else."""
    parts = text.split("/")
    if not 2 <= len(parts) <= 3 or not all(parts):
        raise ImageNotFoundError(f"{text!r}: a platform is named as OS/ARCH[/VARIANT]")
    return Platform(*parts)


def choose(what: str, choices: Sequence[Descriptor], wanted: Platform | None) -> Descriptor:
    """The one for the platform that is wanted; the host's, or the only one that there is, where None is."""
    platform = wanted or host_platform()
    for variant in _variants(platform):
        for choice in choices:
            if _is(choice.platform, platform, variant):
                return choice
    if wanted is None and len(choices) == 1:
        return choices[0]
    names = listed(sorted({str(choice.platform or "of no platform") for choice in choices}))
    raise ImageNotFoundError(f"{what}: nothing for {platform}; there is: {names}")


def runs_on(offered: Platform, wanted: Platform) -> bool:
    """Whether what was built for one platform is meant for another."""
    return any(_is(offered, wanted, variant) for variant in _variants(wanted))


def _is(offered: Platform | None, wanted: Platform, variant: str) -> bool:
    return offered is not None and offered[:2] == wanted[:2] and _variant(offered) == variant


def _variant(of: Platform) -> str:
    return of.variant or _USUAL_VARIANTS.get(of.architecture, "")


def _variants(wanted: Platform) -> Sequence[str]:
    """The variants that will do, the best first."""
    variant = _variant(wanted)
    if wanted.architecture == "arm" and variant in _ARM_VARIANTS:
        return _ARM_VARIANTS[_ARM_VARIANTS.index(variant) :]
    return (variant,)
