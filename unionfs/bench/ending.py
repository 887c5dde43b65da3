"""A run that is ended from outside ends as an error does, so that all is unmounted and removed."""

from __future__ import annotations

import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType


@contextmanager
def orderly_end() -> Iterator[None]:
    """SIGTERM unwinds the stack, as SIGINT does by itself; either one then ends the process with a line."""
    before = signal.signal(signal.SIGTERM, _stop)
    try:
        yield
    except KeyboardInterrupt:
        sys.exit(_ended(signal.SIGINT))
    finally:
        signal.signal(signal.SIGTERM, before)


def _stop(number: int, frame: FrameType | None) -> None:
    sys.exit(_ended(number))


def _ended(number: int) -> str:
    return f"ended by {signal.Signals(number).name}"
