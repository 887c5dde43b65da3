"""The machine can fail: what a party gets wrong is found, and told so that it can be pasted."""

from __future__ import annotations

import pytest
from histories import HISTORIES
from hypothesis import given

from unionfs.testing import commands as commands_module
from unionfs.testing import stacks as stacks_module
from unionfs.testing.commands import Outcome, SetMode, Unlink, Write
from unionfs.testing.machine import DisagreementError, agree
from unionfs.testing.parties import InMemory, PlainDirectory
from unionfs.testing.printing import as_code
from unionfs.testing.stacks import Dir, File, Stack, StackLayer, Whiteout, flatten
from unionfs.testing.strategies import Scenario, scenarios
from unionfs.types import RenameFlags, XattrFlags

pytestmark = pytest.mark.timeout(3600)

STACK: Stack = (StackLayer({b"": Dir(), b"a": File(b"lower")}),)


class Forgetful(InMemory):
    """Says that it did what it did not do."""

    def run(self, command: commands_module.Command) -> Outcome:
        return Outcome(3) if isinstance(command, Write) else super().run(command)


class Mistaken(InMemory):
    """Does everything and denies it."""

    def run(self, command: commands_module.Command) -> Outcome:
        super().run(command)
        return Outcome(errno=5)


def test_a_tree_that_differs_is_found() -> None:
    with pytest.raises(DisagreementError, match=r"b'a': content: b'newer' \| b'lower'"):
        agree(STACK, [Write(b"a", b"new")], PlainDirectory(), Forgetful())


def test_an_outcome_that_differs_is_found() -> None:
    with pytest.raises(DisagreementError, match=r"ok None \| EIO"):
        agree(STACK, [SetMode(b"a", 0o600)], PlainDirectory(), Mistaken())


def test_a_disagreement_can_be_pasted() -> None:
    with pytest.raises(DisagreementError) as caught:
        agree(STACK, [Unlink(b"a")], PlainDirectory(), Mistaken())
    assert f"stack = {as_code(STACK)}\nhistory = {as_code([Unlink(b'a')])}\n" in str(caught.value)


@given(scenarios())
def test_code_gives_what_it_was_made_from(scenario: Scenario) -> None:
    names = {"Scenario": Scenario, "RenameFlags": RenameFlags, "XattrFlags": XattrFlags}
    assert eval(as_code(scenario), vars(commands_module) | vars(stacks_module) | names) == scenario


def test_every_saved_history_keeps_its_parents() -> None:
    for stack, _ in HISTORIES.values():
        for layer in stack:
            assert all(path.rpartition(b"/")[0] in layer.items for path in layer.items)


def test_the_model_knows_whiteouts_opaque_directories_and_replacements() -> None:
    top = StackLayer(
        {b"": Dir(), b"a": Dir(opaque=True), b"a/b": File(b"new"), b"b": Whiteout(), b"c": File()}
    )
    bottom = StackLayer({b"": Dir(), b"a": Dir(), b"a/a": File(), b"b": File(), b"c": Dir(), b"c/a": File()})
    assert flatten((top, bottom)) == {b"": Dir(), b"a": Dir(), b"a/b": File(b"new"), b"c": File()}
