"""A directory for the time of a run."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

from unionfs.bench.mounting import uninterrupted


@contextmanager
def temporary(directory: str | Path) -> Iterator[Path]:
    """A new directory in `directory`, removed with all that is in it even where a signal ends the run."""
    created = TemporaryDirectory(prefix="unionfs-bench-", dir=Path(directory).resolve())
    try:
        yield Path(created.name)
    finally:
        with uninterrupted():
            created.cleanup()
