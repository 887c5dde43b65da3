"""Attributes and extended attributes of nodes. Changing them copies no data up, but for sizes."""

from __future__ import annotations

import errno

from unionfs.core.copyup import raise_node
from unionfs.core.node import Node
from unionfs.core.plans.attrs import SAME, Changes, change
from unionfs.core.state import State
from unionfs.core.steps import Plan, RemoveXattr, SetXattr
from unionfs.errors import error
from unionfs.types import Kind, XattrFlags

__all__ = ["SAME", "Changes", "get_xattr", "list_xattrs", "remove_xattr", "set_attributes", "set_xattr"]

_NOTHING = Changes()


def set_attributes(state: State, node: Node, changes: Changes) -> None:
    if changes.size is not None and node.kind is not Kind.FILE:
        raise error(errno.EISDIR if node.is_dir else errno.EINVAL)
    if changes == _NOTHING:
        return
    raise_node(state, node, changes.size)
    with state.lock:
        plan = change(state.nodes.home(node), state.nodes.stat(node), changes)
        try:
            state.publish_locked(plan)
        finally:
            node.stat = None


def list_xattrs(state: State, node: Node) -> list[bytes]:
    with state.lock:
        store, path, dialect = state.nodes.store_of(node)
        shown = map(dialect.shown_xattr, store.listxattr(path))
        return [name for name in shown if name is not None]


def get_xattr(state: State, node: Node, name: bytes) -> bytes:
    with state.lock:
        store, path, dialect = state.nodes.store_of(node)
        return store.getxattr(path, dialect.stored_xattr(name))


def set_xattr(state: State, node: Node, name: bytes, value: bytes, flags: XattrFlags) -> None:
    _check_presence(state, node, name, flags)
    raise_node(state, node)
    with state.lock:
        at = state.nodes.home(node)
        step = SetXattr(at, state.dialect.stored_xattr(name), value, flags)
        state.publish_locked(Plan(commit=(step,)))
        node.stat = None


def remove_xattr(state: State, node: Node, name: bytes) -> None:
    _check_presence(state, node, name, XattrFlags.REPLACE)
    raise_node(state, node)
    with state.lock:
        step = RemoveXattr(state.nodes.home(node), state.dialect.stored_xattr(name))
        state.publish_locked(Plan(commit=(step,)))
        node.stat = None


def _check_presence(state: State, node: Node, name: bytes, flags: XattrFlags) -> None:
    """Fail before a copy-up rather than after it."""
    if not flags:
        return
    exists = name in list_xattrs(state, node)
    if exists and flags & XattrFlags.CREATE:
        raise error(errno.EEXIST)
    if not exists and flags & XattrFlags.REPLACE:
        raise error(errno.ENODATA)
