"""The generators reach what is worth reaching, and the tags know it when they see it."""

from __future__ import annotations

import pytest
from histories import TOLD
from hypothesis import given, settings

from unionfs.testing.machine import agree
from unionfs.testing.parties import InMemory
from unionfs.testing.strategies import Scenario, scenarios
from unionfs.testing.tags import Tag, tags

pytestmark = pytest.mark.timeout(3600)


@pytest.mark.parametrize("tag", Tag)
def test_each_tag_has_a_history(tag: Tag) -> None:
    assert tag in tags(agree(*TOLD[tag], InMemory()))


def test_generated_histories_reach_every_tag() -> None:
    found: set[Tag] = set()

    @settings(max_examples=400, derandomize=True, database=None)
    @given(scenarios())
    def collect(scenario: Scenario) -> None:
        found.update(tags(agree(*scenario, InMemory())))

    collect()
    assert not set(Tag) - found
