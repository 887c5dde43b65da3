"""Large files: reading, writing, and what is done to one in a lower layer."""

from __future__ import annotations

import os
from collections.abc import Iterator

from benchmarks.trees import Grid, OneFile
from benchmarks.workload import workload
from unionfs.bench.peers import OVERLAYFS
from unionfs.bench.units import MIB
from unionfs.bench.workload import Figure, Goal, Scene, Use, seconds

_LARGE = OneFile(512 * MIB)
_FEW_FILES = Grid(200, size=1024)


@workload(
    "read",
    _LARGE,
    Figure("sequential read of {tree} from a lower, first time", Goal(1.5, OVERLAYFS), Goal(1.05, OVERLAYFS)),
    use=Use.READING,
)
def read(scene: Scene[OneFile]) -> Iterator[float]:
    yield seconds(_read, scene)


@workload(
    "read-ro",
    _LARGE,
    Figure(
        "sequential read of {tree}, read-only union, first time", Goal(1.1, OVERLAYFS), Goal(1.0, OVERLAYFS)
    ),
    use=Use.READ_ONLY,
)
def read_read_only(scene: Scene[OneFile]) -> Iterator[float]:
    yield seconds(_read, scene)


@workload(
    "write-1m",
    _FEW_FILES,
    Figure(
        "sequential write of {mib} MiB by 1 MiB to a new file", Goal(1.1, OVERLAYFS), Goal(1.0, OVERLAYFS)
    ),
    use=Use.CHANGING,
    amount=512 * MIB,
)
def write_by_mebibyte(scene: Scene[Grid]) -> Iterator[float]:
    yield from _writing(scene, MIB)


@workload(
    "write-4k",
    _FEW_FILES,
    Figure(
        "sequential write of {mib} MiB by 4 KiB to a new file", Goal(2.0, OVERLAYFS), Goal(1.1, OVERLAYFS)
    ),
    use=Use.CHANGING,
    amount=64 * MIB,
)
def write_by_page(scene: Scene[Grid]) -> Iterator[float]:
    yield from _writing(scene, 4096)


@workload(
    "write-1-byte",
    _LARGE,
    Figure("open, 1-byte write, close of a lower file of {tree}", Goal(0.01, OVERLAYFS)),
    Figure("the same and fsync, of {tree}", Goal(1.3, OVERLAYFS)),
    use=Use.CHANGING,
)
def write_one_byte(scene: Scene[OneFile]) -> Iterator[float]:
    path = _path(scene)
    first = seconds(_write_one_byte, path)
    yield first
    yield first + seconds(_sync, path)
    os.unlink(path)


@workload("chmod", _LARGE, Figure("chmod of a lower file of {tree}"), use=Use.CHANGING)
def chmod(scene: Scene[OneFile]) -> Iterator[float]:
    path = _path(scene)
    yield seconds(os.chmod, path, 0o600)
    os.unlink(path)


@workload("unlink", _LARGE, Figure("unlink of a lower file of {tree}"), use=Use.CHANGING)
def unlink(scene: Scene[OneFile]) -> Iterator[float]:
    yield seconds(os.unlink, _path(scene))


def _path(scene: Scene[OneFile]) -> str:
    path = os.path.join(scene.root, scene.tree.name)
    os.stat(path)  # looking it up is not what is measured
    return path


def _read(scene: Scene[OneFile]) -> None:
    buffer = bytearray(MIB)
    total = 0
    with open(os.path.join(scene.root, scene.tree.name), "rb", buffering=0) as file:
        while size := file.readinto(buffer):
            total += size
    assert total == scene.tree.size


def _writing(scene: Scene[Grid], block: int) -> Iterator[float]:
    path = os.path.join(scene.root, "new")
    yield seconds(_write, path, bytes(block), scene.amount // block)
    os.unlink(path)


def _write(path: str, block: bytes, count: int) -> None:
    with open(path, "xb", buffering=0) as file:
        for _ in range(count):
            file.write(block)


def _write_one_byte(path: str) -> None:
    with open(path, "r+b", buffering=0) as file:
        file.write(b"!")


def _sync(path: str) -> None:
    with open(path, "r+b", buffering=0) as file:
        os.fsync(file)
