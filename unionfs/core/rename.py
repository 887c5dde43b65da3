"""Renaming files and directories, wherever they live."""

from __future__ import annotations

import errno

from unionfs.core.copyup import raise_dir_locked, raise_for_move, raise_links, raise_name_locked
from unionfs.core.create import check_new_name
from unionfs.core.node import Entry, Node
from unionfs.core.plans import rename as plans
from unionfs.core.plans.rename import Moved
from unionfs.core.remove import aside_locked, lost_name_locked
from unionfs.core.state import State
from unionfs.core.steps import Plan, upper
from unionfs.errors import error
from unionfs.types import Kind, RenameFlags

_KNOWN = (RenameFlags.NONE, RenameFlags.NOREPLACE, RenameFlags.EXCHANGE)


def rename(
    state: State, parent: Node, name: bytes, new_parent: Node, new_name: bytes, flags: RenameFlags
) -> None:
    """Have all that is needed in the upper layer first, for that may take a while; then rename there."""
    flags = RenameFlags(flags)
    if flags not in _KNOWN:
        raise error(errno.EINVAL, new_name)
    with state.lock:
        source, target = _checked_locked(state, parent, name, new_parent, new_name, flags)
        moved, replaced = source.node, target.node if target else None
        assert moved is not None
    if moved is replaced:
        return
    raise_for_move(state, moved)
    if replaced is not None and flags is RenameFlags.EXCHANGE:
        raise_for_move(state, replaced)
    elif replaced is not None:
        raise_links(state, replaced)
    with state.lock:
        source, target = _checked_locked(state, parent, name, new_parent, new_name, flags)
        raise_dir_locked(state, parent)
        raise_dir_locked(state, new_parent)
        raise_name_locked(state, source)
        if target is not None and flags is RenameFlags.EXCHANGE:
            raise_name_locked(state, target)
            _exchange_locked(state, source, target)
        else:
            _rename_locked(state, source, new_parent, new_name, target)
        parent.stat = new_parent.stat = None


def _checked_locked(
    state: State, parent: Node, name: bytes, new_parent: Node, new_name: bytes, flags: RenameFlags
) -> tuple[Entry, Entry | None]:
    """What a rename is about, checked in the order in which Linux checks."""
    source = state.nodes.entry(parent, name)
    target = state.nodes.find(new_parent, new_name)
    if flags is RenameFlags.NOREPLACE and target is not None:
        raise error(errno.EEXIST, new_name)
    if flags is RenameFlags.EXCHANGE and target is None:
        raise error(errno.ENOENT, new_name)
    moved, replaced = state.nodes.of(source), state.nodes.of(target) if target else None
    if _is_within(new_parent, moved):
        raise error(errno.EINVAL, new_name)
    if replaced is not None and _is_within(parent, replaced):
        raise error(errno.EINVAL if flags is RenameFlags.EXCHANGE else errno.ENOTEMPTY, new_name)
    if target is None:
        check_new_name(state, new_name)
    if replaced is not None and replaced is not moved and flags is not RenameFlags.EXCHANGE:
        _check_replaceable_locked(state, moved, replaced, new_name)
    return source, target


def _check_replaceable_locked(state: State, moved: Node, replaced: Node, name: bytes) -> None:
    if moved.is_dir and not replaced.is_dir:
        raise error(errno.ENOTDIR, name)
    if replaced.is_dir and not moved.is_dir:
        raise error(errno.EISDIR, name)
    if replaced.is_dir and state.nodes.table(replaced).entries:
        raise error(errno.ENOTEMPTY, name)


def _is_within(node: Node, directory: Node) -> bool:
    """Whether `node` is `directory` or somewhere below it."""
    while node is not directory:
        if not node.names:
            return False
        node = node.names[0].directory
    return True


def _rename_locked(
    state: State, source: Entry, new_parent: Node, new_name: bytes, target: Entry | None
) -> None:
    table = state.nodes.table(new_parent)
    moved = _moved_locked(state, source, covered=table.covers(new_name))
    path = state.path_in(new_parent, new_name)
    keep = last = None
    if target is not None:
        last, keep = state.nodes.stat(state.nodes.of(target)), aside_locked(state, target)
    plan = _plan_locked(state, moved, path, new_parent, new_name, target)
    if keep is not None:
        plan = plans.keep_aside(upper(path), keep) + plan
    state.publish_locked(plan)
    if target is not None and last is not None:
        lost_name_locked(state, target, keep, last)
    state.nodes.table(source.directory).take(source.name)
    table.put(source, new_parent, new_name, target.cookie if target is not None else None)
    _now_marked(source, moved)


def _plan_locked(
    state: State, moved: Moved, path: bytes, new_parent: Node, new_name: bytes, target: Entry | None
) -> Plan:
    if target is not None and target.kind is Kind.DIR and state.holds_marks(target):
        old = state.nodes.of(target).marks
        return plans.over_marked_dir(
            moved, path, old, dialect=state.dialect, temp=state.temp(), spare=state.temp()
        )
    onto = state.occupant(new_parent, new_name)
    return plans.rename(moved, path, onto=onto, dialect=state.dialect, temp=state.temp())


def _exchange_locked(state: State, source: Entry, target: Entry) -> None:
    one = _moved_locked(state, source, covered=state.covers(target))
    other = _moved_locked(state, target, covered=state.covers(source))
    state.publish_locked(plans.exchange(one, other, state.dialect))
    places = [(entry.directory, entry.name, entry.cookie) for entry in (source, target)]
    for directory, name, _ in places:
        state.nodes.table(directory).take(name)
    for entry, (directory, name, cookie) in zip((target, source), places, strict=True):
        state.nodes.table(directory).put(entry, directory, name, cookie)
    _now_marked(source, one)
    _now_marked(target, other)


def _moved_locked(state: State, entry: Entry, covered: bool) -> Moved:
    node = state.nodes.of(entry)
    marks = plans.marks_at(
        node.marks, below=node.below, merges=bool(node.lowers), covered=covered, kind=node.kind
    )
    return Moved(state.nodes.path_of(entry), node.kind, state.covers(entry), node.marks, marks)


def _now_marked(entry: Entry, moved: Moved) -> None:
    assert entry.node is not None
    entry.node.marks = moved.new
    entry.node.stat = None
