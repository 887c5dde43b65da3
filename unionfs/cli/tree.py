"""A union as a tree for people, with the layer that each file comes from."""

from __future__ import annotations

import os
from collections.abc import Iterator

from unionfs.core.node import Node
from unionfs.core.union import Union
from unionfs.types import Kind

_SUFFIX = {Kind.DIR: "/", Kind.FIFO: "|", Kind.SOCKET: "="}
_COLUMN = 34
"""Where the layers' names begin, in characters."""


def lines(union: Union) -> Iterator[str]:
    """One line a file; the layers are numbered from the lowest, 1, up."""
    yield _line("/", _layer(union, union.root))
    yield from _below(union, union.root, "")


def _below(union: Union, directory: Node, indent: str) -> Iterator[str]:
    names = sorted(entry.name for entry in union.readdir(directory))
    for name in names:
        last = name == names[-1]
        node = union.lookup(directory, name)
        text = f"{indent}{'└─ ' if last else '├─ '}{_shown(union, node, name)}"
        yield _line(text, _layer(union, node))
        if node.is_dir:
            yield from _below(union, node, indent + ("   " if last else "│  "))


def _shown(union: Union, node: Node, name: bytes) -> str:
    text = os.fsdecode(name).encode("utf-8", "backslashreplace").decode() + _SUFFIX.get(node.kind, "")
    if node.kind is Kind.SYMLINK:
        text += " -> " + os.fsdecode(union.readlink(node))
    return text


def _line(text: str, layer: str) -> str:
    return f"{text:<{_COLUMN}} {layer}"


def _layer(union: Union, node: Node) -> str:
    """Of a directory, all that merge in it."""
    numbers = [f"{len(union.lowers) - place.layer}" for place in reversed(node.lowers)]
    if node.upper:
        numbers = [*(numbers if node.is_dir else []), "upper"]
    return "layer " + "+".join(numbers) if numbers != ["upper"] else "upper"
