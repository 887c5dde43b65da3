"""What can be found out about a caller, of whom a request says the process, the user and one group."""

from __future__ import annotations

import signal

_KILLED = 1 << (signal.SIGKILL - 1)


def is_member(uid: int, gid: int, pid: int, group: int) -> bool:
    """Whether the process `pid`, run by `uid` and `gid`, counts as a member of `group`; root always does.

    A process that cannot be looked at (of another PID namespace, or gone) has no further groups.
    """
    return uid == 0 or group == gid or group in map(int, _status(pid, "Groups:"))


def is_killed(pid: int) -> bool:
    """Whether the thread `pid` is about to end by a signal: whatever is fatal makes SIGKILL pending.

    False where it cannot be looked at.
    """
    return any(int(mask, 16) & _KILLED for mask in _status(pid, "SigPnd:"))


def _status(pid: int, field: str) -> list[str]:
    """The words behind a field in proc_pid_status(5)."""
    try:
        with open(f"/proc/{pid}/status") as status:
            for line in status:
                if line.startswith(field):
                    return line.split()[1:]
    except OSError:
        pass
    return []
