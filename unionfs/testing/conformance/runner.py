"""Runs checks on a mountpoint, each in a directory and in a process of its own."""

from __future__ import annotations

import contextlib
import inspect
import os
import shutil
import signal
import traceback
from collections.abc import Callable, Iterable, Iterator
from enum import Enum
from typing import NamedTuple

from unionfs.testing.conformance import scenes
from unionfs.testing.conformance.caller import in_child
from unionfs.testing.conformance.check import Check, Where
from unionfs.testing.conformance.expect import FailedError
from unionfs.testing.conformance.needs import Missing

PATIENCE = 60
"""Seconds until a check is taken for hung."""

Remount = Callable[[], None]


class Status(Enum):
    PASSED = "passed"
    FAILED = "failed"
    DEPARTS = "departs"
    """Failed where this file system is known to differ; the text gives the reason."""
    NOT_APPLICABLE = "not applicable"


class Result(NamedTuple):
    name: str
    status: Status
    text: str = ""


def run(
    checks: Iterable[Check],
    mountpoint: str,
    missing: Missing,
    remount: Remount | None = None,
    departures: Callable[[str], str | None] = lambda name: None,
) -> Iterator[Result]:
    """Run `checks` one after the other. `departures` gives the reason why one may fail here."""
    for check in checks:
        result = _result(check, mountpoint, missing, remount)
        reason = departures(check.name) if result.status is Status.FAILED else None
        yield result if reason is None else result._replace(status=Status.DEPARTS, text=reason)


def _result(check: Check, mountpoint: str, missing: Missing, remount: Remount | None) -> Result:
    for need in check.needs:
        if need in missing:
            return Result(check.name, Status.NOT_APPLICABLE, missing[need])
    with contextlib.chdir(mountpoint):
        return _result_here(check, mountpoint, remount)


def _result_here(check: Check, mountpoint: str, remount: Remount | None) -> Result:
    if check.where is not Where.FRESH and not scenes.is_prepared(check):
        return Result(check.name, Status.NOT_APPLICABLE, "its layers have not been prepared (--prepare)")
    try:
        if inspect.isgeneratorfunction(check.run):
            assert remount is not None
            _run_over_mounts(check, mountpoint, remount)
        else:
            in_child(lambda: _run(check))
    except FailedError as failure:
        return Result(check.name, Status.FAILED, str(failure))
    except Exception as failure:  # noqa: BLE001 - whatever a check runs into, the others go on
        return Result(check.name, Status.FAILED, _told(failure))
    finally:
        os.chdir("/")
        _clear_away(os.path.join(mountpoint, check.directory))
    return Result(check.name, Status.PASSED)


def _run(check: Check) -> None:
    signal.alarm(PATIENCE)
    _arrange(check)
    try:
        check.run(*check.arguments)
    except FailedError:
        raise
    except Exception as failure:  # noqa: BLE001 - whatever a check runs into is its outcome
        raise FailedError(_told(failure)) from None


def _run_over_mounts(check: Check, mountpoint: str, remount: Remount) -> None:
    _arrange(check)
    for _ in check.run(*check.arguments):
        os.chdir("/")
        remount()
        os.chdir(os.path.join(mountpoint, check.directory))


def _arrange(check: Check) -> None:
    """Have everything there that the check is given, and go there."""
    os.umask(0o022)
    if check.where is Where.FRESH:
        scenes.make_fresh(check)
    elif check.where is Where.COPIED:
        scenes.copy_up(check)
    os.chdir(check.directory)


def _told(failure: Exception) -> str:
    """An unexpected error, and the line of the check in which it came up."""
    frames = [
        frame for frame in traceback.extract_tb(failure.__traceback__) if "conformance" in frame.filename
    ]
    line = f" in “{frames[-1].line}”" if frames else ""
    return f"{type(failure).__name__}: {failure}{line}"


def _clear_away(directory: str) -> None:
    shutil.rmtree(directory, ignore_errors=True)
