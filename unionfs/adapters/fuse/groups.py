"""Whether a caller is in a group: a request names the first of its groups only."""

from __future__ import annotations


def is_member(uid: int, gid: int, pid: int, group: int) -> bool:
    """Whether the process `pid`, run by `uid` and `gid`, counts as a member of `group`; root always does.

    A process that cannot be looked at (of another PID namespace, or gone) has no further groups.
    """
    return uid == 0 or group == gid or group in _supplementary(pid)


def _supplementary(pid: int) -> set[int]:
    try:
        with open(f"/proc/{pid}/status") as status:
            for line in status:
                if line.startswith("Groups:"):
                    return set(map(int, line.split()[1:]))
    except OSError:
        pass
    return set()
