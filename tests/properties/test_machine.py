"""Every party tells the same histories, command by command and tree by tree."""

from __future__ import annotations

import pytest
from budget import examples, mounts
from histories import HISTORIES
from hypothesis import given

from unionfs.testing.machine import agree
from unionfs.testing.parties import (
    FuseMount,
    ImageLayerAsUpper,
    InMemory,
    KernelOverlay,
    OnDisk,
    PlainDirectory,
)
from unionfs.testing.stacks import HardLink, Stack
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


def _has_lower_links(stack: Stack) -> bool:
    """An upper that somebody else wrote does not say how many names it hides of a lower file."""
    return any(isinstance(item, HardLink) for layer in stack[1:] for item in layer.items.values())


@pytest.mark.parametrize("name", [name for name in HISTORIES if not _has_lower_links(HISTORIES[name][0])])
def test_saved_histories_on_an_image_layer(name: str) -> None:
    agree(*HISTORIES[name], PlainDirectory(), ImageLayerAsUpper())


@examples(120)
@given(scenarios().filter(lambda scenario: not _has_lower_links(scenario[0])))
def test_an_image_layer_that_is_written_to_is_a_file_system(scenario: Scenario) -> None:
    agree(*scenario, PlainDirectory(), ImageLayerAsUpper())


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
