"""The workloads that there are."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any, Generic, TypeVar

from benchmarks.trees import ScaledTree
from unionfs.bench.peers import Peer
from unionfs.bench.units import Axis, Point
from unionfs.bench.workload import Body, Figure, Use, Workload, everybody

T = TypeVar("T", bound=ScaledTree)


@dataclass(frozen=True)
class Scaled(Workload[T], Generic[T]):
    """A workload that there can be less of."""

    huge: bool = False
    """Measured only where huge things are asked for."""

    def scaled(self, divisor: int) -> Scaled[T]:
        """The same with `divisor` times less to do; not with fewer layers."""
        at = self.at
        if at and at.axis is Axis.FILES:
            at = Point(at.axis, at.value // divisor)
        return replace(self, tree=self.tree.scaled(divisor), amount=self.amount // divisor, at=at)


ALL: list[Scaled[Any]] = []
"""In the order of the results."""


def workload(
    name: str,
    tree: T,
    *figures: Figure,
    use: Use,
    amount: int = 0,
    at: Point | None = None,
    of: Callable[[Peer], bool] = everybody,
    huge: bool = False,
) -> Callable[[Body[T]], Body[T]]:
    """Make the decorated body a workload, one of `ALL`."""

    def register(body: Body[T]) -> Body[T]:
        ALL.append(Scaled(name, body, tree, figures, use, amount, at, of, huge))
        return body

    return register
