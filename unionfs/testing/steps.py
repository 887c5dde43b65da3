"""What the machine remembers of a run."""

from __future__ import annotations

from typing import NamedTuple

from unionfs.testing.commands import Command, Outcome
from unionfs.testing.trees import Tree


class Step(NamedTuple):
    """One command, what it gave, and the tree before and after."""

    command: Command
    outcome: Outcome
    before: Tree
    after: Tree
