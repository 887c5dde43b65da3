"""The data of the files of a layer that is not unpacked.

A file of a compressed layer is made whole when it is first read: decompressed, compared
with the index's hash of it, and kept as a file of its own in the local store. Any number
of mounts share it, and the next reader reads it as fast as any file. Files of plain
layers are read where they are, which is as fast. Opening does neither: whoever answers
requests must not wait for it.
"""

from __future__ import annotations

import errno
import os
import threading
from pathlib import Path

import xxhash

from unionfs.errors import error
from unionfs.images import kept
from unionfs.images.digest import Digest, new_hash
from unionfs.images.readers import Reader
from unionfs.images.streams import chunks
from unionfs.images.stretch import Identity, Stretch, fill_now
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
    and must not thereby put something into another's. Files are not synced, so power loss may
    leave anything in one: each is compared with its hash once in every process.
    """

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        self._verified: set[bytes] = set()

    def open(self, stored: Stored) -> int | None:
        """A descriptor of a file that is there, and as long as it is to be."""
        try:
            fd = os.open(self._path(stored), os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW)
        except FileNotFoundError:
            return None
        if os.fstat(fd).st_size != stored.size:
            os.close(fd)
            return None
        return fd

    def is_verified(self, stored: Stored) -> bool:
        return stored.digest in self._verified

    def verify(self, stored: Stored, digest: bytes) -> bool:
        """Whether that is the file's `digest`; it is believed from now on."""
        if stored.digest == digest:
            self._verified.add(digest)
        return stored.digest == digest

    def make(self, stored: Stored, data: bytes) -> int:
        with kept.aside(Path(self._path(stored))) as file:
            file.write(data)
        self._verified.add(stored.digest)
        return os.open(self._path(stored), os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW)

    def _path(self, stored: Stored) -> str:
        return os.path.join(self._directory, stored.digest.hex())


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

    def check_now(self) -> None:
        """EAGAIN where it takes hashing to tell."""
        if self.blob.identity() != self._verified:
            raise error(errno.EAGAIN)

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

        def fill_now(buffer: memoryview, offset: int) -> None:
            self._trusted.blob.fill_now(buffer, stored.offset + offset)
            self._trusted.check_now()

        return ReadOnlyFile(stat, read, _nothing, fill_now)

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
        if stored.size <= WHOLE_MAX:
            whole = _Whole(self._trusted, self._reader, self._wholes, stored)
            return ReadOnlyFile(stat, whole.read, whole.close, whole.fill_now, whole.fileno)
        self._trusted.check()

        def read(size: int, offset: int) -> bytes:
            return self._trusted.unchanged(self._reader.pread(size, stored.offset + offset))

        return ReadOnlyFile(stat, read, close=_nothing)

    def close(self) -> None:
        self._reader.close()
        self._trusted.blob.close()


class _Whole:
    """An open file in the local store, where whoever first reads it puts it, and sees that it is whole."""

    def __init__(self, trusted: TrustedBlob, reader: Reader, wholes: WholeFiles, stored: Stored) -> None:
        self._trusted = trusted
        self._reader = reader
        self._wholes = wholes
        self._stored = stored
        self._lock = threading.Lock()
        self._fd = wholes.open(stored)
        self._is_whole = self._fd is not None and wholes.is_verified(stored)
        self._data: bytes | None = None
        """All of it, where the local store has no room for it."""

    def fileno(self) -> int | None:
        return self._fd if self._is_whole else None

    def fill_now(self, buffer: memoryview, offset: int) -> None:
        """A small file, asked for as a whole, is compared with its hash at once."""
        if self._fd is None:
            raise error(errno.EAGAIN)
        if self._is_whole:
            fill_now(self._fd, buffer, offset)
            return
        if len(buffer) < self._stored.size or not self._lock.acquire(blocking=False):
            raise error(errno.EAGAIN)
        try:
            fill_now(self._fd, buffer, offset)
            self._is_whole = self._wholes.verify(self._stored, xxhash.xxh3_128_digest(buffer))
        finally:
            self._lock.release()
        if not self._is_whole:
            raise error(errno.EAGAIN)

    def read(self, size: int, offset: int) -> bytes:
        if not self._is_whole:
            with self._lock:
                self._make_whole()
        if self._data is not None:
            return self._data[offset : offset + size]
        assert self._fd is not None
        return os.pread(self._fd, size, offset)

    def _make_whole(self) -> None:
        if self._is_whole:
            return
        if self._fd is not None and not self._wholes.verify(self._stored, kept.digest(self._fd)):
            self._close_descriptor()
        if self._fd is None:
            self._make()
        self._is_whole = True

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
        self._close_descriptor()

    def _close_descriptor(self) -> None:
        if self._fd is not None:
            fd, self._fd = self._fd, None
            os.close(fd)


def _nothing() -> None:
    """A file that has nothing of its own to let go of."""
