"""What the first change of a lower file costs, by the file's size, and what others feel of it."""

from __future__ import annotations

import os
import statistics
import subprocess
import time
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from unionfs.bench.peers import is_mounting, is_plain
from unionfs.bench.trees import Tree, fill_file
from unionfs.bench.units import MIB, Axis, Point, Unit
from unionfs.bench.workload import Figure, Scene, Use, Workload, seconds
from unionfs.errors import ConfigError

FIRST_WRITE = Figure("first write: open, one byte in the middle, close")
COMPLETE = Figure("first write and fsync: the copy is whole and on the disk")
THROUGHPUT = Figure("the same as throughput", unit=Unit.MIB_PER_SECOND)
CP = Figure("cp of the file to a new one, and fsync, as throughput", unit=Unit.MIB_PER_SECOND)
CHMOD = Figure("chmod")
UNLINK = Figure("unlink")
IDLE_P50 = Figure("another's stat + read, nothing else going on, median")
IDLE_P99 = Figure("another's stat + read, nothing else going on, 99th percentile")
BUSY_P50 = Figure("another's stat + read during a copy-up, median")
BUSY_P99 = Figure("another's stat + read during a copy-up, 99th percentile")

_OTHERS = 8_000
_OTHERS_SIZE = 4096
_OTHERS_PLACE = "others"

_INTERVAL = 0.001
"""Seconds from one caller's question to the next one's."""
_IDLE_QUESTIONS = 500
_AT_LEAST = 0.2
"""Seconds that are watched from a first write on, also where its copy is complete before."""


@dataclass(frozen=True)
class SizedFiles(Tree):
    """A file of each size, named after it, and a directory of small files that others may read."""

    sizes: tuple[int, ...]

    @property
    def layers(self) -> int:
        return 1

    def fill(self, directory: Path, layers: Sequence[int]) -> None:
        for size in self.sizes:
            fill_file(directory / str(size), size)
        (directory / _OTHERS_PLACE).mkdir()
        for number in range(_OTHERS):
            fill_file(directory / _OTHERS_PLACE / str(number), _OTHERS_SIZE)

    def __str__(self) -> str:
        return f"{len(self.sizes)} files of different sizes"


def workloads(sizes: Iterable[int]) -> list[Workload[SizedFiles]]:
    """Everything for each of `sizes`, in bytes, the smallest first."""
    tree = SizedFiles(tuple(sorted({*sizes})))
    return [
        Workload(name, body, tree, figures, use, size, Point(Axis.BYTES, size), of)
        for size in tree.sizes
        for name, body, figures, use, of in (
            ("write", _write, (FIRST_WRITE, COMPLETE, THROUGHPUT), Use.CHANGING, is_mounting),
            ("cp", _cp, (CP,), Use.READ_ONLY, is_plain),
            ("chmod", _chmod, (CHMOD,), Use.CHANGING, is_mounting),
            ("unlink", _unlink, (UNLINK,), Use.CHANGING, is_mounting),
            ("read", _read_beside, (IDLE_P50, IDLE_P99, BUSY_P50, BUSY_P99), Use.CHANGING, is_mounting),
        )
    ]


def require_room(directory: Path, sizes: Iterable[int]) -> None:
    """`ConfigError` if the files of `sizes`, and one more of the largest, have no room in `directory`."""
    sizes = {*sizes}
    needed = sum(sizes) + max(sizes) + _OTHERS * _OTHERS_SIZE
    status = os.statvfs(directory)
    free = status.f_bavail * status.f_frsize
    if free < needed:
        raise ConfigError(f"{directory}: {needed >> 20:,} MiB are needed there, {free >> 20:,} MiB are free")


def _write(scene: Scene[SizedFiles]) -> Iterator[float]:
    path = _looked_up(scene)
    first = seconds(_write_a_byte, path, scene.amount // 2)
    whole = first + seconds(_sync, path)
    yield from (first, whole, scene.amount / MIB / whole)
    os.unlink(path)


def _cp(scene: Scene[SizedFiles]) -> Iterator[float]:
    path, copy = _looked_up(scene), f"{scene.root}.copy"
    whole = seconds(_copy, path, copy) + seconds(_sync, copy)
    yield scene.amount / MIB / whole
    os.unlink(copy)


def _chmod(scene: Scene[SizedFiles]) -> Iterator[float]:
    path = _looked_up(scene)
    yield seconds(os.chmod, path, 0o600)
    os.unlink(path)


def _unlink(scene: Scene[SizedFiles]) -> Iterator[float]:
    yield seconds(os.unlink, _looked_up(scene))


def _read_beside(scene: Scene[SizedFiles]) -> Iterator[float]:
    """Of files that nobody has asked for before, so that what answers is not the kernel's cache alone.

    The copy is made by a thread, which holds no lock of Python's while it is in the kernel.
    """
    path = _looked_up(scene)
    others = (f"{scene.root}/{_OTHERS_PLACE}/{number}" for number in range(_OTHERS))
    _ask(next(others))  # also for their directory
    idle = [_ask(next(others)) for _ in range(_IDLE_QUESTIONS)]
    with ThreadPoolExecutor(1) as writer:
        whole_copy = writer.submit(_write_and_sync, path, scene.amount // 2)
        busy = list(_asked_during(whole_copy, others))
        whole_copy.result()
    for latencies in (idle, busy):
        yield from _median_and_99th(_as_felt(latencies))
    os.unlink(path)


def _asked_during(work: Future[None], paths: Iterable[str]) -> Iterator[float]:
    end = time.monotonic() + _AT_LEAST
    for path in paths:
        if work.done() and time.monotonic() > end:
            return
        yield _ask(path)


def _ask(path: str) -> float:
    time.sleep(_INTERVAL)
    return seconds(_stat_and_read, path)


def _stat_and_read(path: str) -> None:
    os.stat(path)
    descriptor = os.open(path, os.O_RDONLY)
    os.read(descriptor, _OTHERS_SIZE)
    os.close(descriptor)


def _as_felt(latencies: Iterable[float]) -> Iterator[float]:
    """The latencies of callers who ask at every interval, whether or not the one before has its answer.

    A single caller asks once in a second that nothing is answered in, and would so count the
    worst there is as one question in thousands.
    """
    for latency in latencies:
        left = latency
        while left > 0:
            yield left
            left -= _INTERVAL


def _median_and_99th(latencies: Iterable[float]) -> tuple[float, float]:
    cuts = statistics.quantiles(latencies, n=100, method="inclusive")
    return cuts[49], cuts[98]


def _looked_up(scene: Scene[SizedFiles]) -> str:
    path = os.path.join(scene.root, str(scene.amount))
    os.stat(path)  # looking it up is not what is measured
    return path


def _write_a_byte(path: str, offset: int) -> None:
    descriptor = os.open(path, os.O_RDWR)
    os.pwrite(descriptor, b"!", offset)
    os.close(descriptor)


def _copy(path: str, target: str) -> None:
    subprocess.run(["cp", path, target], check=True)


def _sync(path: str) -> None:
    descriptor = os.open(path, os.O_RDWR)
    os.fsync(descriptor)
    os.close(descriptor)


def _write_and_sync(path: str, offset: int) -> None:
    _write_a_byte(path, offset)
    _sync(path)
