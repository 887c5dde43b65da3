"""Reading anywhere in a layer's uncompressed archive, without all of what comes before.

Plain layers are read where they are. Compressed ones, by what they allow:

- many gzip members or zstd frames: the one that holds the place is decompressed;
- one long gzip member: from the nearest of many points at which the decompressor's state
  was written down (`indexed_gzip`, an extra);
- otherwise the layer is decompressed once, into the local store.
"""

from __future__ import annotations

import io
import logging
import threading
from bisect import bisect_right
from collections.abc import Callable, Sequence
from functools import lru_cache
from importlib import import_module
from importlib.util import find_spec
from itertools import pairwise
from pathlib import Path
from typing import Protocol

from unionfs.images import kept
from unionfs.images.compression import Compression, Decompressed, Frame
from unionfs.images.limits import NO_LIMITS
from unionfs.images.streams import chunks
from unionfs.images.stretch import Stretch

_log = logging.getLogger(__name__)

_FRAME_MEAN = 4 << 20
_FRAME_MAX = 32 << 20
"""Plain bytes in the frames that are decompressed for a part of them: on average, and at most.

Formats that have a frame for every file have a long one for a long file, which is wanted whole.
"""
_FRAMES_KEPT = 2
_SPACING = 1 << 20
"""Plain bytes between two points of a gzip member: a point takes 32 KiB, a read half of this."""
_BLOCKS_KEPT = 4


class Reader(Protocol):
    def pread(self, size: int, offset: int) -> bytes:
        """At most `size` bytes of the uncompressed archive; less only at its end."""

    def close(self) -> None: ...


def are_short(frames: Sequence[Frame], size: int) -> bool:
    """Whether the frames that make up `size` plain bytes are worth decompressing for a part of them."""
    starts = [frame.plain for frame in frames]
    longest = max((end - start for start, end in pairwise([*starts, size])), default=_FRAME_MAX + 1)
    return longest <= _FRAME_MAX and size <= _FRAME_MEAN * len(frames)


class FramesReader:
    """Decompresses the frames that hold what is asked for."""

    def __init__(self, blob: Stretch, packed_size: int, frames: Sequence[Frame]) -> None:
        self._blob = blob
        self._frames = frames
        self._packed_ends = [*(frame.packed for frame in frames[1:]), packed_size]
        self._starts = [frame.plain for frame in frames]
        self._frame = lru_cache(_FRAMES_KEPT)(self._decompress)

    def pread(self, size: int, offset: int) -> bytes:
        parts: list[bytes] = []
        number = bisect_right(self._starts, offset) - 1
        while size and 0 <= number < len(self._frames):
            data = self._frame(number)
            start = offset - self._starts[number]
            part = data[start : start + size]
            parts.append(part)
            offset, size, number = offset + len(part), size - len(part), number + 1
        return b"".join(parts)

    def _decompress(self, number: int) -> bytes:
        start = self._frames[number].packed
        packed = io.BytesIO(self._blob.pread(self._packed_ends[number] - start, start))
        return b"".join(chunks(Decompressed(packed, "frame", NO_LIMITS)))

    def close(self) -> None:
        self._frame.cache_clear()


class GzipReader:
    """Over indexed_gzip. Its points are made as they are first needed, and kept in the file `points`."""

    def __init__(self, blob: Stretch, points: Path) -> None:
        self._blob = blob
        self._points = points
        module = import_module("indexed_gzip")
        self._file = module.IndexedGzipFile(fileobj=blob, spacing=_SPACING)
        content = kept.read(points)
        if content is not None:
            self._file.import_index(fileobj=io.BytesIO(content))
        self._known = self._count()
        self._block = lru_cache(_BLOCKS_KEPT)(self._read_block)

    def pread(self, size: int, offset: int) -> bytes:
        if size > _SPACING:
            return self._read(size, offset)
        parts: list[bytes] = []
        while size and (part := self._block(offset // _SPACING)[offset % _SPACING :][:size]):
            parts.append(part)
            offset, size = offset + len(part), size - len(part)
        return b"".join(parts)

    def _read_block(self, number: int) -> bytes:
        """What lies between two points: small files side by side are asked for one after the other."""
        return self._read(_SPACING, number * _SPACING)

    def _read(self, size: int, offset: int) -> bytes:
        data: bytes = self._file.pread(size, offset)
        return data

    def close(self) -> None:
        self._block.cache_clear()
        if self._count() > self._known:
            self._keep_points()
        self._file.close()

    def _keep_points(self) -> None:
        points = io.BytesIO()
        self._file.export_index(fileobj=points)
        try:
            kept.write(self._points, points.getvalue())
        except OSError as failure:
            _log.debug("not kept: %s: %s", self._points, failure)

    def _count(self) -> int:
        return sum(1 for _ in self._file.seek_points())


def can_seek(compression: Compression) -> bool:
    """Whether there is something to read anywhere in one long frame of this compression."""
    return compression is Compression.GZIP and find_spec("indexed_gzip") is not None


class LazyReader:
    """A reader that is opened when it is first needed."""

    def __init__(self, open_: Callable[[], Reader]) -> None:
        self._open = open_
        self._lock = threading.Lock()
        self._reader: Reader | None = None

    def pread(self, size: int, offset: int) -> bytes:
        with self._lock:
            if self._reader is None:
                self._reader = self._open()
        return self._reader.pread(size, offset)

    def close(self) -> None:
        if self._reader is not None:
            self._reader.close()
