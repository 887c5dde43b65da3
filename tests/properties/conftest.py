"""What all property tests need: budgets, and nothing left mounted."""

from __future__ import annotations

import os
from collections.abc import Iterator

import pytest
from hypothesis import HealthCheck, settings

from unionfs.testing.parties import clear_leftovers

# Stacks and histories are large data, and mounts take their time.
_CHECKS = [HealthCheck.too_slow, HealthCheck.data_too_large, HealthCheck.large_base_example]

settings.register_profile("ci", deadline=None, print_blob=True, suppress_health_check=_CHECKS)
settings.register_profile("long", settings.get_profile("ci"))
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "ci"))


@pytest.fixture(scope="session", autouse=True)
def _nothing_left() -> Iterator[None]:
    clear_leftovers()
    yield
    clear_leftovers()
