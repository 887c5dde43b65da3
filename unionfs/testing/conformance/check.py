"""A check as data, and how a topic collects its checks."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from enum import Enum
from types import MappingProxyType
from typing import Any, NamedTuple

from unionfs.testing.conformance import calls
from unionfs.testing.conformance.needs import Need
from unionfs.testing.stacks import HardLink, Item, Node, Whiteout

Given = Mapping[str, Item]
"""What is there before a check begins, by path below its directory."""


class Where(Enum):
    """Where what a check is given comes from."""

    FRESH = "fresh"
    """Made through the mount: in the upper layer of a union."""
    LOWER = "lower"
    """In the lower-most layer."""
    MERGED = "merged"
    """Directories in both lower layers, everything else in one of the two."""
    COPIED = "copied"
    """In the lower-most layer, and copied up by a change of attributes that changes nothing."""
    LAYERS = "layers"
    """In the layers that the check itself says."""


class Check(NamedTuple):
    """`run` is called with `arguments` in the check's own directory, and raises `FailedError`.

    A generator function has the file system mounted anew at each ``yield``.
    """

    name: str
    run: Callable[..., Any]
    arguments: tuple[Any, ...] = ()
    needs: tuple[Need, ...] = ()
    where: Where = Where.FRESH
    given: Given = MappingProxyType({})
    layers: tuple[Given, ...] = ()
    """What each layer holds, top-most first (`Where.LAYERS`)."""

    @property
    def directory(self) -> str:
        """The name of its own directory at the mountpoint."""
        return self.name


def _needed(*given: Given) -> Iterator[Need]:
    """What it takes to put down what is given."""
    for item in (item for items in given for item in items.values()):
        if isinstance(item, Node) and item.kind in (calls.CHAR, calls.BLOCK):
            yield Need.DEVICES
        if not isinstance(item, HardLink | Whiteout):
            if item.meta[1:3] != (0, 0):
                yield Need.ROOT
            if any(name.startswith(b"trusted.") for name, _ in item.meta.xattrs):
                yield Need.TRUSTED
            if any(name.startswith(b"security.") for name, _ in item.meta.xattrs):
                yield Need.CAPABILITIES


class Topic:
    """Collects the checks of one topic, in the order in which they are written."""

    def __init__(self, name: str) -> None:
        self._name = name
        self._checks: list[Check] = []

    def __iter__(self) -> Iterator[Check]:
        return iter(self._checks)

    def check(
        self,
        *needs: Need,
        given: Given | None = None,
        layers: Sequence[Given] = (),
        cases: Mapping[str, tuple[Any, ...]] | None = None,
    ) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
        """Add the decorated function as a check; with `cases` (name to arguments), as one check a case.

        Whatever is `given` is given from every place in turn (`Where`).
        """

        def add(function: Callable[..., Any]) -> Callable[..., Any]:
            name = f"{self._name}.{function.__name__}"
            for case, arguments in (cases or {"": ()}).items():
                named = f"{name}[{case}]" if case else name
                wanted = tuple(dict.fromkeys((*needs, *_needed(given or {}, *layers))))
                self._add(Check(named, function, arguments, wanted), given or {}, tuple(layers))
            return function

        return add

    def _add(self, check: Check, given: Given, layers: tuple[Given, ...]) -> None:
        if layers:
            self._checks.append(
                check._replace(name=f"{check.name}@layers", where=Where.LAYERS, layers=layers)
            )
        elif given:
            self._checks += [
                check._replace(name=f"{check.name}@{where.value}", where=where, given=given)
                for where in (Where.FRESH, Where.LOWER, Where.MERGED, Where.COPIED)
            ]
        else:
            self._checks.append(check)
