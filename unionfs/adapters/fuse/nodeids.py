"""The numbers by which the kernel speaks of nodes, and how often it has been told of each."""

from __future__ import annotations

import errno
import sys
from threading import Lock

from unionfs.adapters.fuse.memory import give_back
from unionfs.adapters.fuse.protocol import ROOT_ID
from unionfs.core.node import Node
from unionfs.core.union import Union
from unionfs.errors import error

_ROOM = 1024
"""Bytes of table an entry: ten times what a dict takes that is well filled."""

_FEW = 100


class NodeIds:
    """Keeps a node for as long as the kernel knows it. A node's number is its address, which is its own."""

    def __init__(self, union: Union) -> None:
        self._union = union
        self._lock = Lock()
        self._nodes = {ROOT_ID: union.root}
        self._more: dict[int, int] = {}
        """How many times more than once the kernel has been told, of those of which it was told again."""

    def __getitem__(self, nodeid: int) -> Node:
        """The node with this number; ESTALE where the kernel has forgotten it, or made it up."""
        try:
            return self._nodes[nodeid]
        except KeyError:
            raise error(errno.ESTALE) from None

    def __len__(self) -> int:
        return len(self._nodes)

    def number(self, node: Node) -> int:
        """The node's number."""
        return ROOT_ID if node is self._union.root else id(node)

    def remember(self, node: Node) -> int:
        """The node's number, which the kernel is about to be told once more."""
        nodeid = id(node)
        if node is self._union.root:
            return ROOT_ID
        with self._lock:
            if nodeid in self._nodes:
                self._more[nodeid] = self._more.get(nodeid, 0) + 1
            else:
                self._nodes[nodeid] = node
        return nodeid

    def forget(self, nodeid: int, count: int) -> None:
        """The kernel lets go of a node that it was told of `count` times."""
        if nodeid == ROOT_ID:
            return
        with self._lock:
            left = 1 + self._more.pop(nodeid, 0) - count
            if left > 0 and nodeid in self._nodes:
                if left > 1:
                    self._more[nodeid] = left - 1
                return
            node = self._nodes.pop(nodeid, None)
        if node is not None:
            self._union.forget(node)
        if sys.getsizeof(self._nodes) > _ROOM * (len(self._nodes) + _FEW):
            self._shrink()

    def _shrink(self) -> None:
        """A dict never gets smaller by itself, however little is left in it."""
        with self._lock:
            self._nodes, self._more = dict(self._nodes), dict(self._more)
        give_back()
