"""A hash of a whole tree: of all that a reader can see of it, and of nothing else."""

from __future__ import annotations

import xxhash

from unionfs.core.node import join
from unionfs.core.store import Store
from unionfs.images.streams import CHUNK
from unionfs.types import Kind


def tree_sum(store: Store) -> bytes:
    """The XXH3-128 of names, attributes, links and data of everything in a store."""
    whole = xxhash.xxh3_128()
    numbers: dict[int, int] = {}
    directories = [b""]
    _add(whole, store, b"", numbers)
    for path in directories:
        for name, kind in sorted(store.scan(path)):
            below = join(path, name)
            if kind is Kind.DIR:
                directories.append(below)
            _add(whole, store, below, numbers)
    return whole.digest()


def _add(whole: xxhash.xxh3_128, store: Store, path: bytes, numbers: dict[int, int]) -> None:
    stat = store.stat(path)
    kind = stat.kind
    is_new = stat.ino not in numbers
    number = numbers.setdefault(stat.ino, len(numbers))  # the same for all names of a file
    size = stat.size if kind is Kind.FILE else 0
    facts = number, stat.mode, stat.uid, stat.gid, stat.rdev, size, stat.mtime_ns
    xattrs = [(name, store.getxattr(path, name)) for name in sorted(store.listxattr(path))]
    target = store.readlink(path) if kind is Kind.SYMLINK else b""
    whole.update(repr((path, facts, xattrs, target)).encode())
    if kind is Kind.FILE and is_new:
        _add_data(whole, store, path)


def _add_data(whole: xxhash.xxh3_128, store: Store, path: bytes) -> None:
    file = store.open(path)
    try:
        offset = 0
        while data := file.pread(CHUNK, offset):
            whole.update(data)
            offset += len(data)
    finally:
        file.close()
