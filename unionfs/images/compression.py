"""Compressed layers: told by their first bytes, not by what the manifest says."""

from __future__ import annotations

import importlib
import logging
import sys
import zlib
from collections.abc import Callable, Iterator
from enum import Enum
from typing import Any, Protocol

from unionfs.errors import ArchiveError, ImageError
from unionfs.images.limits import Limits
from unionfs.images.streams import CHUNK, HashedSource, Sink

_log = logging.getLogger(__name__)

_GZIP_FORMAT = 31  # zlib's windowBits: a gzip header and trailer around the largest window


class Compression(Enum):
    """The value is what a layer's media type ends with (OCI image-spec, layer.md)."""

    NONE = ""
    GZIP = "gzip"
    ZSTD = "zstd"


_MAGIC = {b"\x1f\x8b": Compression.GZIP, b"\x28\xb5\x2f\xfd": Compression.ZSTD}


def sniff(start: bytes) -> Compression:
    for magic, compression in _MAGIC.items():
        if start.startswith(magic):
            return compression
    return Compression.NONE


class _BrokenError(Exception):
    """A compressed stream that breaks its format."""


class Decompressed:
    """What comes out of a compressed source.

    Raises `ArchiveError` where the source breaks its format or `limits`, `ImageError`
    where this Python cannot read zstd.
    """

    def __init__(
        self, source: HashedSource, archive: str, limits: Limits, expected: Compression | None = None
    ) -> None:
        self._source = source
        self._archive = archive
        self._limits = limits
        self._size = 0
        start = source.read(CHUNK)
        compression = sniff(start)
        if start and expected not in (None, compression):
            _log.warning("%s: compressed as %s, whatever its media type says", archive, compression.name)
        self._chunks = _READERS[compression](start, source)
        self._buffer = memoryview(b"")

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
        self._size += len(data or b"")
        self._check_limits()
        return data

    def _check_limits(self) -> None:
        limits = self._limits
        if self._size > limits.total:
            raise ArchiveError(f"{self._archive}: more than {limits.total} bytes when decompressed")
        if self._size > limits.ratio_from and self._size > limits.ratio * self._source.size:
            raise ArchiveError(f"{self._archive}: compressed more than {limits.ratio} times: a bomb?")


def _plain(start: bytes, source: HashedSource) -> Iterator[bytes]:
    while start:
        yield start
        start = source.read(CHUNK)


def _gunzip(data: bytes, source: HashedSource) -> Iterator[bytes]:
    """Any number of gzip members (RFC 1952), at most `CHUNK` bytes at a time."""
    while data:
        member = zlib.decompressobj(_GZIP_FORMAT)
        while not member.eof:
            try:
                out = member.decompress(data, CHUNK)
            except zlib.error as broken:
                raise _BrokenError(broken) from None
            data = member.unconsumed_tail
            if not data and not member.eof:
                data = _more(source, out)
            yield out
        data = member.unused_data or source.read(CHUNK)


def _unzstd(data: bytes, source: HashedSource) -> Iterator[bytes]:
    """Any number of zstd frames (RFC 8878), skippable ones included."""
    zstd = _zstd()
    while data:
        frame = zstd.ZstdDecompressor()
        while not frame.eof:
            try:
                out = frame.decompress(data, CHUNK)
            except zstd.ZstdError as broken:
                raise _BrokenError(broken) from None
            data = b""
            if frame.needs_input and not frame.eof:
                data = _more(source, out)
            yield out
        data = frame.unused_data or source.read(CHUNK)


def _more(source: HashedSource, out: bytes) -> bytes:
    """The next input; it may be at its end as long as output was still held back."""
    data = source.read(CHUNK)
    if not data and not out:
        raise _BrokenError("it is cut short")
    return data


_READERS = {Compression.NONE: _plain, Compression.GZIP: _gunzip, Compression.ZSTD: _unzstd}


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
