"""The flags of chattr(1): which of them a union lets through to the file in the upper layer.

Those go through that concern the file's own data and nobody else. Immutable and append-only
files could not be renamed, linked or removed by the union itself, which the kernel's overlayfs
gets round by keeping these two in a mark of its own and having its inodes enforce them; a mount
over FUSE cannot. So they are not shown and cannot be set, nor can what has to do with quotas or
with how names are looked up.
"""

from __future__ import annotations

import errno

from unionfs.core.copyup import raise_node
from unionfs.core.node import Node
from unionfs.core.state import State
from unionfs.core.steps import Plan, SetFlags
from unionfs.core.store import HasFlags, Store
from unionfs.errors import error
from unionfs.types import FlagsForm, Kind

_WORD = 4
"""Both forms begin with the flags; bytes."""

# linux, include/uapi/linux/fs.h: FS_*_FL and FS_XFLAG_*.
_IMMUTABLE_OR_APPEND = {FlagsForm.IFLAGS: 0x10 | 0x20, FlagsForm.FSXATTR: 0x08 | 0x10}
_CHANGEABLE = {
    # secure deletion, undelete, compress, sync, nodump, noatime, nocompress, journal data, notail,
    # dirsync, topdir, nocow
    FlagsForm.IFLAGS: 0x01 | 0x02 | 0x04 | 0x08 | 0x40 | 0x80 | 0x400 | 0x4000 | 0x8000 | 0x10000
    | 0x20000 | 0x800000,
    FlagsForm.FSXATTR: 0x20 | 0x40 | 0x80,  # sync, noatime, nodump
}  # fmt: skip
_KEPT = {FlagsForm.IFLAGS: slice(0, 0), FlagsForm.FSXATTR: slice(12, 20)}
"""What else must stay as it is: the project and the size of extents to reserve when writing."""


def get_flags(state: State, node: Node, form: FlagsForm) -> bytes:
    with state.lock:
        store, path, _dialect = state.nodes.store_of(node)
        return _shown(form, _stored(store, path, node, form))


def set_flags(state: State, node: Node, form: FlagsForm, value: bytes) -> None:
    if len(value) != form.value:
        raise error(errno.EINVAL)
    now = get_flags(state, node, form)
    if (_word(now) ^ _word(value)) & ~_CHANGEABLE[form] or now[_KEPT[form]] != value[_KEPT[form]]:
        raise error(errno.EOPNOTSUPP)
    raise_node(state, node)
    with state.lock:
        at = state.nodes.home(node)
        stored = _stored(state.writable.tree(at), at.path, node, form)
        word = _word(stored) & ~_CHANGEABLE[form] | _word(value) & _CHANGEABLE[form]
        state.publish_locked(Plan(commit=(SetFlags(at, form, _with_word(stored, word)),)))
        node.stat = None


def _stored(store: Store | HasFlags, path: bytes, node: Node, form: FlagsForm) -> bytes:
    if hasattr(store, "flags") and node.kind in (Kind.FILE, Kind.DIR):
        return store.flags(path, form)
    raise error(errno.ENOTTY)


def _shown(form: FlagsForm, stored: bytes) -> bytes:
    return _with_word(stored, _word(stored) & ~_IMMUTABLE_OR_APPEND[form])


def _word(value: bytes) -> int:
    return int.from_bytes(value[:_WORD], "little")


def _with_word(value: bytes, word: int) -> bytes:
    return word.to_bytes(_WORD, "little") + value[_WORD:]
