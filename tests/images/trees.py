"""What a reader of a union sees, as a value that can be compared."""

from __future__ import annotations

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
