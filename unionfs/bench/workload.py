"""What is measured: a body that runs against a mount and yields each of its figures."""

from __future__ import annotations

import enum
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Generic, NamedTuple, TypeVar

from unionfs.bench.peers import Peer
from unionfs.bench.trees import Tree
from unionfs.bench.units import MIB, Point, Unit

T = TypeVar("T", bound=Tree)


class Use(enum.Enum):
    """What a body does with the union that it is given, which is a fresh mount every time."""

    READ_ONLY = "read-only union"
    READING = "writable union, only read"
    CHANGING = "writable union, changed"


class Goal(NamedTuple):
    """What this project's figure should be at most."""

    at_most: float
    peer: str | None
    """Times this peer's figure; None: in the figure's own unit."""


class Figure(NamedTuple):
    """One row of the results: one of the numbers that a body yields.

    The title may have fields of the workload in it: ``{tree}``, ``{amount}``, ``{mib}``.
    """

    title: str
    goal: Goal | None = None
    aim: Goal | None = None
    """What would be better still."""
    unit: Unit = Unit.SECONDS


@dataclass(frozen=True)
class Scene(Generic[T]):
    """What a body is given."""

    root: str
    """The mountpoint."""
    tree: T
    """What the layers hold."""
    amount: int
    """How much the workload does: files, or bytes."""
    mount_seconds: float
    """How long it took from the mount command to the root's first listing."""
    daemons: tuple[int, ...]
    """The processes that answer for the mount; none where the kernel does it by itself."""


def everybody(peer: Peer) -> bool:
    return True


Body = Callable[[Scene[T]], Iterator[float]]


@dataclass(frozen=True)
class Workload(Generic[T]):
    """A body with what it needs. It yields the values of `figures` in their order."""

    name: str
    body: Body[T]
    tree: T
    figures: tuple[Figure, ...]
    use: Use
    amount: int = 0
    at: Point | None = None
    """Where on an axis it is, if there are several of the name and the figures that differ in that."""
    of: Callable[[Peer], bool] = everybody
    """Which peers it has something to say about."""

    def title(self, figure: Figure) -> str:
        return figure.title.format(tree=self.tree, amount=f"{self.amount:,}", mib=self.amount // MIB)

    def __str__(self) -> str:
        return f"{self.name}, {self.at}" if self.at else self.name


def seconds(work: Callable[..., object], *arguments: object) -> float:
    """How long `work` takes."""
    start = time.perf_counter()
    work(*arguments)
    return time.perf_counter() - start
