"""Laws of layers: how many there are, and how they are kept, is nothing that a reader can see."""

from __future__ import annotations

import io

import pytest
from budget import examples
from hypothesis import given

from unionfs.core.layer import Layer
from unionfs.core.union import Union
from unionfs.dialects.aufs import AufsDialect
from unionfs.images.layer_writer import write_layer
from unionfs.images.unpack import unpack
from unionfs.layers.memory import MemoryStore
from unionfs.testing.by_node import NodeSubject
from unionfs.testing.machine import agree, mounted
from unionfs.testing.parties import InMemory
from unionfs.testing.stacks import Stack, StackLayer, flatten
from unionfs.testing.strategies import Scenario, scenarios, stacks
from unionfs.testing.trees import differences, snapshot

pytestmark = pytest.mark.timeout(3600)


class Flattened(InMemory):
    """A union over one layer that holds what all of the stack's layers show."""

    name = "flattened"

    def _put_down(self, stack: Stack) -> None:
        super()._put_down((StackLayer(flatten(stack), stack[0].dialect),))


@examples(80)
@given(scenarios())
def test_flattening_changes_nothing(scenario: Scenario) -> None:
    agree(*scenario, InMemory(), Flattened())


@examples(80)
@given(scenarios())
def test_diff_commit_and_mount_again_changes_nothing(scenario: Scenario) -> None:
    party = InMemory()
    with mounted(scenario.stack, party):
        for command in scenario.history:
            party.run(command)
        expected = party.snapshot()
        archive = io.BytesIO()
        write_layer(party.union, archive)
        committed = MemoryStore("committed")
        unpack(io.BytesIO(archive.getvalue()), "layer", committed, below=party.union.lowers)
        again = Union([Layer(committed, AufsDialect()), *party.union.lowers])
        lines = differences(expected, snapshot(NodeSubject(again)))
        assert lines == []


@examples(80)
@given(stacks)
def test_a_union_without_an_upper_shows_the_model(stack: Stack) -> None:
    model, shown = InMemory(), InMemory()
    with mounted((StackLayer(flatten(stack)),), model), mounted(stack, shown):
        left, right = (snapshot(NodeSubject(Union(party.union.lowers))) for party in (model, shown))
        lines = differences(left, right)
        assert lines == []
