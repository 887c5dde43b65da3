"""Attributes and extended attributes of nodes. Changing them copies no data up, but for sizes."""

from __future__ import annotations

import errno
import stat as _s

from unionfs.core import acl
from unionfs.core.acl import Acl
from unionfs.core.completion import fill, now_whole_locked
from unionfs.core.copyup import raise_node
from unionfs.core.node import Node
from unionfs.core.plans.attrs import SAME, Changes, change
from unionfs.core.state import State
from unionfs.core.steps import Plan, RemoveXattr, SetXattr
from unionfs.errors import error
from unionfs.types import Kind, XattrFlags

__all__ = [
    "SAME",
    "Changes",
    "default_acl_locked",
    "get_xattr",
    "list_xattrs",
    "remove_xattr",
    "set_attributes",
    "set_xattr",
]

_NOTHING = Changes()

_SET_ID = _s.S_ISUID | _s.S_ISGID
_SECURITY = b"security."


def set_attributes(state: State, node: Node, changes: Changes) -> None:
    if changes.size is not None and node.kind is not Kind.FILE:
        raise error(errno.EISDIR if node.is_dir else errno.EINVAL)
    if changes == _NOTHING:
        return
    raise_node(state, node, changes.size)
    if changes.size is not None and _resized(state, node, changes.size):
        changes = changes._replace(size=None)
    if changes.mode is not None and changes.mode & _SET_ID:
        fill(state, node)  # copying data afterwards would take these bits away again
    with state.lock:
        plan = change(state.nodes.home(node), state.nodes.stat(node), changes)
        try:
            state.publish_locked(plan)
            if node.partial is not None and changes.mtime_ns is not None:
                node.partial.set_time(changes.mtime_ns)
        finally:
            node.stat = None


def _resized(state: State, node: Node, size: int) -> bool:
    """Resize a file whose data is being copied."""
    with state.lock:
        partial = node.partial.hold() if node.partial is not None else None
    if partial is None:
        return False
    try:
        partial.truncate(size)
        with state.lock:
            node.stat = None
            now_whole_locked(state, node)  # if that was all that was missing
    finally:
        partial.close()
    return True


def list_xattrs(state: State, node: Node) -> list[bytes]:
    with state.lock:
        store, path, dialect = state.nodes.store_of(node)
        shown = map(dialect.shown_xattr, store.listxattr(path))
        return [name for name in shown if name is not None]


def get_xattr(state: State, node: Node, name: bytes) -> bytes:
    with state.lock:
        store, path, dialect = state.nodes.store_of(node)
        try:
            return store.getxattr(path, dialect.stored_xattr(name))
        except OSError as failure:
            if failure.errno == errno.EOPNOTSUPP and _may_have_acl(node, name):
                raise error(errno.ENODATA) from None  # this layer's file system has no ACLs
            raise


def default_acl_locked(state: State, directory: Node) -> Acl:
    """The ACL that what is made in a directory inherits: read the first time, remembered afterwards."""
    table = state.nodes.table(directory)
    if table.default_acl is None:
        try:
            table.default_acl = acl.parse(get_xattr(state, directory, acl.DEFAULT))
        except OSError as failure:
            if failure.errno != errno.ENODATA:
                raise
            table.default_acl = ()
    return table.default_acl


def set_xattr(state: State, node: Node, name: bytes, value: bytes, flags: XattrFlags) -> None:
    _check_presence(state, node, name, flags)
    raise_node(state, node)
    if name.startswith(_SECURITY):
        fill(state, node)  # as for set-id bits
    with state.lock:
        at = state.nodes.home(node)
        step = SetXattr(at, state.dialect.stored_xattr(name), value, flags)
        state.publish_locked(Plan(commit=(step,)))
        _changed_locked(node, name)


def remove_xattr(state: State, node: Node, name: bytes) -> None:
    if _may_have_acl(node, name) and name not in list_xattrs(state, node):
        return  # as Linux has it: there may be one, so that none is no error
    _check_presence(state, node, name, XattrFlags.REPLACE)
    raise_node(state, node)
    with state.lock:
        step = RemoveXattr(state.nodes.home(node), state.dialect.stored_xattr(name))
        state.publish_locked(Plan(commit=(step,)))
        _changed_locked(node, name)


def _changed_locked(node: Node, name: bytes) -> None:
    node.stat = None
    if name == acl.DEFAULT and node.table is not None:
        node.table.default_acl = None


def _may_have_acl(node: Node, name: bytes) -> bool:
    return name in acl.NAMES and node.kind is not Kind.SYMLINK


def _check_presence(state: State, node: Node, name: bytes, flags: XattrFlags) -> None:
    """Fail before a copy-up rather than after it."""
    if not flags or name in acl.NAMES:  # to ACLs the flags do not apply (linux, fs/xattr.c)
        return
    exists = name in list_xattrs(state, node)
    if exists and flags & XattrFlags.CREATE:
        raise error(errno.EEXIST)
    if not exists and flags & XattrFlags.REPLACE:
        raise error(errno.ENODATA)
