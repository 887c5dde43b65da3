"""What a name is: a stack of layers' listings becomes one directory.

Pure: listings in, a merged directory out. The rules are overlayfs's
(Documentation/filesystems/overlayfs.rst, "Upper and Lower", "whiteouts and opaque
directories"): the top-most layer that has a name decides what it is; directories
merge downwards until a whiteout, an opaque directory or something that is no
directory ends them.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from unionfs.core.dialect import Listing
from unionfs.core.node import UPPER, Found
from unionfs.types import Kind


class Merged(NamedTuple):
    """A merged directory: what is shown, what the upper layer hides of the lowers, and its whiteouts."""

    shown: dict[bytes, Found]
    hidden: set[bytes]
    whiteouts: set[bytes]


def merge(upper: Listing | None, lowers: Sequence[Listing]) -> Merged:
    """The directory that the upper layer's listing (if it has one) and the lowers' (top-most first) make."""
    shown = merge_lowers(lowers)
    if upper is None:
        return Merged(shown, set(), set())
    whiteouts = set(upper.whiteouts)
    hidden = {name for name in whiteouts if shown.pop(name, None)}
    for name, kind in upper.entries.items():
        beneath = shown.get(name)
        if beneath and kind is beneath.kind is Kind.DIR:
            shown[name] = Found(kind, (UPPER, *beneath.where))
            continue
        if beneath:
            hidden.add(name)
        shown[name] = Found(kind, (UPPER,))
    return Merged(shown, hidden, whiteouts)


def merge_lowers(listings: Sequence[Listing]) -> dict[bytes, Found]:
    shown: dict[bytes, Found] = {}
    ended: set[bytes] = set()
    for position, listing in enumerate(listings):
        alone = {kind: Found(kind, (position,)) for kind in Kind}
        for name, kind in listing.entries.items():
            if name in ended:
                continue
            above = shown.get(name)
            if above is None:
                shown[name] = alone[kind]
            elif kind is Kind.DIR:
                shown[name] = Found(kind, (*above.where, position))
            if kind is not Kind.DIR:
                ended.add(name)
        ended |= listing.whiteouts
    return shown
