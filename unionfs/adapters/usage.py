"""How much room a directory takes."""

from __future__ import annotations

import os


def used(directory: str) -> int | None:
    """The bytes that its files take on the disk, each counted once, as du(1) does.

    None where not all of them can be seen. What comes and goes meanwhile is counted or not.
    """
    sizes: dict[tuple[int, int], int] = {}
    try:
        for path, _, names in os.walk(directory, onerror=_raise):
            for name in names:
                try:
                    stat = os.lstat(os.path.join(path, name))
                except FileNotFoundError:
                    continue
                sizes[stat.st_dev, stat.st_ino] = stat.st_blocks * 512
    except OSError:
        return None
    return sum(sizes.values())


def _raise(failure: OSError) -> None:
    if not isinstance(failure, FileNotFoundError):
        raise failure
