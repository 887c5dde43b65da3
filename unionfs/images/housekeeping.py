"""Looking after the local store: what is in it, whether it is whole, and what nobody needs."""

from __future__ import annotations

import hashlib
import os
import time
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from unionfs.images import kept, tally
from unionfs.images.digest import Digest
from unionfs.images.progress import Progress, silent
from unionfs.images.store import LayerStore, remove
from unionfs.images.treesum import tree_sum
from unionfs.layers.archive import BrokenIndexError, Index
from unionfs.layers.host import HostStore
from unionfs.layers.host.lease import Ended

_KINDS = ("layers", "sums", "index", "known", "points", "plain", "files", "blobs")
_ABANDONED = 3600
"""Seconds after which what is not whole yet will never be."""


class Item(NamedTuple):
    """Something that the store keeps. `size` is in bytes, `used` in seconds since the epoch."""

    kind: str
    digest: Digest
    path: Path
    size: int
    used: float
    in_use: bool


def items(store: LayerStore) -> Iterator[Item]:
    """Everything that is whole, by kind and digest."""
    for kind in _KINDS:
        for path in sorted(store.root.glob(f"{kind}/*/*")):
            if not path.name.startswith("."):
                yield _item(store, kind, path)


def _item(store: LayerStore, kind: str, path: Path) -> Item:
    digest = Digest(path.parent.name, path.name)
    lock = store.lock(digest)
    with Ended(lock) as is_free:
        return Item(kind, digest, path, _size(path), _used(lock, path), in_use=not is_free)


def _used(lock: Path, path: Path) -> float:
    """When somebody last took a lease."""
    return max(lock.stat().st_mtime, path.lstat().st_ctime)


def _size(path: Path) -> int:
    if not path.is_dir():
        return path.stat().st_size
    return sum(os.lstat(name).st_size for name in _files(path) if os.path.lexists(name))


def _files(directory: Path) -> Iterator[str]:
    """Everything below that is no directory; some of it may be gone meanwhile."""
    for place, _, names in os.walk(directory):
        yield from (os.path.join(place, name) for name in names)


def verify(store: LayerStore, progress: Progress = silent) -> Iterator[tuple[Item, str]]:
    """Everything that is not as it was written, and in what way. Reads all of the store."""
    found = list(items(store))
    total = sum(item.size for item in found)
    done = 0
    for item in found:
        progress(f"{item.kind} {item.digest.hex}", done, total)
        done += item.size
        for problem in _CHECKS[item.kind](store, item):
            yield item, problem


def _check_layer(store: LayerStore, item: Item) -> Iterator[str]:
    content = kept.read(store.path("sums", item.digest))
    if content is None:
        yield "nothing is known of what it was"
        return
    found = tally.found_in(content)
    tree = HostStore(item.path)
    try:
        if tree_sum(tree) != (found[1] if found else content):
            yield "something in it has changed"
    finally:
        tree.close()


def _check_kept(_store: LayerStore, item: Item) -> Iterator[str]:
    if kept.read(item.path) is None:
        yield "damaged"


def _check_index(_store: LayerStore, item: Item) -> Iterator[str]:
    content = kept.read(item.path)
    found = tally.found_in(content) if content is not None else None
    try:
        if content is None:
            yield "damaged"
        elif found is None:
            yield "not an index of this version"
        else:
            Index(found[1])
    except BrokenIndexError as broken:
        yield str(broken)


def _check_digest(_store: LayerStore, item: Item) -> Iterator[str]:
    with open(item.path, "rb") as file:
        found = hashlib.file_digest(file, item.digest.algorithm).hexdigest()
    if found != item.digest.hex:
        yield f"its digest is {item.digest.algorithm}:{found}"


def _check_files(_store: LayerStore, item: Item) -> Iterator[str]:
    for path in item.path.iterdir():
        if path.name.startswith("."):
            continue
        with open(path, "rb") as file:
            if kept.digest(file.fileno()).hex() != path.name:
                yield f"{path.name} is damaged"


_CHECKS = {
    "layers": _check_layer,
    "sums": _check_kept,
    "index": _check_index,
    "known": _check_kept,
    "points": _check_kept,
    "plain": _check_digest,
    "files": _check_files,
    "blobs": _check_digest,
}


def repair(item: Item) -> None:
    """Remove what is damaged; it is made anew when it is next needed."""
    remove(item.path)


def prune(store: LayerStore, unused_for: float = 0) -> Iterator[Item]:
    """Remove what no mount uses, or has used for so many seconds; and what crashes have left."""
    now = time.time()
    _remove_abandoned(store, now)
    for item in items(store):
        if now - item.used < unused_for:
            continue
        with Ended(store.lock(item.digest)) as is_free:
            if is_free:
                remove(item.path)
                yield item


def _remove_abandoned(store: LayerStore, now: float) -> None:
    for kind in _KINDS:
        for path in [*store.root.glob(f"{kind}/*/.*"), *store.root.glob(f"files/*/*/{kept.ASIDE}*")]:
            try:
                if now - path.lstat().st_ctime > _ABANDONED:
                    remove(path)
            except FileNotFoundError:  # it was not abandoned
                pass
