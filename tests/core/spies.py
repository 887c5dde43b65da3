"""Stores that count, refuse or stop what is done to them."""

from __future__ import annotations

import errno
from collections import Counter
from collections.abc import Callable
from typing import Any

CHANGING = frozenset(
    [
        "create",
        "mkdir",
        "mknod",
        "symlink",
        "link",
        "rename",
        "unlink",
        "rmdir",
        "chmod",
        "chown",
        "utimens",
        "setxattr",
        "removexattr",
    ]
)
CHANGING_DATA = frozenset(["pwrite", "truncate", "fallocate", "copy_from", "clone_from"])
_PLAIN = frozenset(("name", "owner", "epoch"))

Watch = Callable[[str, tuple[Any, ...]], None]


class Spy:
    """A store that tells `watch` of every call before it happens; so do the files opened in it.

    Without `journal`, what is written to the journal of unfinished files is not told.
    """

    def __init__(self, store: Any, watch: Watch, *, journal: bool = True) -> None:
        self._store = store
        self._watch = watch
        self._journal = journal

    def __getattr__(self, name: str) -> Any:
        method = getattr(self._store, name)
        if name in _PLAIN:
            return method

        def call(*args: Any) -> Any:
            self._watch(name, args)
            found = method(*(arg._store if isinstance(arg, Spy) else arg for arg in args))
            is_file = name in ("open", "create") and (self._journal or not args[0].startswith(b"pending"))
            return SpiedFile(found, self._watch) if is_file else found

        return call


class SpiedFile:
    def __init__(self, file: Any, watch: Watch) -> None:
        self._file = file
        self._watch = watch

    def __getattr__(self, name: str) -> Any:
        method = getattr(self._file, name)

        def call(*args: Any, **kwargs: Any) -> Any:
            self._watch(name, args)
            if name not in ("copy_from", "clone_from"):
                return method(*args, **kwargs)
            source, *rest = args
            return method(source._file if isinstance(source, SpiedFile) else source, *rest)

        return call


class Calls:
    """Counts calls, and the bytes that were written or copied."""

    def __init__(self) -> None:
        self.count: Counter[str] = Counter()
        self.data = 0

    def spy(self, store: Any) -> Any:
        return Spy(store, self._watch, journal=False)

    @property
    def total(self) -> int:
        return sum(self.count.values())

    def clear(self) -> None:
        self.count.clear()
        self.data = 0

    def _watch(self, name: str, args: tuple[Any, ...]) -> None:
        self.count[name] += 1
        if name == "pwrite":
            self.data += len(args[0])
        elif name == "copy_from":
            self.data += args[2]


class Faults:
    """Lets a number of changing calls happen, then refuses one with an errno (or, without `once`, all)."""

    def __init__(self, number: int = errno.ENOSPC, *, once: bool = True) -> None:
        self._errno = number
        self._once = once
        self.seen = 0
        self._at: int | None = None

    def arm(self, at: int) -> None:
        """Refuse the call that comes after `at` more."""
        self.seen, self._at = 0, at

    def disarm(self) -> None:
        self._at = None

    def spy(self, store: Any) -> Any:
        return Spy(store, self._watch)

    def _watch(self, name: str, args: tuple[Any, ...]) -> None:
        if name not in CHANGING and name not in CHANGING_DATA:
            return
        self.seen += 1
        if self._at is None:
            return
        if self.seen == self._at + 1 or (not self._once and self.seen > self._at):
            raise OSError(self._errno, f"refused: {name}{args}")


class Killed(BaseException):
    """The daemon is gone."""


class Kill:
    """Lets a number of changing calls happen; then nothing more is done by anyone, not even reading."""

    def __init__(self) -> None:
        self._left = 1 << 30
        self.dead = False

    def arm(self, at: int) -> None:
        """Die at the call that comes after `at` more."""
        self._left = at

    def spy(self, store: Any) -> Any:
        return Spy(store, self._watch)

    def _watch(self, name: str, args: tuple[Any, ...]) -> None:
        if name in CHANGING or name in CHANGING_DATA:
            if self._left == 0:
                self.dead = True
            self._left -= 1
        if self.dead and name != "close":
            raise Killed(f"{name}{args}")
