"""Making an upper layer plain: one whose files have their own data, and whose directories need no redirect.

That is what the kernel's overlayfs can read with `userxattr`, where it follows neither
metacopy nor redirect marks and would show such a file as empty.
"""

from __future__ import annotations

from unionfs.core import completion
from unionfs.core.copyup import raise_node, raise_tree
from unionfs.core.node import Node
from unionfs.core.state import State
from unionfs.types import Kind


def make_plain(state: State, *, files: bool, directories: bool) -> None:
    """Have no metacopy (`files`) and no redirect (`directories`) in the upper layer."""
    waiting = [state.nodes.root]
    while waiting:
        for node in _in_upper(state, waiting.pop()):
            if node.is_dir:
                if directories and node.marks.redirect is not None:
                    raise_tree(state, node)
                waiting.append(node)
            elif files and node.kind is Kind.FILE and node.marks.metacopy:
                raise_node(state, node, completion.EVERYTHING)
    completion.finish_all(state)


def _in_upper(state: State, directory: Node) -> list[Node]:
    with state.lock:
        entries = list(state.nodes.table(directory).entries.values())
        return [state.nodes.of(entry) for entry in entries if entry.in_upper]
