"""The machine: one history, several parties, everything compared after every command."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager

from unionfs.testing.commands import (
    Command,
    Create,
    History,
    Link,
    MakeDir,
    MakeNode,
    MakeSymlink,
    Outcome,
    RemoveDir,
    Rename,
    Unlink,
)
from unionfs.testing.differences import blurred_outcome, blurred_tree, is_left_out
from unionfs.testing.parties import Party
from unionfs.testing.printing import as_code
from unionfs.testing.stacks import Stack, is_within
from unionfs.testing.steps import Step
from unionfs.testing.trees import Tree, differences


class DisagreementError(AssertionError):
    """Parties differ, or one contradicts itself. The text holds stack and history, ready to be pasted."""


@contextmanager
def mounted(stack: Stack, *parties: Party) -> Iterator[None]:
    """All parties set up with `stack`, and no umask; all is undone however the block ends."""
    with ExitStack() as held:
        held.callback(os.umask, os.umask(0))
        for party in parties:
            held.callback(party.teardown)
            party.setup(stack)
        yield


def agree(stack: Stack, history: History, *parties: Party) -> list[Step]:
    """Run `history` on all parties and compare them after every command; the first is the reference.

    Returns the steps as the reference saw them. Raises `DisagreementError`. Commands in
    which a party is known to differ (see `differences`) are left out for all.
    """
    with mounted(stack, *parties):
        return Run(stack, parties).all(history)


class Run:
    """A history while it is run by parties that are mounted already, and stay so.

    `earlier` are steps that the layers have behind them, whoever took them.
    """

    def __init__(self, stack: Stack, parties: Sequence[Party], earlier: Sequence[Step] = ()) -> None:
        self.steps = [*earlier]
        self._stack = stack
        self._parties = parties
        self._names = {party.name for party in parties}
        self._done: History = []
        self._trees = self._agreed_trees()

    def all(self, history: History) -> list[Step]:
        """The steps of the reference."""
        for command in history:
            if not is_left_out(command, self._trees[0], self.steps, self._names):
                self._step(command)
        return self.steps

    def _step(self, command: Command) -> None:
        self._done.append(command)
        before = self._trees
        outcome = self._agreed_outcome(command)
        self._trees = self._agreed_trees()
        for party, old, new in zip(self._parties, before, self._trees, strict=True):
            self._check(party.name, changed_identities(command, old, new))
        self.steps.append(Step(command, outcome, before[0], self._trees[0]))

    def _agreed_outcome(self, command: Command) -> Outcome:
        outcomes = [party.run(command) for party in self._parties]
        comparable = [blurred_outcome(command, outcome, self._names) for outcome in outcomes]
        for party, outcome in zip(self._parties, comparable, strict=True):
            if outcome != comparable[0]:
                self._check(self._against(party), [f"{comparable[0]} | {outcome}"])
        return outcomes[0]

    def _agreed_trees(self) -> list[Tree]:
        trees = [party.snapshot() for party in self._parties]
        comparable = [blurred_tree(tree, self._names) for tree in trees]
        for party, tree in zip(self._parties, comparable, strict=True):
            self._check(self._against(party), differences(comparable[0], tree))
        return trees

    def _against(self, party: Party) -> str:
        return f"{self._parties[0].name} | {party.name}"

    def _check(self, who: str, complaints: Sequence[str]) -> None:
        if complaints:
            story = [f"stack = {as_code(self._stack)}", f"history = {as_code(self._done)}"]
            raise DisagreementError("\n".join(["", *story, who, *complaints]))


def changed_identities(command: Command, before: Tree, after: Tree) -> list[str]:
    """One line for each file that has another inode number after a command that was not about its name."""
    touched = _names_touched(command)
    return [
        f"{path!r}: inode number: {ino} | {after.inos[path]}"
        for path, ino in before.inos.items()
        if after.inos.get(path, ino) != ino and not any(is_within(path, name) for name in touched)
    ]


def _names_touched(command: Command) -> tuple[bytes, ...]:
    match command:
        case Rename(path, new):
            return path, new
        case Create(path) | MakeDir(path) | MakeNode(path) | MakeSymlink(path) | Link(_, path):
            return (path,)
        case Unlink(path) | RemoveDir(path):
            return (path,)
    return ()
