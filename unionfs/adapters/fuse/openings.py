"""Files that are open through a mount, and how the kernel gets at their data.

There are three ways, and the cheapest that is right is taken for each node:

- passthrough: the kernel reads and writes by itself (`passthrough`);
- preloaded: a small file is handed over whole with the answer to its first OPEN, so that
  neither reading it nor looking at it afterwards asks again;
- served: READ and WRITE come to us.

In a read-only union the kernel need not tell us of opening at all: once small files have
been opened often, OPEN is refused for good, and from then on requests about data name a
node instead of an open file.
"""

from __future__ import annotations

import errno
import os
from collections import OrderedDict

from unionfs.adapters.fuse import protocol
from unionfs.adapters.fuse.flags import access_of
from unionfs.adapters.fuse.handles import Handles
from unionfs.adapters.fuse.notices import Notices
from unionfs.adapters.fuse.passthrough import Passthrough
from unionfs.adapters.fuse.protocol import InitFlags, OpenFlags
from unionfs.core.handle import Handle
from unionfs.core.node import Node
from unionfs.core.union import Union
from unionfs.errors import error
from unionfs.types import Access

PRELOADED = 64 << 10
"""Files below this size are handed over whole: about what a request costs to copy, in bytes."""

LARGE = 1 << 20
"""From this size on, passthrough is worth more to a reader than not being asked, in bytes."""

OPENED_OFTEN = 64
"""How many small files are opened before OPEN is refused for good."""

_LENT = 64
"""How many files are kept open for a kernel that does not tell of opening."""

_OPENED = OpenFlags.KEEP_CACHE | OpenFlags.NOFLUSH

_FLUSHED = OpenFlags.KEEP_CACHE
"""With a FLUSH at every close(2), which tells what has gone wrong behind the writer of a lower file."""

_PASSED_THROUGH = OpenFlags.PASSTHROUGH | OpenFlags.NOFLUSH
"""There are no pages to keep; the kernel refuses such an open with EIO (linux, fs/fuse/iomode.c)."""


class Openings:
    def __init__(self, union: Union, notices: Notices) -> None:
        self._union = union
        self._notices = notices
        self._passthrough = Passthrough(read_only=union.upper is None)
        self._files: Handles[Handle] = Handles()
        self._lent: OrderedDict[int, Handle] = OrderedDict()
        self._preloading = memoryview(bytearray(PRELOADED))
        self._small_opens_left: int | None = None
        """Until OPEN is refused for good; None where it never is."""

    def start(self, flags: InitFlags, descriptor: int | None) -> None:
        """`flags` are what INIT has settled; `descriptor` is that of /dev/fuse, if there is one."""
        if flags & InitFlags.PASSTHROUGH and descriptor is not None:
            self._passthrough.start(descriptor)
        if flags & InitFlags.NO_OPEN_SUPPORT and self._union.upper is None:
            self._small_opens_left = OPENED_OFTEN

    def open(self, nodeid: int, node: Node, flags: int) -> bytes:
        """The body of the answer to OPEN; ENOSYS to be asked no more."""
        is_small = self._union.upper is None and self._union.getattr(node).size < LARGE
        if is_small and self._small_opens_left is not None:
            if self._small_opens_left == 0 and not self._passthrough.is_used:
                raise error(errno.ENOSYS)
            self._small_opens_left = max(0, self._small_opens_left - 1)
        # The kernel says where the end is; and O_APPEND may be taken away later (fcntl(2), F_SETFL).
        handle = self._union.open(node, access_of(flags & ~os.O_APPEND))
        return self.opened(nodeid, handle, access_of(flags), is_small=is_small)

    def opened(self, nodeid: int, handle: Handle, access: Access, *, is_small: bool = False) -> bytes:
        """The body of the answer to OPEN, for a file that is open already.

        One that `is_small` is not passed through, so that OPEN can be refused one day.
        """
        try:
            how = self._passthrough.opened(handle, access, is_wanted=not is_small)
        except BaseException:
            self._close(handle)
            raise
        fh = self._files.add(handle)
        if how.backing_id:
            return protocol.open_out(fh, _PASSED_THROUGH, how.backing_id)
        if how.count == 1 and access == Access.READ and not handle.node.upper:
            self._preload(nodeid, handle)
        return protocol.open_out(fh, _FLUSHED if handle.may_fail_later else _OPENED)

    def _preload(self, nodeid: int, handle: Handle) -> None:
        """Nobody else has the file open, so nobody waits for one of its pages (see `Notices`)."""
        try:
            size = handle.readinto_now(self._preloading, 0)
        except OSError:
            return  # whoever reads it will be told
        if 0 < size < PRELOADED:
            self._notices.data(nodeid, self._preloading[:size])

    def __getitem__(self, fh: int) -> Handle:
        """What the kernel knows as `fh`; EBADF where that is not open."""
        return self._files[fh]

    def is_open_to_write(self, node: Node) -> bool:
        return any(handle.node is node and handle.is_writable for handle in self._files.all())

    def at_hand(self, fh: int, nodeid: int, node: Node) -> Handle:
        """An open file, also where the kernel names only its node. For the thread that answers requests."""
        if fh:
            return self._files[fh]
        handle = self._lent.get(nodeid)
        if handle is None:
            handle = self._lent[nodeid] = self._union.open(node)
            if len(self._lent) > _LENT:
                self._lent.popitem(last=False)[1].close()
        return handle

    def release(self, fh: int) -> None:
        self._close(self._files.pop(fh))

    def forget(self, nodeid: int) -> None:
        """The kernel knows nothing of this node any more."""
        handle = self._lent.pop(nodeid, None)
        if handle is not None:
            handle.close()

    def close(self) -> None:
        for handle in (*self._files.all(), *self._lent.values()):
            handle.close()

    def _close(self, handle: Handle) -> None:
        self._passthrough.closed(handle.node)
        handle.close()
