"""What a request is answered when something goes wrong, without a mount."""

from __future__ import annotations

import errno
import logging
from typing import cast

import pytest

from unionfs.adapters.fuse.handles import Handles
from unionfs.adapters.fuse.operations import Operations
from unionfs.adapters.fuse.wire import errno_of
from unionfs.core.union import Union
from unionfs.errors import error


def test_an_os_error_is_its_errno(caplog: pytest.LogCaptureFixture) -> None:
    assert errno_of(error(errno.ENOTEMPTY)) == errno.ENOTEMPTY
    assert caplog.records == []


@pytest.mark.parametrize("failure", [KeyError("x"), OSError("no number"), AssertionError()])
def test_anything_else_is_logged_and_becomes_eio(
    failure: Exception, caplog: pytest.LogCaptureFixture
) -> None:
    assert errno_of(failure) == errno.EIO
    assert [record.levelno for record in caplog.records] == [logging.ERROR]
    assert caplog.records[0].exc_info is not None
    assert caplog.records[0].exc_info[1] is failure


def test_an_operation_raises_nothing_but_os_errors() -> None:
    operations = Operations(cast(Union, None), lambda: (0, 0, 0), lambda: None)
    with pytest.raises(OSError, match="Input/output error") as failure:
        operations.getattr("/x")
    assert failure.value.errno == errno.EIO
    with pytest.raises(OSError, match="Bad file descriptor"):
        operations.read(None, 1, 0, 99)


def test_a_handles_number_is_never_used_twice() -> None:
    handles: Handles[str] = Handles()
    first = handles.add("one")
    assert handles.pop(first) == "one"
    assert handles.add("two") != first
    with pytest.raises(OSError, match="Bad file descriptor"):
        handles.pop(first)
