"""Running a mount in a process of its own, and saying when it is ready."""

from __future__ import annotations

import logging
import os
import resource
import sys
import traceback
from collections.abc import Callable
from typing import NoReturn

from unionfs.adapters.fuse.logs import drop_empty, log_path
from unionfs.errors import UnionError

Serve = Callable[[Callable[[], None]], None]
"""Runs a mount to its end; calls its argument once the mount is there."""

_READY = b"ready"


def in_foreground(serve: Serve) -> None:
    """Run `serve` here, until it is unmounted or stopped by a signal."""
    _prepare()
    serve(lambda: None)


def in_background(serve: Serve, logs: str) -> None:
    """Run `serve` in a daemon and return once it is ready.

    Where it does not come to that, `UnionError` says what the daemon (or libfuse within
    it) said first. From then on what the daemon has to say goes to a file in the
    directory `logs`, which is removed at the end if it is empty.
    """
    status, ready = os.pipe()
    errors, said = os.pipe()
    child = os.fork()
    if child == 0:
        os.close(status)
        os.close(errors)
        _run(serve, log_path(logs, os.getpid()), ready, said)
    os.close(ready)
    os.close(said)
    with open(status, "rb") as answer, open(errors, "rb") as words:
        if answer.read() != _READY:
            _, code = os.waitpid(child, 0)
            raise UnionError(_first_line(words.read()) or f"the daemon ended with status {code}")


def _prepare() -> None:
    os.umask(0)  # modes arrive with the caller's umask applied
    _open_as_many_as_allowed()
    logging.basicConfig(format="%(asctime)s unionfs: %(message)s")


def _open_as_many_as_allowed() -> None:
    """Each layer, and each file that anybody has open in the mount, takes a descriptor of ours."""
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))


def _run(serve: Serve, log: str, ready: int, said: int) -> NoReturn:
    os.setsid()
    os.chdir("/")
    _redirect(os.open(os.devnull, os.O_RDWR), 0)
    _redirect(said, 1, 2)
    code = 1
    try:
        _prepare()
        serve(lambda: _announce(ready, log))
        code = 0
    except BaseException as failure:  # noqa: BLE001 - the last frame of the process: nothing else handles it
        _say(failure)
    finally:
        drop_empty(log)
        os._exit(code)


def _say(failure: BaseException) -> None:
    print(failure or repr(failure), file=sys.stderr, flush=True)
    if not isinstance(failure, (UnionError, OSError)):
        traceback.print_exc()


def _announce(ready: int, log: str) -> None:
    _redirect(os.open(log, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600), 1, 2)
    os.write(ready, _READY)
    os.close(ready)


def _redirect(source: int, *targets: int) -> None:
    for target in targets:
        os.dup2(source, target)
    os.close(source)


def _first_line(words: bytes) -> str:
    lines = words.decode(errors="replace").strip().splitlines()
    return lines[0] if lines else ""
