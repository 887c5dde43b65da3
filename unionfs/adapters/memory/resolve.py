"""Paths to nodes, as path_resolution(7) says, with the union's root as the root.

A relative path starts at the root too: a union has no current directory. An
absolute symbolic link starts at the union's root, and `..` stays there.
"""

from __future__ import annotations

import errno
from typing import NamedTuple

from unionfs.adapters.memory.tree import Tree
from unionfs.core.node import Node
from unionfs.errors import error
from unionfs.types import Kind

MAX_LINKS = 40  # path_resolution(7): more symbolic links than this give ELOOP

NOT_NAMES = (b"", b".", b"..")
"""Last components that no entry can be made, removed or renamed under; b"" is that of ``/``."""


class Slot(NamedTuple):
    """A name in a directory, whether or not there is anything: what calls that make or remove need."""

    parent: Node
    name: bytes
    slash: bool
    """Whether a slash follows the name, which asks for a directory."""


def resolve(tree: Tree, path: bytes, follow: bool = True, start: Node | None = None) -> Node:
    """The node that `path` leads to from `start` (by default the root).

    A symbolic link at the end is followed if `follow`, or if a slash comes after it.
    Raises ENOENT, ENOTDIR, ELOOP or ENAMETOOLONG.
    """
    at = _start(tree, path, start)
    ahead = _components(path)
    links = 0
    while ahead:
        node = _step(tree, at, ahead.pop())
        if node.kind is not Kind.SYMLINK or not (follow or ahead):
            at = node
            continue
        links += 1
        if links > MAX_LINKS:
            raise error(errno.ELOOP)
        target = tree.readlink(node)
        at = _start(tree, target, at)
        ahead += _components(target)
    return at


def locate(tree: Tree, path: bytes, start: Node | None = None) -> Slot:
    """The place that `path` names; a symbolic link there is not followed."""
    if not path:
        raise error(errno.ENOENT)
    trimmed = path.rstrip(b"/")
    cut = trimmed.rfind(b"/") + 1
    parent = resolve(tree, trimmed[:cut], start=start) if cut else _start(tree, path, start)
    return Slot(parent, trimmed[cut:], slash=len(trimmed) < len(path))


def locate_new(tree: Tree, path: bytes, directory: bool = False) -> Slot:
    """The place where something new shall be made.

    Raises EEXIST for a path that ends in no name, ENOENT for a slash after the name of
    what is not to be a `directory`. That the name is free is not checked.
    """
    slot = locate(tree, path)
    if slot.name in NOT_NAMES:
        raise error(errno.EEXIST)
    if slot.slash and not directory:
        raise error(errno.ENOENT if occupant(tree, slot) is None else errno.EEXIST)
    return slot


def locate_for_open(tree: Tree, path: bytes) -> Slot:
    """The place of a file to open or else to make: O_CREAT follows symbolic links, also dangling ones."""
    slot = locate(tree, path)
    for _ in range(MAX_LINKS + 1):
        if slot.slash or slot.name in NOT_NAMES:
            raise error(errno.EISDIR)
        node = occupant(tree, slot)
        if node is None or node.kind is not Kind.SYMLINK:
            return slot
        slot = locate(tree, tree.readlink(node), slot.parent)
    raise error(errno.ELOOP)


def occupant(tree: Tree, slot: Slot) -> Node | None:
    """What is at `slot`."""
    try:
        return tree.lookup(slot.parent, slot.name)
    except FileNotFoundError:
        return None


def _start(tree: Tree, path: bytes, relative: Node | None) -> Node:
    """Where `path` starts; ENOENT for the empty path, as POSIX has it."""
    if not path:
        raise error(errno.ENOENT)
    return tree.root if relative is None or path.startswith(b"/") else relative


def _components(path: bytes) -> list[bytes]:
    """The names in `path`, last one first; a slash at the end is as good as ``/.``."""
    names = [name for name in path.split(b"/") if name]
    if path.endswith(b"/"):
        names.append(b".")
    names.reverse()
    return names


def _step(tree: Tree, at: Node, name: bytes) -> Node:
    if at.kind is not Kind.DIR:
        raise error(errno.ENOTDIR)
    if name == b".":
        return at
    if name == b"..":
        return tree.parent(at)
    return tree.lookup(at, name)
