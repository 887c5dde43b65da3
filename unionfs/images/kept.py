"""Files of our own that are kept: written aside, given their name when whole, read back only as written.

Each begins with the XXH3-128 of what follows. That is against accidents (a disk, a
power cut between two writes), not against enemies: nobody else can write where they are.
"""

from __future__ import annotations

import mmap
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO

import xxhash

_DIGEST_SIZE = 16
_CHUNK = 1 << 20
ASIDE = ".new-"
"""How the names of files begin that are not whole yet, or that a crash left so."""


@contextmanager
def aside(path: Path) -> Iterator[IO[bytes]]:
    """A new file that gets the name `path` when the block is left without an error, and else goes away.

    Whoever opens `path` meanwhile finds what was there before, or nothing.
    """
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    name = path.with_name(ASIDE + os.urandom(8).hex())
    with open(name, "xb", opener=_open_for_us) as file:
        try:
            yield file
            file.flush()
            os.rename(name, path)
        except BaseException:
            os.unlink(name)
            raise


def _open_for_us(path: str, flags: int) -> int:
    return os.open(path, flags, 0o600)


def write(path: Path, content: bytes) -> None:
    with aside(path) as file:
        file.write(xxhash.xxh3_128_digest(content))
        file.write(content)


def read(path: Path) -> memoryview | None:
    """The content of a kept file, mapped into memory; None where there is none, or a damaged one."""
    try:
        with open(path, "rb") as file:
            data = memoryview(mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ))
    except (FileNotFoundError, ValueError):  # ValueError: an empty file cannot be mapped
        return None
    content = data[_DIGEST_SIZE:]
    return content if xxhash.xxh3_128_digest(content) == data[:_DIGEST_SIZE] else None


def digest(fd: int) -> bytes:
    """The XXH3-128 of a whole open file."""
    hashed = xxhash.xxh3_128()
    offset = 0
    while data := os.pread(fd, _CHUNK, offset):
        hashed.update(data)
        offset += len(data)
    return hashed.digest()
