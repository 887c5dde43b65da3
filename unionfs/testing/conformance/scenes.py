"""The layers that checks are given, and how what a check is given gets there.

All checks share one stack of two lower layers, each in a directory of its own name;
`--prepare` puts it down, and any union file system can be mounted above it.
"""

from __future__ import annotations

import os
from collections.abc import Iterable

from unionfs.testing.conformance.check import Check, Given, Where
from unionfs.testing.stacks import (
    Dir,
    HardLink,
    Item,
    LayerData,
    StackLayer,
    Symlink,
    Whiteout,
    flatten,
    put_in_directory,
    raw,
)

DEPTH = 2
"""How many lower layers there are."""


def prepare(directory: str, checks: Iterable[Check], dialect: str = "overlay") -> list[str]:
    """Put the layers of `checks` down below `directory`, with marks of a `dialect` that `raw` knows.

    Their paths, top-most first.
    """
    paths = [os.path.join(directory, f"lower{depth}") for depth in range(DEPTH)]
    for path in paths:
        os.mkdir(path)
    for check in checks:
        for path, given in zip(paths, _in_layers(check), strict=False):
            if given is not None:
                _put_down(raw(_layer(given), dialect), os.path.join(path, check.directory))
    return paths


def prepare_flat(directory: str, checks: Iterable[Check]) -> None:
    """Put down in `directory` what a union of the layers shows, for a file system without layers."""
    for check in checks:
        layers = [StackLayer(_layer(given)) for given in _in_layers(check) if given is not None]
        if layers:
            _put_down(flatten(tuple(layers)), os.path.join(directory, check.directory))


def _layer(given: Given) -> LayerData:
    return {b"": Dir()} | {os.fsencode(path): item for path, item in given.items()}


def _put_down(items: LayerData, directory: str) -> None:
    """Make the items, all that root owns among them given to whoever runs the suite."""
    os.mkdir(directory)
    put_in_directory({path: _given_away(item) for path, item in items.items()}, os.fsencode(directory))


def _given_away(item: Item) -> Item:
    if isinstance(item, HardLink | Whiteout) or item.meta[1:3] != (0, 0):
        return item
    return item._replace(meta=item.meta._replace(uid=os.geteuid(), gid=os.getegid()))


def _in_layers(check: Check) -> tuple[Given | None, ...]:
    match check.where:
        case Where.LAYERS:
            return check.layers
        case Where.LOWER | Where.COPIED:
            return (None, check.given)
        case Where.MERGED:
            return _split(check.given)
    return ()


def _split(given: Given) -> tuple[Given, Given]:
    """Directories in both layers, the rest by turns; hard links stay with what they are links to."""
    top: dict[str, Item] = {}
    bottom: dict[str, Item] = {}
    for number, (path, item) in enumerate(given.items()):
        if isinstance(item, Dir):
            top[path] = bottom[path] = item
        elif isinstance(item, HardLink):
            (top if os.fsdecode(item.to) in top else bottom)[path] = item
        else:
            (bottom if number % 2 else top)[path] = item
    return top, bottom


def is_prepared(check: Check) -> bool:
    """Whether what the check is given from lower layers is here."""
    return os.path.isdir(check.directory)


def make_fresh(check: Check) -> None:
    """Make the check's directory, with what it is given, through the mount."""
    _put_down(_layer(check.given), check.directory)


def copy_up(check: Check) -> None:
    """Have what the check is given copied up, without changing anything that can be seen."""
    for path, item in check.given.items():
        place = os.path.join(check.directory, path)
        stat = os.lstat(place)
        if not isinstance(item, Symlink):
            os.chmod(place, stat.st_mode & 0o7777)
        else:
            os.lchown(place, stat.st_uid, stat.st_gid)
