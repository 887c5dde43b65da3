"""The examples in the docstrings run."""

from __future__ import annotations

import doctest
from types import ModuleType

import pytest

from unionfs.adapters.memory import filesystem, path


@pytest.mark.parametrize("module", [filesystem, path], ids=lambda module: module.__name__)
def test_examples(module: ModuleType) -> None:
    tried = doctest.testmod(module)
    assert tried.attempted > 0
    assert tried.failed == 0
