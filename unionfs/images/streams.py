"""Streams of bytes, hashed on the way."""

from __future__ import annotations

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
