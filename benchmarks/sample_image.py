"""An image as large as a small distribution's: the same one each time."""

from __future__ import annotations

import math
import random
from collections.abc import Iterator
from functools import partial
from pathlib import Path

from unionfs.images import open_image
from unionfs.images.commit import add_layer
from unionfs.images.entry import Entry
from unionfs.images.layer_writer import write_entries
from unionfs.types import Kind

FILES = 6_600
BYTES = 270_000_000
LAYERS = 3

_PER_DIRECTORY = 60
_MTIME = 1_700_000_000 * 10**9
_SIGMA = 1.7  # as in Debian's images: the median is a quarter of the mean
_WORD = b"the quick brown fox jumps over the lazy dog, %d times\n"


def make(directory: Path, files: int = FILES, size: int = BYTES) -> str:
    """An OCI layout in `directory`; the reference of the image in it."""
    reference: str | None = None
    for layer in range(LAYERS):
        entries = partial(write_entries, _entries(layer, files, size))
        base = open_image(reference) if reference else None
        reference = f"oci:{directory}:{layer}"
        add_layer(base, entries, reference, created_by="benchmarks")
        if base is not None:
            base.close()
    assert reference is not None
    return reference


def paths(files: int = FILES) -> list[str]:
    """Of all files, those of the lowest layer first."""
    return [_path(number) for layer in range(LAYERS) for number in range(layer, files, LAYERS)]


def _path(number: int) -> str:
    return f"usr/lib/d{number // _PER_DIRECTORY:03}/f{number:05}"


def _entries(layer: int, files: int, size: int) -> Iterator[tuple[Entry, bytes]]:
    chance = random.Random(layer)
    for name in ("usr", "usr/lib", *(f"usr/lib/d{each:03}" for each in range(-(-files // _PER_DIRECTORY)))):
        yield Entry(name.encode(), Kind.DIR, 0o755, mtime_ns=_MTIME), b""
    for number in range(layer, files, LAYERS):
        # Many small files and few large ones; half text and half what cannot be compressed.
        half = int(chance.lognormvariate(math.log(size / files / 2) - _SIGMA**2 / 2, _SIGMA))
        text = _WORD % number * (half // len(_WORD) + 1)
        content = text[:half] + chance.randbytes(half)
        yield Entry(_path(number).encode(), Kind.FILE, size=len(content), mtime_ns=_MTIME), content
