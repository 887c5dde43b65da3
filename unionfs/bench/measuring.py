"""One measurement: a workload's body once, on a fresh mount, in a process of its own."""

from __future__ import annotations

import multiprocessing
import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from multiprocessing.connection import Connection
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from unionfs.bench.mounting import mounted
from unionfs.bench.peers import Mounting, Peer, Stack
from unionfs.bench.trees import Forest, Tree, layer_names
from unionfs.bench.workload import Scene, Use, Workload

LIMIT = 300
"""Seconds that a body may take."""


class MeasuringError(Exception):
    """A body did not come to its end; the text says why."""


def measure(workload: Workload[Any], peer: Peer, forest: Forest, scratch: Path) -> list[float]:
    """The values of the workload's figures. `MountError` or `MeasuringError` if it fails."""
    forest.settle()
    with _staged(workload, peer, forest, scratch) as scene:
        return _apart(lambda: list(workload.body(scene)))


@contextmanager
def _staged(workload: Workload[Any], peer: Peer, forest: Forest, scratch: Path) -> Iterator[Scene[Any]]:
    tree = workload.tree
    with TemporaryDirectory(dir=scratch) as name:
        place = Path(name)
        if isinstance(peer, Mounting):
            stack = _stack(tree, workload.use, forest, place)
            with mounted(peer, stack) as mount:
                yield Scene(str(stack.mountpoint), tree, workload.amount, *mount)
        elif workload.use is Use.CHANGING:
            forest.copy(tree, place / "copy")
            yield Scene(str(place / "copy"), tree, workload.amount, 0, ())
        else:
            yield Scene(str(forest.flattened(tree)), tree, workload.amount, 0, ())


def _stack(tree: Tree, use: Use, forest: Forest, place: Path) -> Stack:
    upper, work, mountpoint = (place / name for name in ("upper", "work", "mnt"))
    for directory in (upper, work, mountpoint):
        directory.mkdir()
    read_only = use is Use.READ_ONLY
    return Stack(
        directory=forest.layers(tree),
        lowers=layer_names(tree),
        upper=None if read_only else upper,
        work=None if read_only else work,
        mountpoint=mountpoint,
    )


def _apart(work: Callable[[], list[float]]) -> list[float]:
    """In a process that can be killed where it hangs, and whose open files end with it."""
    context = multiprocessing.get_context("fork")
    receiver, sender = context.Pipe(duplex=False)
    process = context.Process(target=_report, args=(sender, work), daemon=True)
    process.start()
    sender.close()
    try:
        answer = receiver.recv() if receiver.poll(LIMIT) else f"not done after {LIMIT} s"
    except EOFError:
        answer = "the client died"
    finally:
        receiver.close()
        process.kill()
        process.join(1)  # it cannot end before a daemon that does not answer it
    if isinstance(answer, str):
        raise MeasuringError(answer)
    return list(answer)


def _report(sender: Connection, work: Callable[[], list[float]]) -> None:
    for number in (signal.SIGINT, signal.SIGTERM):  # also sent to the process that cleans up
        signal.signal(number, signal.SIG_DFL)
    try:
        sender.send(work())
    except Exception as failure:  # noqa: BLE001 - it is told to the process that measures
        sender.send(f"{type(failure).__name__}: {failure}")
