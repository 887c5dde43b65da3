"""Making files, directories, symbolic links, devices, and further names for what there is."""

from __future__ import annotations

import errno
import stat as _s

from unionfs.core.attrs import default_acl_locked
from unionfs.core.copyup import raise_dir_locked, raise_node
from unionfs.core.dialect import Marks
from unionfs.core.node import Node, OpenFiles
from unionfs.core.plans import create as plans
from unionfs.core.plans.rename import marks_at
from unionfs.core.state import State
from unionfs.core.steps import upper
from unionfs.errors import error
from unionfs.types import NAME_MAX, File, Owner


def make_locked(
    state: State,
    parent: Node,
    name: bytes,
    mode: int,
    umask: int,
    owner: Owner,
    *,
    rdev: int = 0,
    target: bytes = b"",
) -> tuple[Node, File | None]:
    """Make anything; `mode` includes the format bits. A regular file is handed over open."""
    if not state.dialect.allows_node(mode, rdev):
        raise error(errno.EPERM, name)
    _free_name_locked(state, parent, name)
    table = state.nodes.table(parent)
    around = state.nodes.stat(parent)
    traits = plans.inherit(around, default_acl_locked(state, parent), mode, umask, owner)
    path = state.path_in(parent, name)
    opaque = _s.S_ISDIR(mode) and table.covers(name)
    plan = plans.new(
        path,
        traits,
        rdev=rdev,
        target=target,
        natural=traits.owner == state.writable.store.owner and not around.mode & _s.S_ISGID,
        over_whiteout=name in table.whiteouts,
        opaque=opaque,
        dialect=state.dialect,
        temp=state.temp(),
        spare=state.temp(),
    )
    file = state.publish_locked(plan, keep=upper(path))
    node = state.nodes.created(upper(path))
    node.marks = Marks(opaque=opaque)
    if node.table is not None:
        node.table.default_acl = traits.default
    state.nodes.add(parent, name, node)
    parent.stat = None
    return node, file


def make_unnamed_locked(
    state: State, parent: Node, mode: int, umask: int, owner: Owner
) -> tuple[Node, File | None]:
    """Make a regular file that the work tree keeps until it gets a name, and hand it over open."""
    if not parent.is_dir:
        raise error(errno.ENOTDIR)
    default = default_acl_locked(state, parent)
    traits = plans.inherit(state.nodes.stat(parent), default, _s.S_IFREG | mode, umask, owner)
    at = state.temp()
    file = state.publish_locked(plans.unnamed(at, traits), keep=at)
    node = state.nodes.created(at)
    node.aside, node.extra_links = at, -1
    return node, file


def mode_of_node(mode: int) -> int:
    """What mknod(2) makes for a `mode`: a file if it names no format, never a directory or symbolic link."""
    match _s.S_IFMT(mode):
        case 0:
            return mode | _s.S_IFREG
        case _s.S_IFDIR:
            raise error(errno.EPERM)
        case _s.S_IFREG | _s.S_IFCHR | _s.S_IFBLK | _s.S_IFIFO | _s.S_IFSOCK:
            return mode
    raise error(errno.EINVAL)


def link(state: State, node: Node, parent: Node, name: bytes) -> None:
    with state.lock:
        _check_name_locked(state, parent, name)
    if node.is_dir:
        raise error(errno.EPERM, name)
    raise_node(state, node)
    with state.lock:
        _free_name_locked(state, parent, name)
        if node.names:
            _link_locked(state, node, parent, name)
        elif node.files is not None and node.files.unnamed:
            _name_locked(state, node, node.files, parent, name)
        else:
            raise error(errno.ENOENT, name)


def _link_locked(state: State, node: Node, parent: Node, name: bytes) -> None:
    plan = plans.link(
        state.nodes.home(node),
        state.path_in(parent, name),
        over_whiteout=name in state.nodes.table(parent).whiteouts,
        kind=node.kind,
        dialect=state.dialect,
        temp=state.temp(),
        spare=state.temp(),
    )
    state.mark_locked(
        node, marks_at(node.marks, below=node.below, merges=False, covered=False, kind=node.kind)
    )
    state.publish_locked(plan)
    state.nodes.add(parent, name, node)
    state.nodes.remember_links(node)
    parent.stat = None


def _name_locked(state: State, node: Node, files: OpenFiles, parent: Node, name: bytes) -> None:
    """Give a file that was made without a name its first: it leaves the work tree for good."""
    plan = state.dialect.move(
        state.nodes.home(node),
        upper(state.path_in(parent, name)),
        node.kind,
        leave_whiteout=False,
        onto=state.occupant(parent, name),
        temp=state.temp(),
    )
    state.publish_locked(plan)
    node.aside, files.unnamed = None, False
    node.extra_links += 1
    state.nodes.add(parent, name, node)
    parent.stat = None


def _free_name_locked(state: State, parent: Node, name: bytes) -> None:
    """Check that something may be made under a name, and have its directory in the upper layer."""
    _check_name_locked(state, parent, name)
    raise_dir_locked(state, parent)


def _check_name_locked(state: State, parent: Node, name: bytes) -> None:
    if state.nodes.find(parent, name) is not None:
        raise error(errno.EEXIST, name)
    check_new_name(state, name)


def check_new_name(state: State, name: bytes) -> None:
    """EINVAL for what cannot be a name; EPERM for one that the upper layer would read back as a mark."""
    if len(name) > NAME_MAX:
        raise error(errno.ENAMETOOLONG, name)
    if name in (b"", b".", b"..") or b"/" in name or b"\0" in name:
        raise error(errno.EINVAL, name)
    if not state.dialect.allows_name(name):
        raise error(errno.EPERM, name)
