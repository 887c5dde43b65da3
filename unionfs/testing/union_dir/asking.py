"""Asking the keeper for mounts."""

from __future__ import annotations

import json
import subprocess
import sys
from contextlib import suppress
from itertools import count
from typing import IO, Any, NamedTuple

from unionfs.adapters.options import Options
from unionfs.errors import ConfigError, UnionError


class NoMountError(UnionError):
    """Nothing can be mounted here; the text says why."""


class Mounted(NamedTuple):
    """A mount that nobody else has."""

    mountpoint: str
    options: Options


class Keeper:
    """A process that mounts, and whose mounts go when this process does, however that ends.

    Not safe for several threads. Use it as a context manager.
    """

    def __init__(self) -> None:
        # Not in this process's session: what is typed, or sent to all of it, must not end the keeper first.
        # Without the current directory among Python's: it may have modules called as ours.
        self._process = subprocess.Popen(
            [sys.executable, "-P", "-m", "unionfs.testing.union_dir.keeper"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            start_new_session=True,
        )
        self._numbers = count()

    def mount(self, layers: list[str]) -> Mounted:
        """Mount a union of `layers`, the top-most first, whose changes are thrown away.

        Raises `NoMountError` where nothing can be mounted, `ConfigError` for layers that do not fit.
        """
        told = self._ask("mount", layers)
        options = Options(lowers=tuple(layers), upper=told["upper"], work=told["work"])
        return Mounted(told["mountpoint"], options)

    def discard(self, mounted: Mounted) -> None:
        """Take a mount away, whatever is still open in it, and what was changed in it."""
        self._ask("discard", mounted.mountpoint)

    def _ask(self, call: str, argument: object) -> dict[str, Any]:
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        number = next(self._numbers)
        with suppress(BrokenPipeError):  # then there is no answer, either
            self._process.stdin.write(json.dumps([number, call, argument]) + "\n")
            self._process.stdin.flush()
        answer = self._answer(number, self._process.stdout)
        if "none" in answer:
            raise NoMountError(f"nothing can be mounted here: {answer['none']}")
        if "unfit" in answer:
            raise ConfigError(answer["unfit"])
        return answer

    def _answer(self, number: int, answers: IO[str]) -> dict[str, Any]:
        """Passing over those that a timeout kept from being read."""
        for line in answers:
            answered, answer = json.loads(line)
            if answered == number:
                found: dict[str, Any] = answer
                return found
        return {"none": "the keeper of mounts has ended"}

    def __enter__(self) -> Keeper:
        return self

    def __exit__(self, *_: object) -> None:
        self._process.communicate()  # closes its standard input, which ends it
