"""The machine: one history, several parties, everything compared after every command."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from unionfs.testing.commands import History, Outcome
from unionfs.testing.differences import blurred_outcome, blurred_tree, is_left_out
from unionfs.testing.parties import Party
from unionfs.testing.stacks import Stack
from unionfs.testing.steps import Step
from unionfs.testing.trees import Tree, differences


class Disagreement(AssertionError):
    """Two parties differ. The text holds the stack and the history so far, ready to be pasted."""


@contextmanager
def mounted(stack: Stack, parties: Sequence[Party]) -> Iterator[None]:
    """All parties set up with `stack`; torn down however the block ends."""
    try:
        for party in parties:
            party.setup(stack)
        yield
    finally:
        for party in parties:
            party.teardown()


def agree(
    stack: Stack, history: History, parties: Sequence[Party], probes: tuple[bytes, ...] = ()
) -> list[Step]:
    """Run `history` on all parties and compare them after every command; the first is the reference.

    Returns the steps as the reference saw them. Raises `Disagreement`. Commands in
    which a party is known to differ (see `differences`) are left out for all.
    """
    with mounted(stack, parties):
        return run_together(stack, history, parties, probes)


def run_together(
    stack: Stack, history: History, parties: Sequence[Party], probes: tuple[bytes, ...] = ()
) -> list[Step]:
    """`agree` for parties that are mounted already, and stay so."""
    steps: list[Step] = []
    tree = _common_tree(stack, [], parties, probes)
    names = {party.name for party in parties}
    for command in history:
        if is_left_out(command, tree, steps, names):
            continue
        done = [step.command for step in steps] + [command]
        outcome = _common_outcome(stack, done, parties)
        after = _common_tree(stack, done, parties, probes)
        steps.append(Step(command, outcome, tree, after))
        tree = after
    return steps


def _common_outcome(stack: Stack, done: History, parties: Sequence[Party]) -> Outcome:
    outcomes = [party.run(done[-1]) for party in parties]
    names = {party.name for party in parties}
    expected = blurred_outcome(done[-1], outcomes[0], names)
    for party, outcome in zip(parties[1:], outcomes[1:], strict=True):
        if blurred_outcome(done[-1], outcome, names) != expected:
            lines = [f"{parties[0].name}: {outcomes[0]}", f"{party.name}: {outcome}"]
            raise Disagreement(_report(stack, done, lines))
    return outcomes[0]


def _common_tree(stack: Stack, done: History, parties: Sequence[Party], probes: tuple[bytes, ...]) -> Tree:
    reference, *others = parties
    tree = reference.snapshot(probes)
    names = {party.name for party in parties}
    for party in others:
        lines = differences(blurred_tree(tree, names), blurred_tree(party.snapshot(probes), names))
        if lines:
            raise Disagreement(_report(stack, done, [f"{reference.name} | {party.name}", *lines]))
    return tree


def _report(stack: Stack, done: History, lines: list[str]) -> str:
    told = "".join(f"    {command!r},\n" for command in done)
    return "\n".join(["", f"stack = {stack!r}", f"history = [\n{told}]", *lines])
