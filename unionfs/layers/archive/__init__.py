"""A store over an archive that is not unpacked: an index says what is in it, and where."""

from unionfs.layers.archive.index import BrokenIndexError, Index, Node, Stored, encode
from unionfs.layers.archive.store import ArchiveStore, Contents

__all__ = [
    "ArchiveStore",
    "BrokenIndexError",
    "Contents",
    "Index",
    "Node",
    "Stored",
    "encode",
]
