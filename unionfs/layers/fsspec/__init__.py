"""A store over any file system that fsspec knows: object stores, HTTP servers, archives, memory.

entries.py   what fsspec says of a file -> its kind, attributes and version; pure
failures.py  whatever a file system raises -> `OSError`
store.py     the store
"""

from unionfs.layers.fsspec.store import FsspecStore, check_url

__all__ = ["FsspecStore", "check_url"]
