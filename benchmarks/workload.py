"""What is measured: a body that runs against a mount and yields the seconds of each of its figures."""

from __future__ import annotations

import enum
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from typing import Any, Generic, NamedTuple, TypeVar

from benchmarks.trees import Tree

T = TypeVar("T", bound=Tree)


class Use(enum.Enum):
    """What a body does with the union that it is given, which is a fresh mount every time."""

    READ_ONLY = "read-only union"
    READING = "writable union, only read"
    CHANGING = "writable union, changed"


class Goal(NamedTuple):
    """A figure to reach: a multiple of what another peer takes."""

    peer: str
    at_most: float
    aim: float | None = None


class Figure(NamedTuple):
    """One row of the results: one of the numbers that a body yields."""

    title: str
    goal: Goal | None = None


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


Body = Callable[[Scene[T]], Iterator[float]]


@dataclass(frozen=True)
class Workload(Generic[T]):
    """`title` and the figures' titles may have ``{tree}`` and ``{amount}`` in them."""

    name: str
    body: Body[T]
    tree: T
    figures: tuple[Figure, ...]
    use: Use
    amount: int = 0

    def scaled(self, divisor: int) -> Workload[T]:
        """The same with `divisor` times less to do."""
        return replace(self, tree=self.tree.scaled(divisor), amount=self.amount // divisor)

    def title(self, figure: Figure) -> str:
        return figure.title.format(tree=self.tree, amount=f"{self.amount:,}", mib=self.amount >> 20)


ALL: list[Workload[Any]] = []
"""In the order of the results."""


def workload(name: str, tree: T, *figures: Figure, use: Use, amount: int = 0) -> Callable[[Body[T]], Body[T]]:
    """Make the decorated body a workload, one of `ALL`."""

    def register(body: Body[T]) -> Body[T]:
        ALL.append(Workload(name, body, tree, figures, use, amount))
        return body

    return register


def seconds(work: Callable[..., object], *arguments: object) -> float:
    """How long `work` takes."""
    start = time.perf_counter()
    work(*arguments)
    return time.perf_counter() - start
