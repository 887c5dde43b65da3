"""`UnionUPath`: a path of `unionfs.fsspec.UnionFileSystem`, ``UPath("unionfs:///etc", lowers=[…])``.

universal_pathlib loads it by the entry point in ``universal_pathlib.implementations``.
"""

from __future__ import annotations

from upath import UPath


class UnionUPath(UPath):
    """Paths in a union; what names the layers are those arguments that `UnionFileSystem` has."""

    __slots__ = ()
