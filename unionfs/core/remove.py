"""Removing names, and keeping what is still open when its last name goes."""

from __future__ import annotations

import errno

from unionfs.core.completion import abandon_locked, is_lost
from unionfs.core.copyup import count_links_locked, raise_dir_locked
from unionfs.core.node import Entry, Node
from unionfs.core.plans import remove as plans
from unionfs.core.state import State
from unionfs.core.steps import At, Discard, Plan
from unionfs.errors import error
from unionfs.types import Stat


def unlink_locked(state: State, parent: Node, name: bytes) -> None:
    entry = state.nodes.entry(parent, name)
    node = state.nodes.of(entry)
    if node.is_dir:
        raise error(errno.EISDIR, name)
    raise_dir_locked(state, parent)
    last, keep = state.nodes.stat(node), aside_locked(state, entry)
    plan = plans.remove(
        state.nodes.path_of(entry),
        node.kind,
        in_upper=entry.in_upper,
        covers=state.covers(entry),
        keep=keep,
        dialect=state.dialect,
        temp=state.temp(),
        spare=state.temp(),
    )
    state.publish_locked(plan)
    lost_name_locked(state, entry, keep, last)
    parent.stat = None


def rmdir_locked(state: State, parent: Node, name: bytes) -> None:
    entry = state.nodes.entry(parent, name)
    node = state.nodes.of(entry)
    if not node.is_dir:
        raise error(errno.ENOTDIR, name)
    if state.nodes.table(node).entries:
        raise error(errno.ENOTEMPTY, name)
    raise_dir_locked(state, parent)
    plan = plans.remove_dir(
        state.nodes.path_of(entry),
        in_upper=entry.in_upper,
        covers=state.covers(entry),
        holds_marks=state.holds_marks(entry),
        dialect=state.dialect,
        temp=state.temp(),
        spare=state.temp(),
    )
    last = state.nodes.stat(node)
    state.publish_locked(plan)
    lost_name_locked(state, entry, None, last)
    parent.stat = None


def aside_locked(state: State, entry: Entry) -> At | None:
    """Where an open file goes that is about to lose its last name in the upper layer."""
    node = state.nodes.of(entry)
    others = any(other.in_upper for other in node.names if other is not entry)
    if node.files is None or not entry.in_upper or others or node.aside is not None:
        return None
    return state.temp()


def lost_name_locked(state: State, entry: Entry, keep: At | None, last: Stat) -> None:
    """Bring the nodes up to date with a name that has been removed.

    `keep` is where its file went, `last` are the attributes that it had.
    """
    node = state.nodes.of(entry)
    state.nodes.table(entry.directory).take(entry.name)
    node.names.remove(entry)
    node.stat = None
    if node.is_dir:
        node.upper, node.lowers = False, ()
        node.stat = last._replace(nlink=0)
        return
    if keep is not None:
        node.aside = keep
        node.extra_links -= 1
    elif not entry.in_upper:
        count_links_locked(state, node, node.extra_links - 1)
    if is_lost(state, node):
        abandon_locked(state, node)
    if node.files is None:
        forget_aside_locked(state, node)
    if node.upper and not node.names and node.aside is None and last.nlink == 1:
        node.stat = last._replace(nlink=0)  # a fifo that is open, say: nobody has been told of that


def forget_aside_locked(state: State, node: Node) -> None:
    """Throw away what the work tree keeps of a file that nothing names or has open any more."""
    if node.names or node.aside is None:
        return
    if state.workdir.is_shared(node.aside) and state.nodes.stat(node).nlink > 0:
        return  # names that nobody has looked at yet may be left
    abandon_locked(state, node)
    state.workdir.drop(node.aside)
    state.publish_locked(Plan(tidy=(Discard(node.aside),)))
    node.aside, node.stat = None, None
    node.extra_links += 1
