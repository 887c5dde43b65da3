"""The words in which checks say what should happen; `FailedError` says what did instead."""

from __future__ import annotations

import errno
import os
from collections.abc import Callable, Container
from typing import Any

from unionfs.testing.conformance.caller import Caller


class FailedError(Exception):
    """A check that did not find what it expected; the text says both."""


def done(call: Callable[..., Any], *arguments: Any, by: Caller | None = None) -> Any:
    """What `call` gives; it must not raise `OSError`."""
    try:
        return _ask(call, arguments, by)
    except OSError as failure:
        text = f"{_told(call, arguments, by)}: expected to succeed, got {_name(failure)}"
        raise FailedError(text) from failure


def refused(number: int, call: Callable[..., Any], *arguments: Any, by: Caller | None = None) -> None:
    """`call` must fail with this errno."""
    refused_with((number,), call, *arguments, by=by)


def refused_with(
    numbers: tuple[int, ...], call: Callable[..., Any], *arguments: Any, by: Caller | None = None
) -> None:
    """`call` must fail with one of these errnos."""
    wanted = " or ".join(errno.errorcode[number] for number in numbers)
    try:
        _ask(call, arguments, by)
    except OSError as failure:
        if failure.errno in numbers:
            return
        raise FailedError(
            f"{_told(call, arguments, by)}: expected {wanted}, got {_name(failure)}"
        ) from failure
    raise FailedError(f"{_told(call, arguments, by)}: expected {wanted}, but it succeeded")


def same(what: str, got: object, wanted: object) -> None:
    if got != wanted:
        raise FailedError(f"{what}: expected {_short(wanted)}, got {_short(got)}")


def differ(what: str, got: object, unwanted: object) -> None:
    if got == unwanted:
        raise FailedError(f"{what}: expected anything but {_short(unwanted)}")


def among(what: str, got: object, allowed: Container[object]) -> None:
    if got not in allowed:
        raise FailedError(f"{what}: expected one of {allowed}, got {_short(got)}")


def holds(what: str, truth: object) -> None:
    """`what` must be true, in words."""
    if not truth:
        raise FailedError(f"{what}: expected, but it is not so")


def mode(path: str, wanted: int) -> None:
    """The permission bits of `path`, which is not followed."""
    got = os.lstat(path).st_mode & 0o7777
    if got != wanted:
        raise FailedError(f"mode of {path}: expected {wanted:04o}, got {got:04o}")


def _ask(call: Callable[..., Any], arguments: tuple[Any, ...], by: Caller | None) -> Any:
    return call(*arguments) if by is None else by.run(call, *arguments)


def _told(call: Callable[..., Any], arguments: tuple[Any, ...], by: Caller | None) -> str:
    told = ", ".join(_short(argument) for argument in arguments)
    return f"{call.__name__}({told})" + (f" by {by}" if by else "")


def _name(failure: OSError) -> str:
    return errno.errorcode.get(failure.errno or 0, str(failure.errno))


def _short(value: object) -> str:
    text = repr(value)
    return text if len(text) < 120 else f"{text[:60]}…{text[-40:]}"
