"""fsspec's own suite for file systems, on unions of every kind that can be written."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import fsspec
import pytest
from fsspec.tests.abstract import (
    AbstractCopyTests,
    AbstractFixtures,
    AbstractGetTests,
    AbstractOpenTests,
    AbstractPipeTests,
    AbstractPutTests,
)

from unionfs.fsspec import UnionFileSystem


class _Suite(
    AbstractFixtures,
    AbstractCopyTests,
    AbstractGetTests,
    AbstractOpenTests,
    AbstractPipeTests,
    AbstractPutTests,
):
    @pytest.fixture
    def fs_path(self) -> str:
        return "/below"


class TestChangesInMemory(_Suite):
    @pytest.fixture
    def fs(self, tmp_path: Path) -> Iterator[UnionFileSystem]:
        (tmp_path / "lower/below").mkdir(parents=True)
        (tmp_path / "lower/below/lowest").write_text("there all along")
        return fsspec.filesystem("unionfs", lowers=[str(tmp_path / "lower")], auto_mkdir=True)


class TestChangesInADirectory(_Suite):
    @pytest.fixture
    def fs(self, tmp_path: Path) -> Iterator[UnionFileSystem]:
        for name in ("lower/below", "upper", "work"):
            (tmp_path / name).mkdir(parents=True)
        names = {name: str(tmp_path / name) for name in ("upper", "work")}
        return fsspec.filesystem("unionfs", lowers=[str(tmp_path / "lower")], auto_mkdir=True, **names)


class TestOverAnotherFileSystem(_Suite):
    @pytest.fixture
    def fs(self, tmp_path: Path) -> Iterator[UnionFileSystem]:
        fsspec.filesystem("memory").pipe(f"{tmp_path}/below/lowest", b"there all along")
        return fsspec.filesystem("unionfs", lowers=[f"memory://{tmp_path}"], auto_mkdir=True)
