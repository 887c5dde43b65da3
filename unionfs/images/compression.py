"""Compressed layers: told by their first bytes, not by what the manifest says.

A layer may be any number of gzip members (RFC 1952) or zstd frames (RFC 8878). Where each
of them begins is told: that is where reading can begin, too, as eStargz and zstd:chunked
(one for every file), pigz and zstd's seekable format mean it.
"""

from __future__ import annotations

import importlib
import logging
import sys
import zlib
from collections.abc import Callable, Iterator
from enum import Enum
from functools import cache
from typing import Any, NamedTuple, Protocol

from unionfs.errors import ArchiveError, ImageError
from unionfs.images.limits import Limits
from unionfs.images.streams import CHUNK, Sink, Source
from unionfs.images.tally import Tally

_log = logging.getLogger(__name__)

_GZIP_FORMAT = 31  # zlib's windowBits: a gzip header and trailer around the largest window


class Compression(Enum):
    """The value is what a layer's media type ends with (OCI image-spec, layer.md)."""

    NONE = ""
    GZIP = "gzip"
    ZSTD = "zstd"


_MAGIC = {b"\x1f\x8b": Compression.GZIP, b"\x28\xb5\x2f\xfd": Compression.ZSTD} | {
    # A skippable frame, with which pzstd begins (RFC 8878, "Skippable Frames").
    bytes([first, 0x2A, 0x4D, 0x18]): Compression.ZSTD
    for first in range(0x50, 0x60)
}


def sniff(start: bytes) -> Compression:
    for magic, compression in _MAGIC.items():
        if start.startswith(magic):
            return compression
    return Compression.NONE


_FRAMES_MAX = 1 << 20
"""How many beginnings are worth remembering."""
_EMPTY_MAX = 1 << 16
"""Members or frames with nothing in them; those of zstd:chunked, eStargz and others are a handful."""


class Frame(NamedTuple):
    """Where decompressing can begin: a place in the compressed bytes, and the one in the plain bytes."""

    packed: int
    plain: int


class _BrokenError(Exception):
    """A compressed stream that breaks its format."""


class Decompressed:
    """What comes out of a compressed source.

    Raises `ArchiveError` where the source breaks its format or `limits`, `ImageError`
    where this Python cannot read zstd.
    """

    def __init__(
        self, source: Source, archive: str, limits: Limits, expected: Compression | None = None
    ) -> None:
        self._input = _Input(source)
        self._archive = archive
        self._limits = limits
        self._frames: list[Frame] = []
        self._empty = 0
        self.size = 0
        """Bytes that have come out so far."""
        self.tally = Tally()
        start = self._input.read()
        self.compression = sniff(start)
        if start and expected not in (None, self.compression):
            _log.warning("%s: compressed as %s, whatever its media type says", archive, self.compression.name)
        self._chunks = _READERS[self.compression](start, self._input, self._begin)
        self._buffer = memoryview(b"")

    @property
    def frames(self) -> list[Frame]:
        """Where members or frames that hold something began; none where there are too many of them."""
        return self._frames if len(self._frames) <= _FRAMES_MAX else []

    def _begin(self, unread: int) -> None:
        frame = Frame(self._input.size - unread, self.size)
        if self._frames and self._frames[-1].plain == frame.plain:
            self._frames[-1] = frame  # the one before was empty
            self._empty += 1
            if self._empty > _EMPTY_MAX:
                raise ArchiveError(f"{self._archive}: more than {_EMPTY_MAX} frames with nothing in them")
        elif len(self._frames) <= _FRAMES_MAX:
            self._frames.append(frame)

    def read(self, size: int, /) -> bytes:
        while not self._buffer:
            chunk = self._next()
            if chunk is None:
                return b""
            self._buffer = memoryview(chunk)
        data, self._buffer = self._buffer[:size], self._buffer[size:]
        return bytes(data)

    def _next(self) -> bytes | None:
        try:
            data = next(self._chunks, None)
        except _BrokenError as broken:
            raise ArchiveError(f"{self._archive}: cannot be decompressed: {broken}") from None
        self.size += len(data or b"")
        self.tally.add_decompressed(self.size, self._input.size)
        self._check_limits()
        return data

    def _check_limits(self) -> None:
        limits = self._limits
        if self.size > limits.total:
            raise ArchiveError(f"{self._archive}: more than {limits.total} bytes when decompressed")
        if self.size > limits.ratio_from and self.size > limits.ratio * self._input.size:
            raise ArchiveError(f"{self._archive}: compressed more than {limits.ratio} times: a bomb?")


class _Input:
    """The compressed bytes, counted."""

    def __init__(self, source: Source) -> None:
        self._source = source
        self.size = 0

    def read(self) -> bytes:
        data = self._source.read(CHUNK)
        self.size += len(data)
        return data

    def more(self, out: bytes) -> bytes:
        """The next input; it may be at its end as long as output was still held back."""
        data = self.read()
        if not data and not out:
            raise _BrokenError("it is cut short")
        return data


_Begin = Callable[[int], None]
"""Told where a frame begins: so many bytes before what has been read."""


def _plain(data: bytes, source: _Input, _begin: _Begin) -> Iterator[bytes]:
    while data:
        yield data
        data = source.read()


def _gunzip(data: bytes, source: _Input, begin: _Begin) -> Iterator[bytes]:
    """Any number of gzip members, at most `CHUNK` bytes at a time."""
    fast = _zlib()
    while data:
        begin(len(data))
        member = fast.decompressobj(_GZIP_FORMAT)
        while not member.eof:
            try:
                out = member.decompress(data, CHUNK)
            except fast.error as broken:
                raise _BrokenError(broken) from None
            data = member.unconsumed_tail
            if not data and not member.eof:
                data = source.more(out)
            yield out
        data = member.unused_data or source.read()


_FIRST_STEP = 4096
"""Bytes that a frame is given at first, then twice as many: what comes after a short one is copied."""


def _unzstd(data: bytes, source: _Input, begin: _Begin) -> Iterator[bytes]:
    """Any number of zstd frames, skippable ones included."""
    zstd = _zstd()
    rest = memoryview(data)
    while rest:
        begin(len(rest))
        frame, step, out = zstd.ZstdDecompressor(), _FIRST_STEP, b""
        given, whole = rest[:0], rest
        while not frame.eof:
            if frame.needs_input:
                whole = rest or memoryview(source.more(out))
                given, rest = whole[:step], whole[step:]
                step = min(2 * step, CHUNK)
            try:
                out = frame.decompress(given if frame.needs_input else b"", CHUNK)
            except zstd.ZstdError as broken:
                raise _BrokenError(broken) from None
            yield out
        rest = whole[len(given) - len(frame.unused_data) :] or memoryview(source.read())


_READERS = {Compression.NONE: _plain, Compression.GZIP: _gunzip, Compression.ZSTD: _unzstd}


@cache
def _zlib() -> Any:
    """zlib-ng where it is installed: the same results in two thirds of the time."""
    try:
        return importlib.import_module("zlib_ng.zlib_ng")
    except ImportError:
        return zlib


def _zstd() -> Any:
    """The module that reads zstd: the standard library's from Python 3.14 on, its backport before."""
    name = "compression.zstd" if sys.version_info >= (3, 14) else "backports.zstd"
    try:
        return importlib.import_module(name)
    except ImportError:
        raise ImageError(
            "layers in zstd need Python 3.14 or the extra: pip install 'unionfs[zstd]'"
        ) from None


class CompressingSink:
    """Compresses what is written, without a time or a name: the same bytes each time."""

    def __init__(self, compression: Compression, sink: Sink) -> None:
        self._sink = sink
        self._compressor = _COMPRESSORS[compression]()

    def write(self, data: bytes, /) -> None:
        self._sink.write(self._compressor.compress(data))

    def close(self) -> None:
        """Write the end; the sink stays open."""
        self._sink.write(self._compressor.flush())


class _Compressor(Protocol):
    def compress(self, data: bytes, /) -> bytes: ...
    def flush(self) -> bytes: ...


class _Verbatim:
    def compress(self, data: bytes, /) -> bytes:
        return data

    def flush(self) -> bytes:
        return b""


def _gzip_compressor() -> _Compressor:
    return zlib.compressobj(wbits=_GZIP_FORMAT)


def _zstd_compressor() -> _Compressor:
    compressor: _Compressor = _zstd().ZstdCompressor()
    return compressor


_COMPRESSORS: dict[Compression, Callable[[], _Compressor]] = {
    Compression.NONE: _Verbatim,
    Compression.GZIP: _gzip_compressor,
    Compression.ZSTD: _zstd_compressor,
}
