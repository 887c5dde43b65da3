"""A bash that remembers: one command after the other is typed into it, as a reader of a page would."""

from __future__ import annotations

import os
import select
import shlex
import subprocess
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

_END = "~~~ that was status "
_TO_BEGIN_WITH = "exec 2>&1; set -o pipefail\n"


class Session:
    """Directory, variables and mounts stay from one command to the next; `$?` is that of the one before."""

    def __init__(self, bash: subprocess.Popen[bytes], patience: float) -> None:
        self._bash = bash
        self._patience = patience
        self._status = 0
        self._send(_TO_BEGIN_WITH)

    def run(self, command: str) -> tuple[str, int]:
        """What a command (of any number of lines) says, on either output, and its status.

        The status is that of the last command in it that has failed, if one has.
        """
        self._send(
            f"failed=0; trap 'failed=$?' ERR; (exit {self._status}) && :\n"
            f"eval {shlex.quote(command)} < /dev/null\n"
            f"trap - ERR; printf '\\n{_END}%s\\n' $failed\n"
        )
        said, _, status = self._until_end(command).rpartition(f"\n{_END}")
        self._status = int(status)
        return said, self._status

    def _send(self, lines: str) -> None:
        assert self._bash.stdin is not None
        self._bash.stdin.write(lines.encode())
        self._bash.stdin.flush()

    def _until_end(self, command: str) -> str:
        """A daemon that is left behind may keep the output open, so that its end is no sign of anything."""
        assert self._bash.stdout is not None
        said, deadline = b"", time.monotonic() + self._patience
        while f"\n{_END}".encode() not in said or not said.endswith(b"\n"):
            ready, _, _ = select.select([self._bash.stdout], [], [], max(0, deadline - time.monotonic()))
            part = os.read(self._bash.stdout.fileno(), 1 << 16) if ready else b""
            if not part:
                raise AssertionError(f"no end of: {command}\n{said.decode(errors='replace')}")
            said += part
        return said.decode(errors="surrogateescape")


@contextmanager
def session(
    command: list[str], directory: Path, environment: Mapping[str, str], *, patience: float = 90
) -> Iterator[Session]:
    """The bash that `command` starts, in `directory`; a command in it may take `patience` seconds."""
    with subprocess.Popen(
        command, cwd=directory, env=environment, stdin=subprocess.PIPE, stdout=subprocess.PIPE, bufsize=0
    ) as bash:
        try:
            yield Session(bash, patience)
        finally:
            bash.kill()
