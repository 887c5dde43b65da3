"""A tree, twice: in an ordinary directory of the host, and in a union."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from comparison import Pair, build

from unionfs import MemoryStore, UnionFS


@pytest.fixture(params=("upper", "lower", "directory"))
def pair(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Pair]:
    """The tree of `build` twice; the union keeps it in each of the places that it can come from."""
    with contextlib.chdir(tmp_path), Pair(request.param) as pair:
        yield pair


@pytest.fixture
def fs() -> Iterator[UnionFS]:
    """A writable union over a lower layer with the tree of `build`."""
    store = MemoryStore()
    with UnionFS(upper=store) as builder:
        build(builder)
    with UnionFS(store) as built:
        yield built


@pytest.fixture(autouse=True)
def _umask() -> Iterator[None]:
    """The one that makes the host's default modes ours."""
    before = os.umask(0o022)
    yield
    os.umask(before)
