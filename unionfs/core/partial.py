"""A file whose data has not all come to the upper layer yet, and which is one file all the same.

The upper file is as long as it shall be, and holes where data is missing; that is read
from the lower file. Whoever writes brings in what is missing of the blocks that the
write only touches, so that the missing pieces stay whole blocks: a block is at any
moment either as it was or as it was written, on disk too.

Whoever changes bytes, or copies them, claims their range first. So a write waits for
those only who are at work on the very blocks that it touches. Readers claim nothing:
what is copied under them is the same in both places.
"""

from __future__ import annotations

import errno
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from threading import Condition
from typing import TypeVar

from unionfs.core.journal import Entry, write_all
from unionfs.core.plans.copyup import CHUNK, copy_chunk, data_ranges
from unionfs.core.ranges import Ranges
from unionfs.errors import error
from unionfs.types import SEEK_DATA, SEEK_HOLE, File, ReadsNow, Stat, WritesEarly

BLOCK = 4096
"""Bytes that are brought in together: what file systems put on disk at once (see `recovery`)."""

T = TypeVar("T")

_TO_THE_END = sys.maxsize

_BLOCKS = 512
"""The unit of ``st_blocks``, in bytes (stat(2))."""

_PUNCH_HOLE = 0x02 | 0x01
"""fallocate(2): FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE."""


class PartialFile:
    """A `File` over an upper one and the lower one that it is a copy of, both of which it owns.

    `entry` is where the journal keeps what was written. Several may hold it (`hold`), and
    each closes it once. `mtime_ns` is the time of the last change that a user made.
    """

    def __init__(self, upper: File, lower: File, entry: Entry) -> None:
        """`entry.limit` and `entry.written` say what of the two files counts."""
        self._upper = upper
        self._lower = lower
        self._entry = entry
        self._there = Ranges(entry.written)
        self._changed = Condition()
        self._claims: list[tuple[int, int]] = []
        self._holders = 1
        self._given_back = 0
        stat = upper.stat()
        self._size = stat.size
        self.mtime_ns = stat.mtime_ns if entry.mtime_ns is None else entry.mtime_ns
        self.is_whole = False

    @property
    def missing(self) -> int:
        """How many bytes are still to come, holes counted."""
        with self._changed:
            return self._limit - self._there.size()

    @property
    def needed(self) -> int:
        """How many bytes of room what is missing may take: holes take none."""
        return min(self.missing, self._lower.stat().blocks * _BLOCKS)

    @property
    def _limit(self) -> int:
        return self._entry.limit

    # Holders

    def hold(self) -> PartialFile:
        with self._changed:
            self._holders += 1
        return self

    @property
    def entry(self) -> Entry:
        return self._entry

    def close(self) -> None:
        with self._changed:
            self._holders -= 1
            if self._holders:
                return
        self._upper.close()
        self._lower.close()

    # Reading

    def pread(self, size: int, offset: int) -> bytes:
        if self.is_whole:
            return self._upper.pread(size, offset)
        return self._undisturbed(lambda: self._joined(size, offset))

    def _joined(self, size: int, offset: int) -> bytes:
        if size < 0 or offset < 0:
            raise error(errno.EINVAL)
        return b"".join(
            [self._read(*piece) for piece in self._pieces(offset, min(offset + size, self._size))]
        )

    def readinto_now(self, buffer: memoryview, offset: int) -> int:
        """As `pread`, if nothing has to be waited for; BlockingIOError (EAGAIN) where something has."""
        if self.is_whole:
            return self._fill_now(buffer, offset, True)
        return self._undisturbed(lambda: self._filled_now(buffer, offset))

    def _filled_now(self, buffer: memoryview, offset: int) -> int:
        if offset < 0:
            raise error(errno.EINVAL)
        size = 0
        for start, end, is_there in self._pieces(offset, min(offset + len(buffer), self._size)):
            size += self._fill_now(buffer[start - offset : end - offset], start, is_there)
        return size

    def _undisturbed(self, look: Callable[[], T]) -> T:
        """What is found while nothing is given back: then a block may go that had just been there."""
        while True:
            before = self._given_back
            found = look()
            if before == self._given_back:
                return found

    def _fill_now(self, buffer: memoryview, offset: int, is_there: bool) -> int:
        file: File | ReadsNow = self._upper if is_there else self._lower
        if not hasattr(file, "readinto_now"):
            raise error(errno.EAGAIN)
        size = file.readinto_now(buffer, offset)
        if size < len(buffer) and not is_there:
            raise error(errno.EIO)  # as `_read`
        return size

    def _pieces(self, start: int, end: int) -> list[tuple[int, int, bool]]:
        """The pieces of a range: from the upper file where the last word says so, else from the lower."""
        with self._changed:
            limit = self._limit
            pieces = list(self._there.pieces(start, min(end, limit)))
        if end > max(start, limit):
            pieces.append((max(start, limit), end, True))
        return pieces

    def _read(self, start: int, end: int, is_there: bool) -> bytes:
        if is_there:
            return self._upper.pread(end - start, start)
        data = self._lower.pread(end - start, start)
        if len(data) < end - start:
            raise error(errno.EIO)  # the lower file is shorter than it was a moment ago
        return data

    def seek(self, offset: int, whence: int) -> int:
        if self.is_whole or whence not in (SEEK_DATA, SEEK_HOLE):
            return self._upper.seek(offset, whence)
        return self._undisturbed(lambda: self._found(offset, whence))

    def _found(self, offset: int, whence: int) -> int:
        if not 0 <= offset < self._size:
            raise error(errno.ENXIO)
        for start, end, is_there in self._pieces(offset, self._size):
            found = _seek_within(self._upper if is_there else self._lower, start, end, whence)
            if found is not None:
                return found
        if whence == SEEK_HOLE:
            return self._size
        raise error(errno.ENXIO)

    def stat(self) -> Stat:
        stat = self._upper.stat()
        return stat if self.is_whole else stat._replace(mtime_ns=self.mtime_ns)

    def fileno(self) -> int | None:
        """None until it is whole: the upper file alone is not what a reader shall see."""
        return self._upper.fileno() if self.is_whole else None

    def sync(self, data_only: bool = False) -> None:
        """Of what is there; for the whole file see `completion.finish`."""
        self._upper.sync(data_only)

    # Writing

    def pwrite(self, data: bytes | memoryview, offset: int) -> int:
        if offset < 0 or not data:
            return self._upper.pwrite(data, offset)
        end = offset + len(data)
        first, last = offset - offset % BLOCK, -(-end // BLOCK) * BLOCK
        with self._claimed(first, last):
            if self.is_whole:
                return self._upper.pwrite(data, offset)
            if offset >= self._limit:  # nothing of the lower file is in the way
                first = last = offset
            head = self._edge(first, offset)
            tail = self._edge(end, last)
            write_all(self._upper, b"".join((head, data, tail)) if head or tail else data, offset - len(head))
            self._size = max(self._size, end)
            self._is_there(first, last)
        return len(data)

    def _edge(self, start: int, end: int) -> bytes:
        """What the lower file has in a part of a block, if the block is still there."""
        end = min(end, self._limit)
        block = start - start % BLOCK
        if start >= end or self._there.covers(block, min(block + BLOCK, self._limit)):
            return b""
        return self._read(start, end, False)

    def _is_there(self, start: int, end: int) -> None:
        """Bytes have been written: that is put down, and only then do they count."""
        self._entry.wrote(start, end)
        self.mtime_ns = self._upper.stat().mtime_ns
        self._now_there(start, end)

    def _now_there(self, start: int, end: int) -> None:
        with self._changed:
            self._there.add(start, min(end, self._limit))

    def truncate(self, size: int) -> None:
        if size < 0:
            raise error(errno.EINVAL)
        with self._claimed(min(size, self._size), _TO_THE_END):
            if size > self._size and not self.is_whole:
                self._entry.cut(size)
            self._upper.truncate(size)
            was, self._size = self._size, size
            if not self.is_whole:
                self.mtime_ns = self._upper.stat().mtime_ns
                with self._changed:
                    self._there.cut(size)
                if size <= was:
                    self._put_down_cut(size)

    def _put_down_cut(self, size: int) -> None:
        """A cut is done, and its length says so after a crash, whether or not it can be put down."""
        try:
            self._entry.cut(size)
        except OSError:
            pass  # every later record says it again, and nothing can be put beyond without one

    def fallocate(self, mode: int, offset: int, length: int) -> None:
        """Copies what is missing first: some modes move data about."""
        self.copy_all()
        with self._claimed(0, _TO_THE_END):
            if not self.is_whole:
                self._entry.wrote(0, self._limit)
            self._upper.fallocate(mode, offset, length)
            stat = self._upper.stat()
            self._size, self.mtime_ns = stat.size, stat.mtime_ns

    def copy_from(self, source: File, offset: int, length: int) -> int:
        return self.pwrite(source.pread(min(length, CHUNK), offset), offset)

    def clone_from(self, source: File) -> bool:
        return False

    def set_time(self, mtime_ns: int) -> None:
        """Somebody has set the time of the upper file."""
        self._entry.timed(mtime_ns)
        self.mtime_ns = mtime_ns

    def give_back(self) -> None:
        """Give up the room of what has been copied: whoever writes needs it more."""
        with self._claimed(0, _TO_THE_END):
            if self.is_whole:
                return
            copied = [
                (first, last)
                for start, end in self._there
                for first, last, was_written in self._entry.written.pieces(start, end)
                if not was_written
            ]
            with self._changed:
                self._there = Ranges(self._entry.written)
                self._given_back += 1
            for start, end in copied:
                self._clear(start, end)

    # Claims

    @contextmanager
    def _claimed(self, start: int, end: int) -> Iterator[None]:
        claim = start, end
        with self._changed:
            while self._is_claimed(start, end):
                self._changed.wait()
            self._claims.append(claim)
        try:
            yield
        finally:
            with self._changed:
                self._claims.remove(claim)
                self._changed.notify_all()

    def _is_claimed(self, start: int, end: int) -> bool:
        return any(start < stop and begin < end for begin, stop in self._claims)

    def is_busy(self, offset: int, size: int) -> bool:
        """Whether a write there would have to wait at the moment."""
        with self._changed:
            return self._is_claimed(offset - offset % BLOCK, offset + size + BLOCK)

    # Completing

    def share(self) -> bool:
        """Have all data at once, without copying any, where the file system can share it between files.

        To be called before anyone else knows the file.
        """
        if self._entry.written or not self._upper.clone_from(self._lower):
            return False
        if self._upper.stat().size != self._size:
            self._upper.truncate(self._size)
        self._now_there(0, self._limit)
        return True

    def copy_all(self) -> None:
        """Copy everything that is missing; several threads may do it at once."""
        while self.copy_some():
            pass

    def copy_some(self) -> bool:
        """Copy the next piece that is missing, at most a chunk; whether there was one."""
        with self._changed:
            gap = self._there.gap(0, self._limit)
        if gap is None:
            return False
        start, end, is_hole = self._next_piece(*gap)
        with self._claimed(start, end):
            for first, last, is_there in self._pieces(start, min(end, self._limit)):
                if not is_there:  # a writer may have been quicker
                    self._fill(first, last, is_hole)
        return True

    def _next_piece(self, start: int, end: int) -> tuple[int, int, bool]:
        """The first piece of a gap: a hole of the lower file of any size, or a chunk of its data."""
        data, stop = next(data_ranges(self._lower, end, start), (end, end))
        if data > start:
            return start, data, True
        return start, min(stop, start + CHUNK), False

    def _fill(self, start: int, end: int, is_hole: bool) -> None:
        if is_hole:
            self._clear(start, end)
        else:
            at = start
            while at < end:
                at += copy_chunk(self._lower, self._upper, at, end)
            self._start_writing(start, end)
        self._now_there(start, end)

    def _start_writing(self, start: int, end: int) -> None:
        """The copy will be synced: let the disk begin while the rest is copied."""
        upper: File | WritesEarly = self._upper
        if hasattr(upper, "start_writing"):
            upper.start_writing(start, end - start)

    def _clear(self, start: int, end: int) -> None:
        """Have zeros where there may be what a write has left that failed."""
        for first, last in list(data_ranges(self._upper, min(end, self._size), start)):
            try:
                self._upper.fallocate(_PUNCH_HOLE, first, last - first)
            except OSError as failure:
                if failure.errno != errno.EOPNOTSUPP:
                    raise
                for at in range(first, last, CHUNK):
                    write_all(self._upper, bytes(min(CHUNK, last - at)), at)

    def become_whole(self, set_time: Callable[[int], None]) -> None:
        """Once nothing is missing: from now on the upper file is all there is.

        `set_time` gives it the time of the last change, before anyone can make the next.
        """
        with self._claimed(0, _TO_THE_END):
            set_time(self.mtime_ns)
            self._entry.wrote(0, self._limit)
            self.is_whole = True


def _seek_within(file: File, start: int, end: int, whence: int) -> int | None:
    """What `File.seek` finds within a range; None where there is nothing of the kind."""
    try:
        found = file.seek(start, whence)
    except OSError as failure:
        if failure.errno != errno.ENXIO:
            raise
        return None  # a hole up to the end of the file
    return found if found < end else None
