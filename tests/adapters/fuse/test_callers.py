"""Who is a member of which group."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator

import pytest

from unionfs.adapters.fuse.callers import is_member

GONE = 0x7FFF_FFFF
"""No process has this number."""


@pytest.fixture
def pid() -> Iterator[int]:
    """A process with the supplementary groups 7 and 8."""
    command = ["setpriv", "--reuid=1234", "--regid=1234", "--groups=7,8", "sh", "-c", "echo; exec sleep 60"]
    with subprocess.Popen(command, stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        process.stdout.readline()  # it has them by now
        yield process.pid
        process.kill()


def test_the_groups_of_a_caller(pid: int) -> None:
    assert [is_member(1234, 1234, pid, group) for group in (1234, 7, 8, 9)] == [True, True, True, False]


def test_root_is_in_every_group() -> None:
    assert is_member(0, 0, os.getpid(), 4711)


def test_a_caller_who_is_gone_has_the_groups_of_its_request_only() -> None:
    assert [is_member(1234, 5, GONE, group) for group in (5, 7)] == [True, False]
