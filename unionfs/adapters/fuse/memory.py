"""Giving memory back to the system once the kernel has let go of most of what it knew."""

from __future__ import annotations

import ctypes
import gc

from unionfs.layers.host.directories import directories


def give_back() -> None:
    """Free what is kept only to be fast; takes some milliseconds.

    It is little, but spread over all that has been in use: one small object in a
    megabyte keeps that megabyte. So do the interpreter's lists of spare objects,
    which only a full collection empties.
    """
    directories.clear()
    gc.collect()
    trim = getattr(ctypes.CDLL(None), "malloc_trim", None)  # glibc has it, musl has not
    if trim is not None:
        trim(0)


def collect_seldom() -> None:
    """Look for garbage in cycles a hundred times less often than usual.

    A walk makes objects by the hundred thousand that all stay, and looking through them again
    and again took a tenth of its time. What is forgotten leaves no cycles (`Nodes.forget`).
    """
    gc.freeze()
    gc.set_threshold(100_000, 20, 20)
