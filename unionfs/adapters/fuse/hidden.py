"""Files that are open but have no name left.

libfuse 2 knows a file by its path alone. When an open file loses its name, libfuse
renames it to ``.fuse_hidden…`` beside its old place, goes on asking by that path, and
unlinks it after the last close. Carried out as asked, such names would be seen in the
union and be left in the upper layer by a daemon that is killed. With libfuse's
``hard_remove`` instead, fstat(2) and fchmod(2) of such a file give ENOENT.

So the name is removed from the union, and the path that libfuse made up is kept here.

libfuse does the same to an open file that another is about to be renamed onto. Where both are
one file, rename(2) shall do nothing: then the name comes back. What tells this from a name that
was removed is that nobody has looked for it since, as the kernel does before it renames.
"""

from __future__ import annotations

import re

from unionfs.core.node import Node

Place = tuple[Node, bytes]
"""A directory, and a name in it."""

_NAME = re.compile(rb"\.fuse_hidden[0-9a-f]{16}\Z")


class Hidden:
    """The made-up names: by directory and name, which file libfuse means."""

    def __init__(self) -> None:
        self._nodes: dict[Place, Node] = {}
        self._taken: tuple[Place, Node] | None = None
        """The name that was taken away last, if nobody has looked for it since."""

    @staticmethod
    def is_name(name: bytes) -> bool:
        return _NAME.match(name) is not None

    def put(self, made_up: Place, node: Node, was: Place) -> None:
        self._nodes[made_up] = node
        self._taken = was, node

    def get(self, directory: Node, name: bytes) -> Node | None:
        place = directory, name
        if self._taken is not None and self._taken[0] == place:
            self._taken = None
        return self._nodes.get(place)

    def is_to_come_back(self, place: Place, node: Node) -> bool:
        """Whether `place` was a name of `node` until that was renamed onto it."""
        return self._taken == (place, node)

    def pop(self, directory: Node, name: bytes) -> Node | None:
        return self._nodes.pop((directory, name), None)

    def forget(self, node: Node) -> None:
        """`node` was closed for the last time. libfuse does not say so when the directory is gone too."""
        for place in [place for place, hidden in self._nodes.copy().items() if hidden is node]:
            self._nodes.pop(place, None)
