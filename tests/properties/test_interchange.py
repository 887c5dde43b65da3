"""What the kernel leaves behind is read right, and the kernel reads right what we leave behind."""

from __future__ import annotations

from contextlib import ExitStack

import pytest
from budget import examples
from histories import HISTORIES
from hypothesis import given

from unionfs.testing.commands import History, Remount
from unionfs.testing.machine import Run, mounted
from unionfs.testing.parties import KernelOverlay, OnDisk, PlainDirectory
from unionfs.testing.stacks import Stack, without_idle_whiteouts
from unionfs.testing.strategies import Scenario, scenarios

pytestmark = pytest.mark.timeout(3600)


class AfterKernel(OnDisk):
    """A union over an upper layer that the kernel has written to."""

    name = "disk after kernel"


ROADS = {"ours to the kernel": (OnDisk, KernelOverlay), "the kernel's to us": (KernelOverlay, AfterKernel)}


def hand_over(stack: Stack, first: History, second: History, road: str) -> None:
    """One party tells the first part, another the second on what is left behind; a plain directory all."""
    giver, taker = (party() for party in ROADS[road])
    plain = PlainDirectory()
    stack = tuple(layer._replace(dialect="overlay") for layer in without_idle_whiteouts(stack))
    with mounted(stack, plain, giver), ExitStack() as held:
        earlier = Run(stack, [plain, giver]).all(first)
        plain.run(Remount())
        giver.unmount()
        held.callback(taker.teardown)
        taker.adopt(giver)
        Run(stack, [plain, taker], earlier).all(second)


@pytest.mark.parametrize("road", ROADS)
@pytest.mark.parametrize("name", HISTORIES)
def test_saved_histories(name: str, road: str) -> None:
    stack, history = HISTORIES[name]
    for cut in range(len(history) + 1):
        hand_over(stack, history[:cut], history[cut:], road)


@pytest.mark.parametrize("road", ROADS)
def test_an_upper_changes_hands(road: str) -> None:
    @examples(60)
    @given(scenarios())
    def told(scenario: Scenario) -> None:
        cut = len(scenario.history) * 2 // 3
        hand_over(scenario.stack, scenario.history[:cut], scenario.history[cut:], road)

    told()
