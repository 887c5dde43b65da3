"""Files that are open but have no name left.

libfuse 2 knows a file by its path alone. When an open file loses its name, libfuse
renames it to ``.fuse_hidden…`` beside its old place, goes on asking by that path, and
unlinks it after the last close. Carried out as asked, such names would be seen in the
union and be left in the upper layer by a daemon that is killed. With libfuse's
``hard_remove`` instead, fstat(2) and fchmod(2) of such a file give ENOENT.

So the name is removed from the union, and the path that libfuse made up is kept here.
"""

from __future__ import annotations

import re

from unionfs.core.node import Node

_NAME = re.compile(rb"\.fuse_hidden[0-9a-f]{16}\Z")


class Hidden:
    """The made-up names: by directory and name, which file libfuse means."""

    def __init__(self) -> None:
        self._nodes: dict[tuple[Node, bytes], Node] = {}

    @staticmethod
    def is_name(name: bytes) -> bool:
        return _NAME.match(name) is not None

    def put(self, directory: Node, name: bytes, node: Node) -> None:
        self._nodes[directory, name] = node

    def get(self, directory: Node, name: bytes) -> Node | None:
        return self._nodes.get((directory, name))

    def pop(self, directory: Node, name: bytes) -> Node | None:
        return self._nodes.pop((directory, name), None)

    def forget(self, node: Node) -> None:
        """`node` was closed for the last time. libfuse does not say so when the directory is gone too."""
        for place in [place for place, hidden in self._nodes.copy().items() if hidden is node]:
            self._nodes.pop(place, None)
