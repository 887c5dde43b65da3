"""Passthrough: the kernel reads and writes an open file's data itself, without asking.

Linux 6.9 and later, for a daemon with CAP_SYS_ADMIN. While a node is open in this way,
every further open of it must be too, and with the same backing file; while it is open
in any other way, none may be (KERNEL.md; linux, fs/fuse/iomode.c). So how a node is open
stays as it is until its last handle closes.

In a writable union only what is whole in the upper layer is handed over. A lower file is
not, for it may be copied up while it is open, and whoever has it open must see that.
"""

from __future__ import annotations

import fcntl
import logging
import struct
from threading import Lock

from unionfs.core.handle import Handle
from unionfs.core.node import Node
from unionfs.types import Access

_BACKING_OPEN = 0x4010E501
_BACKING_CLOSE = 0x4004E502
_BACKING_MAP = struct.Struct("=iIQ")

_log = logging.getLogger(__name__)


class Opened:
    """How a node is open, and how often; `backing_id` is 0 where the daemon serves its data."""

    __slots__ = ("backing_id", "count")

    def __init__(self, backing_id: int) -> None:
        self.backing_id = backing_id
        self.count = 0


class Passthrough:
    """Decides how nodes are opened. Off until `start`, and again after the kernel's first refusal."""

    def __init__(self, *, read_only: bool) -> None:
        self._read_only = read_only
        self._device = -1
        self._on = False
        self._lock = Lock()
        self._open: dict[Node, Opened] = {}

    def start(self, device: int) -> None:
        """The kernel has agreed to passthrough on this descriptor of /dev/fuse."""
        self._device, self._on = device, True

    @property
    def is_used(self) -> bool:
        """Whether a node is open in this way, so that it must not be opened in any other."""
        with self._lock:
            return any(known.backing_id for known in self._open.values())

    def opened(self, handle: Handle, access: Access, *, is_wanted: bool = True) -> Opened:
        """How to open a node once more; to be matched by `closed`, also after an error.

        Without `is_wanted` it is not passed through, unless it is already.
        """
        with self._lock:
            known = self._open.get(handle.node)
            if known is None:
                known = self._open[handle.node] = Opened(self._register(handle) if is_wanted else 0)
            known.count += 1
        if known.backing_id and access.has(Access.WRITE):
            handle.prepare_to_write()
        return known

    def closed(self, node: Node) -> None:
        with self._lock:
            known = self._open[node]
            known.count -= 1
            if known.count == 0:
                del self._open[node]
                self._unregister(known.backing_id)

    def _register(self, handle: Handle) -> int:
        descriptor = handle.fileno() if self._on and self._is_settled(handle.node) else None
        if descriptor is None:
            return 0
        argument = bytearray(_BACKING_MAP.pack(descriptor, 0, 0))
        try:
            backing_id: int = fcntl.ioctl(self._device, _BACKING_OPEN, argument)
            return backing_id
        except OSError as refusal:
            _log.debug("no passthrough on this mount: %s", refusal)
            self._on = False
            return 0

    def _unregister(self, backing_id: int) -> None:
        if backing_id:
            fcntl.ioctl(self._device, _BACKING_CLOSE, struct.pack("=I", backing_id))

    def _is_settled(self, node: Node) -> bool:
        """Whether the node's data stays where it is for as long as it is open."""
        return self._read_only or (node.upper and node.data is None)
