"""Other users: a call made in a process that has their identity and nothing of ours."""

from __future__ import annotations

import os
import pickle
from collections.abc import Callable
from typing import Any, NamedTuple


class Caller(NamedTuple):
    """An unprivileged user: `groups` are the supplementary ones."""

    uid: int
    gid: int
    groups: tuple[int, ...] = ()

    def __str__(self) -> str:
        return f"{self.uid}:{self.gid}" + (f"+{','.join(map(str, self.groups))}" if self.groups else "")

    def run(self, call: Callable[..., Any], *arguments: Any) -> Any:
        """What `call` gives in a process of this user; what it raises is raised here."""

        def as_user() -> Any:
            os.setgroups(self.groups)
            os.setresgid(self.gid, self.gid, self.gid)
            os.setresuid(self.uid, self.uid, self.uid)
            return call(*arguments)

        return in_child(as_user)


def in_child(act: Callable[[], Any]) -> Any:
    """What `act` gives or raises, done in a process of its own."""
    reading, writing = os.pipe()
    pid = os.fork()
    if pid == 0:
        os.close(reading)
        with os.fdopen(writing, "wb") as pipe:
            pipe.write(pickle.dumps(_outcome(act)))
            pipe.flush()
            os._exit(0)
    os.close(writing)
    with os.fdopen(reading, "rb") as pipe:
        data = pipe.read()
    _, status = os.waitpid(pid, 0)
    if not data:
        raise RuntimeError(f"the process ended with {os.waitstatus_to_exitcode(status)}")
    value, failure = pickle.loads(data)
    if failure is not None:
        raise failure
    return value


def _outcome(act: Callable[[], Any]) -> tuple[Any, BaseException | None]:
    try:
        return act(), None
    except BaseException as failure:  # noqa: BLE001 - handed to the other process
        try:
            pickle.loads(pickle.dumps(failure))
            return None, failure
        except Exception:  # noqa: BLE001 - whatever cannot be sent
            return None, RuntimeError(repr(failure))


USER = Caller(65533, 65533)
OTHER = Caller(65532, 65532)
"""Two users without privileges, who have nothing in common."""
