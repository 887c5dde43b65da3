"""Streams of bytes, hashed on the way."""

from __future__ import annotations

import queue
import threading
from collections.abc import Iterator
from typing import Protocol, runtime_checkable

from unionfs.errors import DigestError
from unionfs.images.digest import Digest, new_hash

CHUNK = 256 << 10


class Source(Protocol):
    """Where bytes come from: `read` gives at most `size` of them, b"" only at the end."""

    def read(self, size: int, /) -> bytes: ...


@runtime_checkable
class SkippingSource(Source, Protocol):
    """A source that can pass over bytes without reading them: over at most `size`, it says how many."""

    def skip(self, size: int, /) -> int: ...


@runtime_checkable
class CopyingSource(Source, Protocol):
    """A source that can hand its bytes to a file without their passing through this process."""

    def copy_to(self, fd: int) -> bool:
        """Write all of the rest to a descriptor; False, and nothing is written, where that cannot be done."""


@runtime_checkable
class FileSource(Source, Protocol):
    """A source that is a stretch of a file of this host."""

    def extent(self) -> tuple[int, int, int]:
        """An open descriptor, which the source owns, where the stretch begins, and its size in bytes."""


class Sink(Protocol):
    """Where bytes go to; all of them are taken."""

    def write(self, data: bytes, /) -> object: ...


def chunks(source: Source) -> Iterator[bytes]:
    while data := source.read(CHUNK):
        yield data


def read_all(source: Source) -> bytes:
    return b"".join(chunks(source))


class HashedSource:
    """A source whose bytes are counted and hashed as they are read."""

    def __init__(self, source: Source, algorithm: str) -> None:
        self._source = source
        self._hash = new_hash(algorithm)
        self._algorithm = algorithm
        self.size = 0

    def read(self, size: int, /) -> bytes:
        data = self._source.read(size)
        self._hash.update(data)
        self.size += len(data)
        return data

    def digest(self) -> Digest:
        """Of what was read so far."""
        return Digest(self._algorithm, self._hash.hexdigest())

    def verify(self, what: str, digest: Digest, size: int | None = None) -> None:
        """Read to the end, then raise `DigestError` where `what` is not as announced."""
        for _ in chunks(self):
            pass
        if size is not None and self.size != size:
            raise DigestError(f"{what}: {self.size} bytes long, announced as {size}")
        if self.digest() != digest:
            raise DigestError(f"{what}: its digest is {self.digest()}, announced as {digest}")


_AHEAD = 8
"""How many chunks may be waiting."""


class ReadAhead:
    """A source that another thread reads, so that both can be at work. Close it when done.

    What reading raises there is raised here.
    """

    def __init__(self, source: Source) -> None:
        self._source = source
        self._ready: queue.Queue[bytes | BaseException] = queue.Queue(_AHEAD)
        self._closed = False
        self._buffer = memoryview(b"")
        self._failure: BaseException | None = None
        self._thread = threading.Thread(target=self._fill, name="unionfs-read-ahead", daemon=True)
        self._thread.start()

    def _fill(self) -> None:
        try:
            while not self._closed and (data := self._source.read(CHUNK)):
                self._ready.put(data)
            self._ready.put(b"")
        except BaseException as failure:  # noqa: BLE001 - it is raised where the source is read
            self._ready.put(failure)

    def read(self, size: int, /) -> bytes:
        if not self._buffer:
            self._buffer = memoryview(self._next())
        data, self._buffer = self._buffer[:size], self._buffer[size:]
        return bytes(data)

    def _next(self) -> bytes:
        if self._failure is not None:
            raise self._failure
        data = self._ready.get()
        if isinstance(data, BaseException):
            self._failure = data
            raise data
        if not data:
            self._ready.put(b"")  # for whoever asks again
        return data

    def close(self) -> None:
        """Stop reading, and wait until nothing is being read any more."""
        self._closed = True
        while self._thread.is_alive():
            try:
                self._ready.get(timeout=0.01)
            except queue.Empty:
                pass


class HashedSink:
    """A sink whose bytes are counted and hashed (SHA-256) as they are written."""

    def __init__(self, sink: Sink) -> None:
        self._sink = sink
        self._hash = new_hash("sha256")
        self.size = 0

    def write(self, data: bytes, /) -> None:
        self._sink.write(data)
        self._hash.update(data)
        self.size += len(data)

    def digest(self) -> Digest:
        return Digest("sha256", self._hash.hexdigest())
