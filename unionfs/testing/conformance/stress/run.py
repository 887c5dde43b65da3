"""Runs random operations on a mountpoint from many processes at once."""

from __future__ import annotations

import os
import shutil
import sys
import tempfile
import time
from collections.abc import Callable, Mapping
from typing import Protocol

from unionfs.testing.conformance.expect import FailedError
from unionfs.testing.conformance.stress.crowd import CrowdStress
from unionfs.testing.conformance.stress.data import DataStress
from unionfs.testing.conformance.stress.names import NamesStress


class Stress(Protocol):
    def step(self) -> None: ...
    def finish(self) -> None: ...


_KINDS: Mapping[str, Callable[[str, int], Stress]] = {
    "data": lambda directory, seed: DataStress(os.path.join(directory, "f"), seed),
    "names": NamesStress,
}


def stress(mountpoint: str, seed: int, seconds: float, processes: int) -> list[str]:
    """What failed, a line each; nothing if all went well.

    Every process works in a directory of its own, on data and names by turns, and all of
    them at the same time in one directory that they share.
    """
    place = tempfile.mkdtemp(prefix="stress-", dir=mountpoint)
    shared = os.path.join(place, "shared")
    os.mkdir(shared)
    end = time.monotonic() + seconds
    pids = {}
    for number in range(processes):
        kind = list(_KINDS)[number % len(_KINDS)]
        name = f"{kind} {seed + number}"
        pids[_started(name, place, shared, kind, seed + number, end)] = name
    failed = []
    for pid, name in pids.items():
        _, status = os.waitpid(pid, 0)
        if status:
            failed.append(f"{name}: ended with {os.waitstatus_to_exitcode(status)}")
    if not failed:
        shutil.rmtree(place)
    return failed


def _started(name: str, place: str, shared: str, kind: str, seed: int, end: float) -> int:
    pid = os.fork()
    if pid:
        return pid
    try:
        _work(place, shared, kind, seed, end)
    except (FailedError, OSError) as failure:
        print(f"FAILED stress {name}: {failure}", flush=True)
        os._exit(1)
    except BaseException:  # noqa: BLE001 - the process must end here
        sys.excepthook(*sys.exc_info())
        os._exit(2)
    os._exit(0)


def _work(place: str, shared: str, kind: str, seed: int, end: float) -> None:
    own = os.path.join(place, str(seed))
    os.mkdir(own)
    mine, ours = _KINDS[kind](own, seed), CrowdStress(shared, seed)
    steps = 0
    while time.monotonic() < end:
        mine.step()
        if steps % 4 == 0:
            ours.step()
        steps += 1
    mine.finish()
    ours.finish()
