"""The data of the files of a layer that is not unpacked.

A file of a compressed layer is made whole when it is first read: decompressed, compared
with the index's hash of it, and kept as a file of its own in the local store. Any number
of mounts share it, and the next reader reads it as fast as any file. Files of plain
layers are read where they are, which is as fast.
"""

from __future__ import annotations

import errno
import os
import threading
from functools import partial
from pathlib import Path

import xxhash

from unionfs.errors import error
from unionfs.images import kept
from unionfs.images.digest import Digest, new_hash
from unionfs.images.readers import Reader
from unionfs.images.streams import chunks
from unionfs.images.stretch import Identity, Stretch
from unionfs.layers.archive import Stored
from unionfs.layers.read_only import ReadOnlyFile
from unionfs.types import Stat

WHOLE_MAX = 64 << 20
"""The largest file, in bytes, that is made whole: whoever reads a part of it waits for all of it."""

# The local store cannot take a file; the layer can be read all the same.
_NO_ROOM = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.EACCES, errno.EPERM})


class WholeFiles:
    """Files of one layer in the local store, each by the hash of what is in it.

    They are not shared between layers: whoever makes a layer can make two files of one hash,
    and must not thereby put something into another's.
    """

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        self._verified: set[bytes] = set()

    def open(self, stored: Stored) -> int | None:
        """A descriptor of a file that is there and whole."""
        try:
            fd = os.open(self._path(stored), os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW)
        except FileNotFoundError:
            return None
        # Once in every process: files are not synced, so power loss may leave anything in one.
        if stored.digest not in self._verified and not _is_whole(fd, stored):
            os.close(fd)
            return None
        self._verified.add(stored.digest)
        return fd

    def make(self, stored: Stored, data: bytes) -> int:
        with kept.aside(self._path(stored)) as file:
            file.write(data)
        self._verified.add(stored.digest)
        return os.open(self._path(stored), os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW)

    def _path(self, stored: Stored) -> Path:
        return self._directory / stored.digest.hex()


def _is_whole(fd: int, stored: Stored) -> bool:
    return os.fstat(fd).st_size == stored.size and kept.digest(fd) == stored.digest


class TrustedBlob:
    """A blob that was verified when it was `verified`, and is verified again when its inode has changed.

    Reading, removing, linking or renaming it changes nothing that matters, but writing to
    it does; only a hash can tell.
    """

    def __init__(self, blob: Stretch, digest: Digest, verified: Identity) -> None:
        self.blob = blob
        self._digest = digest
        self._verified = verified
        self._lock = threading.Lock()

    def unchanged(self, data: bytes) -> bytes:
        """What has been read of it; EIO where that may be something else by now."""
        self.check()
        return data

    def check(self) -> None:
        """EIO where it is not what it was."""
        if self.blob.identity() != self._verified:
            with self._lock:
                self._verify()

    def _verify(self) -> None:
        identity = self.blob.identity()
        if identity == self._verified:
            return
        hashed = new_hash(self._digest.algorithm)
        with self.blob.from_start() as source:
            for data in chunks(source):
                hashed.update(data)
        if hashed.hexdigest() != self._digest.hex:
            raise error(errno.EIO)
        self._verified = identity


class PlainContents:
    """Files that are read where they are in an uncompressed archive."""

    def __init__(self, diff_id: Digest, trusted: TrustedBlob) -> None:
        self.identity = bytes.fromhex(diff_id.hex)
        self._trusted = trusted

    def open(self, stored: Stored, stat: Stat) -> ReadOnlyFile:
        self._trusted.check()

        def read(size: int, offset: int) -> bytes:
            return self._trusted.unchanged(self._trusted.blob.pread(size, stored.offset + offset))

        return ReadOnlyFile(stat, read, close=_nothing)

    def close(self) -> None:
        self._trusted.blob.close()


class PackedContents:
    """Files of a compressed archive."""

    def __init__(self, diff_id: Digest, trusted: TrustedBlob, reader: Reader, wholes: WholeFiles) -> None:
        self.identity = bytes.fromhex(diff_id.hex)
        self._trusted = trusted
        self._reader = reader
        self._wholes = wholes

    def open(self, stored: Stored, stat: Stat) -> ReadOnlyFile:
        if not stored.size:
            return ReadOnlyFile(stat, lambda _size, _offset: b"", close=_nothing)
        fd = self._wholes.open(stored)
        if fd is not None:
            return ReadOnlyFile(stat, partial(os.pread, fd), partial(os.close, fd), fd)
        self._trusted.check()
        if stored.size <= WHOLE_MAX:
            making = _Making(self._trusted, self._reader, self._wholes, stored)
            return ReadOnlyFile(stat, making.read, making.close)

        def read(size: int, offset: int) -> bytes:
            return self._trusted.unchanged(self._reader.pread(size, stored.offset + offset))

        return ReadOnlyFile(stat, read, close=_nothing)

    def close(self) -> None:
        self._reader.close()
        self._trusted.blob.close()


class _Making:
    """A file that is made whole by whoever first reads it."""

    def __init__(self, trusted: TrustedBlob, reader: Reader, wholes: WholeFiles, stored: Stored) -> None:
        self._trusted = trusted
        self._reader = reader
        self._wholes = wholes
        self._stored = stored
        self._lock = threading.Lock()
        self._fd = -1
        self._data: bytes | None = None

    def read(self, size: int, offset: int) -> bytes:
        with self._lock:
            if self._fd < 0 and self._data is None:
                self._make()
        if self._data is not None:
            return self._data[offset : offset + size]
        return os.pread(self._fd, size, offset)

    def _make(self) -> None:
        data = self._trusted.unchanged(self._reader.pread(self._stored.size, self._stored.offset))
        if xxhash.xxh3_128_digest(data) != self._stored.digest:
            raise error(errno.EIO)
        try:
            self._fd = self._wholes.make(self._stored, data)
        except OSError as failure:
            if failure.errno not in _NO_ROOM:
                raise
            self._data = data

    def close(self) -> None:
        self._data = None
        if self._fd >= 0:
            os.close(self._fd)
            self._fd = -1


def _nothing() -> None:
    """A file that has nothing of its own to let go of."""
