"""Where a party is known to depart from POSIX, or from what a union can know: each once, with its reason.

A difference takes effect whenever its party takes part. It leaves commands out,
or it blurs what all parties gave before it is compared; ours are compared in full
with a party that does not have it.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Collection, Sequence
from typing import NamedTuple

from unionfs.testing.commands import (
    Command,
    Link,
    Open,
    Outcome,
    RemoveXattr,
    Rename,
    SetMode,
    SetOwner,
    SetTimes,
    SetXattr,
    Unlink,
    Write,
)
from unionfs.testing.steps import Step
from unionfs.testing.subject import Attributes
from unionfs.testing.trees import Entry, Flaw, Tree


class Difference(NamedTuple):
    party: str
    reason: str
    leaves_out: Callable[[Command, Tree, Sequence[Step]], bool] = lambda command, tree, steps: False
    outcome: Callable[[Command, Outcome], Outcome] = lambda command, outcome: outcome
    tree: Callable[[Tree], Tree] = lambda tree: tree


def _without_nlink(command: Command, outcome: Outcome) -> Outcome:
    if isinstance(outcome.value, Attributes):
        return Outcome(outcome.value._replace(nlink=None))
    return outcome


def _with_visible_links(tree: Tree) -> Tree:
    """No file of `tree` has more links than names."""
    names = Counter(entry.same_as for entry in tree.entries.values() if isinstance(entry, Entry))
    return tree._replace(
        entries={path: _with_links(entry, names) for path, entry in tree.entries.items()},
    )


def _with_links(entry: Entry | Flaw, names: Counter[bytes]) -> Entry | Flaw:
    if isinstance(entry, Flaw) or entry.attributes.nlink is None:
        return entry
    nlink = min(entry.attributes.nlink, names[entry.same_as])
    return entry._replace(attributes=entry.attributes._replace(nlink=nlink))


def _completes_a_copy(command: Command, tree: Tree, steps: Sequence[Step]) -> bool:
    """Whether a file, perhaps copied up with its metadata alone, is opened for writing but not written."""
    match command:
        case Open(_, path, writable=True) | Write(path, b""):
            return any(tree.inos.get(path) in _raised_by(step) for step in steps)
    return False


def _raised_by(step: Step) -> set[int | None]:
    """The files whose metadata a step copied up."""
    match step.command:
        case Rename(path, new) | Link(path, new):
            return {step.before.inos.get(path, 0), step.before.inos.get(new, 0)}
        case (
            SetMode(path)
            | SetOwner(path)
            | SetTimes(path)
            | SetXattr(path)
            | RemoveXattr(path)
            | Unlink(path)
        ):
            return {step.before.inos.get(path, 0)}
    return set()


DIFFERENCES = (
    Difference(
        "kernel",
        "a lower file's link count includes the names that upper layers hide, "
        "and stays when the file is removed without having been copied up",
        outcome=_without_nlink,
        tree=_with_visible_links,
    ),
    Difference(
        "kernel",
        "opening a file for writing that was copied up with its metadata alone copies the data, and dates "
        "the file now although nothing was written (ovl_copy_up_meta_inode_data does not restore the times)",
        leaves_out=_completes_a_copy,
    ),
    Difference(
        "disk after kernel",
        "what the kernel recorded of a file's links counts the names that upper layers hide",
        outcome=_without_nlink,
        tree=_with_visible_links,
    ),
    Difference(
        "fusepy",
        "libfuse 2 knows no flags of renameat2: the kernel answers EINVAL in its place",
        leaves_out=lambda command, tree, steps: isinstance(command, Rename) and bool(command.flags),
    ),
)
"""All that is known."""


def of(parties: Collection[str]) -> list[Difference]:
    """The differences that count when these parties are compared."""
    return [difference for difference in DIFFERENCES if difference.party in parties]


def is_left_out(command: Command, tree: Tree, steps: Sequence[Step], parties: Collection[str]) -> bool:
    """Whether not all of the parties can agree on `command`, which meets `tree` after `steps`."""
    return any(difference.leaves_out(command, tree, steps) for difference in of(parties))


def blurred_outcome(command: Command, outcome: Outcome, parties: Collection[str]) -> Outcome:
    """The part of an outcome that all of the parties agree on."""
    for difference in of(parties):
        outcome = difference.outcome(command, outcome)
    return outcome


def blurred_tree(tree: Tree, parties: Collection[str]) -> Tree:
    """The part of a tree that all of the parties agree on."""
    for difference in of(parties):
        tree = difference.tree(tree)
    return tree
