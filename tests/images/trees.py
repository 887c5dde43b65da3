"""What a reader of a union sees, as a value that can be compared."""

from __future__ import annotations

import os
import stat
from typing import NamedTuple

from unionfs.core.node import Node
from unionfs.core.union import Union
from unionfs.images.below import entry_of, read_file
from unionfs.images.entry import Entry
from unionfs.images.image import Image, open_image
from unionfs.images.store import memory_layers
from unionfs.types import Kind

Tree = dict[bytes, tuple[Entry, bytes, int]]


def walk(union: Union, path: bytes) -> Node:
    node = union.root
    for name in path.split(b"/") if path else ():
        node = union.lookup(node, name)
    return node


def tree(union: Union) -> Tree:
    """Everything that a reader sees, inode numbers left out; link counts of files only."""
    found: Tree = {}
    todo = [b""]
    while todo:
        path = todo.pop()
        node = walk(union, path)
        data = b"".join(read_file(union, node)) if node.kind is Kind.FILE else b""
        links = 0 if node.is_dir else union.getattr(node).nlink
        found[path] = (entry_of(union, node, path), data, links)
        if node.is_dir:
            todo += [path + b"/" + entry.name if path else entry.name for entry in union.readdir(node)]
    return found


def tree_of(reference: str | Image) -> Tree:
    """That of an image, everything in it verified."""
    if isinstance(reference, Image):
        return tree(Union(memory_layers(reference)))
    with open_image(reference, tls_verify=False) as image:
        return tree_of(image)


class Facts(NamedTuple):
    """What other tools keep of a file, too: times to the second, no empty xattrs, links of no directory."""

    kind: Kind
    mode: int
    uid: int
    gid: int
    mtime: int
    xattrs: dict[bytes, bytes]
    links: int
    content: bytes
    """A regular file's data, or a symbolic link's target."""


def facts(found: Tree) -> dict[bytes, Facts]:
    """By path; not of the root, which some tools make as they like."""
    return {
        path: Facts(
            entry.kind,
            entry.mode,
            entry.uid,
            entry.gid,
            entry.mtime_ns // 10**9,
            {name: value for name, value in entry.xattrs.items() if value},
            links,
            data or entry.target,
        )
        for path, (entry, data, links) in found.items()
        if path
    }


def facts_on_disk(root: str | os.PathLike[str]) -> dict[bytes, Facts]:
    """The same of a directory of this host."""
    top = os.fsencode(root)
    paths = [os.path.join(place, name) for place, dirs, files in os.walk(top) for name in dirs + files]
    return {os.path.relpath(path, top): _on_disk(path) for path in paths}


def _on_disk(path: bytes) -> Facts:
    status = os.lstat(path)
    kind = Kind(stat.S_IFMT(status.st_mode) >> 12)
    names = os.listxattr(path, follow_symlinks=False)
    xattrs = {os.fsencode(name): os.getxattr(path, name, follow_symlinks=False) for name in names}
    content = b""
    if kind is Kind.FILE:
        with open(path, "rb") as file:
            content = file.read()
    elif kind is Kind.SYMLINK:
        content = os.readlink(path)
    return Facts(
        kind,
        stat.S_IMODE(status.st_mode),
        status.st_uid,
        status.st_gid,
        status.st_mtime_ns // 10**9,
        xattrs,
        0 if kind is Kind.DIR else status.st_nlink,
        content,
    )
