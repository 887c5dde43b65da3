"""Every party tells the same histories, command by command and tree by tree."""

from __future__ import annotations

import pytest
from budget import examples, mounts
from histories import HISTORIES
from hypothesis import given

from unionfs.testing.machine import agree
from unionfs.testing.parties import FuseMount, InMemory, KernelOverlay, OnDisk, PlainDirectory
from unionfs.testing.strategies import Scenario, scenarios

pytestmark = pytest.mark.timeout(3600)

TRANSPORTS = ("native", "fusepy")


@pytest.mark.parametrize("name", HISTORIES)
def test_saved_histories_without_a_mount(name: str) -> None:
    agree(*HISTORIES[name], PlainDirectory(), InMemory(), OnDisk())


@pytest.mark.parametrize("name", HISTORIES)
def test_saved_histories_with_the_kernel(name: str) -> None:
    agree(*HISTORIES[name], KernelOverlay(), InMemory())


@pytest.mark.parametrize("transport", TRANSPORTS)
@pytest.mark.parametrize("name", HISTORIES)
def test_saved_histories_mounted(name: str, transport: str) -> None:
    agree(*HISTORIES[name], PlainDirectory(), FuseMount(transport))


@examples(120)
@given(scenarios())
def test_union_is_a_file_system(scenario: Scenario) -> None:
    """Over memory and over directories it does what a plain directory with the same content does."""
    agree(*scenario, PlainDirectory(), InMemory(), OnDisk())


@examples(120)
@given(scenarios())
def test_union_agrees_with_the_kernel(scenario: Scenario) -> None:
    agree(*scenario, KernelOverlay(), InMemory())


@pytest.mark.parametrize("transport", TRANSPORTS)
def test_mount_is_a_file_system(transport: str) -> None:
    @mounts(15)
    @given(scenarios())
    def told(scenario: Scenario) -> None:
        agree(*scenario, PlainDirectory(), FuseMount(transport))

    told()


@mounts(15)
@given(scenarios())
def test_mount_agrees_with_the_kernel_and_with_memory(scenario: Scenario) -> None:
    agree(*scenario, KernelOverlay(), InMemory(), FuseMount("native"))
