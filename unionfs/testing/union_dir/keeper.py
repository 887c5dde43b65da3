"""The process that mounts: ``python -m unionfs.testing.union_dir.keeper``.

It is asked on its standard input, a line of JSON a call, and answers on its standard output
under the number that the call has.
Who asks may be killed by a timeout, or end without a word: then its standard input ends,
and everything is taken away. Mounting takes a fork, too, which is better not done in the
middle of somebody's tests.
"""

from __future__ import annotations

import json
import os
import signal
import sys
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from typing import Any

from unionfs.adapters.fuse import mounting, records, transports
from unionfs.adapters.fuse.detaching import detach
from unionfs.adapters.mountinfo import mounted_at
from unionfs.adapters.options import Options
from unionfs.errors import ConfigError, UnionError

_DEFAULT_NAME = "union"


def main() -> None:
    mounts: dict[str, ExitStack] = {}
    for line in sys.stdin:
        number, call, argument = json.loads(line)
        answer = _mount(argument, mounts) if call == "mount" else _discard(argument, mounts)
        print(json.dumps([number, answer]), flush=True)
    for mountpoint in list(mounts):
        _discard(mountpoint, mounts)


def _mount(layers: list[str], mounts: dict[str, ExitStack]) -> dict[str, Any]:
    """Where it is mounted; or ``none``: why nothing can be; or ``unfit``: what is wrong with the layers."""
    try:
        transports.choose(transports.AUTO)
    except ConfigError as failure:
        return {"none": str(failure)}
    with ExitStack() as held:
        try:
            places = held.enter_context(_mounted(layers))
        except ConfigError as failure:
            return {"unfit": str(failure)}
        except (UnionError, OSError) as failure:
            return {"none": str(failure)}
        mounts[places["mountpoint"]] = held.pop_all()
        return places


@contextmanager
def _mounted(layers: list[str]) -> Iterator[dict[str, str]]:
    """A union that needs not be on disk, mounted under the name of its top-most layer."""
    prefix = "union-dir-"
    with tempfile.TemporaryDirectory(prefix=prefix, ignore_cleanup_errors=True) as directory:
        places = {
            "mountpoint": str(Path(directory, "mounted", Path(layers[0]).name or _DEFAULT_NAME)),
            "upper": str(Path(directory, "upper")),
            "work": str(Path(directory, "work")),
        }
        for place in places.values():
            os.makedirs(place)
        options = Options(tuple(layers), places["upper"], places["work"], volatile=True)
        mounting.mount(places["mountpoint"], options)
        try:
            yield places
        finally:
            _take_away(places["mountpoint"])


def _take_away(mountpoint: str) -> None:
    """Whatever is open in it, and without finishing what nobody will read."""
    record = records.find(mountpoint)
    if record is not None:
        with suppress(ProcessLookupError, ChildProcessError):
            os.kill(record.pid, signal.SIGKILL)
            os.waitpid(record.pid, 0)
    if mounted_at(mountpoint):
        detach(mountpoint, lazy=True)
    records.living()  # clears away what is noted of those that do not


def _discard(mountpoint: str, mounts: dict[str, ExitStack]) -> dict[str, Any]:
    mounts.pop(mountpoint).close()
    return {}


if __name__ == "__main__":
    main()
