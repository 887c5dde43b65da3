"""``unionfs tree``: a union as a tree for people, with the layer that each file comes from."""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Iterator
from typing import TYPE_CHECKING

from unionfs.cli import image_options
from unionfs.cli.parsers import Subparsers
from unionfs.errors import printable
from unionfs.types import Kind

if TYPE_CHECKING:
    from unionfs.core.node import Node
    from unionfs.core.union import Union

_SUFFIX = {Kind.DIR: "/", Kind.FIFO: "|", Kind.SOCKET: "="}
_BRANCHES = ("├─ ", "└─ ", "│  ")
_PLAIN_BRANCHES = ("|- ", "`- ", "|  ")
_COLUMN = 34
"""Where the layers' names begin, in characters."""


def add_parser(subparsers: Subparsers) -> None:
    parser = subparsers.add_parser(
        "tree",
        usage="[OPTION]... IMAGE[:/PATH]",
        help="show an image as a tree",
        description="Show an image, or a directory of it, as a tree, with the layers that each file is in.",
    )
    image_options.add_path(parser)
    image_options.add_source(parser)
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    from unionfs.adapters.memory.resolve import resolve
    from unionfs.cli.target import shown_image

    with shown_image(args) as (fs, path):
        for line in lines(fs.union, resolve(fs.union, os.fsencode(path)), path):
            print(line)
    return 0


def lines(union: Union, top: Node | None = None, name: str = "/") -> Iterator[str]:
    """One line a file, from `top` (by default the root) down; layers are numbered from the lowest, 1, up."""
    top = top or union.root
    yield _line(printable(name), _layer(union, top))
    if top.is_dir:
        yield from _below(union, top, "")


def _below(union: Union, directory: Node, indent: str) -> Iterator[str]:
    branch, last_branch, trunk = _branches()
    names = sorted(entry.name for entry in union.readdir(directory))
    for name in names:
        last = name == names[-1]
        node = union.lookup(directory, name)
        text = f"{indent}{last_branch if last else branch}{_shown(union, node, name)}"
        yield _line(text, _layer(union, node))
        if node.is_dir:
            yield from _below(union, node, indent + ("   " if last else trunk))


def _branches() -> tuple[str, str, str]:
    """Those that the terminal can show."""
    try:
        "".join(_BRANCHES).encode(sys.stdout.encoding)
    except UnicodeEncodeError:
        return _PLAIN_BRANCHES
    return _BRANCHES


def _shown(union: Union, node: Node, name: bytes) -> str:
    text = printable(os.fsdecode(name)) + _SUFFIX.get(node.kind, "")
    if node.kind is Kind.SYMLINK:
        text += " -> " + printable(os.fsdecode(union.readlink(node)))
    return text


def _line(text: str, layer: str) -> str:
    return f"{text:<{_COLUMN}} {layer}"


def _layer(union: Union, node: Node) -> str:
    """Of a directory, all that merge in it."""
    numbers = [f"{len(union.lowers) - place.layer}" for place in reversed(node.lowers)]
    if node.upper:
        numbers = [*(numbers if node.is_dir else []), "upper"]
    return "layer " + "+".join(numbers) if numbers != ["upper"] else "upper"
