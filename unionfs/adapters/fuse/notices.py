"""What the daemon tells the kernel without being asked: data to keep, and what is no longer true."""

from __future__ import annotations

import logging
from collections.abc import Callable

from unionfs.adapters.fuse import protocol

_log = logging.getLogger(__name__)


class Notices:
    """Sends notices about nodes by their numbers; of no effect until `start`.

    Each takes locks in the kernel that a request under way may hold until it is answered. So
    nobody may send one on whose answer such a request waits: no page of a file while the file
    may be being read, no entry of a directory from the thread that answers requests.
    """

    def __init__(self) -> None:
        self._send: Callable[..., None] | None = None

    def start(self, send: Callable[..., None]) -> None:
        """`send` takes the parts of one notice."""
        self._send = send

    def data(self, nodeid: int, data: memoryview) -> None:
        """A file's whole content, for the kernel to keep."""
        self._tell(protocol.notice_of_data(nodeid, 0, len(data)), data)

    def inode_changed(self, nodeid: int) -> None:
        """Attributes and data of a node are not what the kernel has been told."""
        self._tell(protocol.notice_of_inode(nodeid, 0, 0))

    def entry_changed(self, parent: int, name: bytes) -> None:
        """A name stands for something else, or for nothing."""
        self._tell(protocol.notice_of_entry(parent, name))

    def _tell(self, *parts: bytes | memoryview) -> None:
        if self._send is None:
            return
        try:
            self._send(*parts)
        except OSError as failure:
            _log.debug("a notice came to nothing: %s", failure)
