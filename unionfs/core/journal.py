"""What is needed to finish unfinished files after a crash: one small file in the work directory.

It says of each copy whose data has not all come yet which of its bytes count: those that
were written to it. All others still come from the lower layer. A record is written
before the change that it tells of is acknowledged, and after the data is in the file; so
a daemon that is killed loses nothing that had returned.

The file begins with `_MAGIC` and the store's epoch. In a later epoch the machine may have
lost what was not synced, and a record proves nothing: see `recovery`. Then come records
of one size, each with a checksum, for the last one may have been cut off. A file is known
by its inode number in the upper store; `_Record.gone` is written under the union's lock
before that number can be another file's. `tag` is made of the lower file's.
"""

from __future__ import annotations

import errno
import struct
from binascii import crc32
from collections.abc import Iterator
from threading import Lock
from typing import NamedTuple

from unionfs.core.ranges import Ranges
from unionfs.core.store import WritableStore
from unionfs.types import Access, File, RenameFlags

PENDING = b"pending"
"""The journal's name in the work directory."""

_NEXT = PENDING + b".next"
_MAGIC = b"unionfs pending 1 "
_HEADER = 64
_BODY = struct.Struct("<IQQQQq")
_SUM = struct.Struct("<I")
_SIZE = _BODY.size + _SUM.size

_GONE = 2**64 - 1
"""As a limit: the file is whole, or removed."""

_AS_IT_IS = -(2**63)
"""As a time: that of the file itself."""

_LARGE = 1 << 20
"""From this size on (in bytes) the journal is written anew when most of it is out of date."""


class _Record(NamedTuple):
    tag: int
    ino: int
    start: int
    end: int
    limit: int
    mtime_ns: int = _AS_IT_IS

    @property
    def gone(self) -> bool:
        return self.limit == _GONE

    def encode(self) -> bytes:
        body = _BODY.pack(*self)
        return body + _SUM.pack(crc32(body))

    @classmethod
    def decode(cls, data: bytes) -> _Record | None:
        """None for what was not written to its end."""
        if len(data) < _SIZE or _SUM.pack(crc32(data[: _BODY.size])) != data[_BODY.size : _SIZE]:
            return None
        return cls(*_BODY.unpack_from(data))


class Entry:
    """What the journal says of one unfinished file.

    `written` are the bytes of the upper file that count whatever the lower one has,
    `limit` is how many bytes of the lower file still do: beyond it everything is in the
    upper one. `mtime_ns` is a time that was set since the last write, if one was.
    """

    def __init__(self, journal: Journal, ino: int, tag: int, limit: int) -> None:
        self._journal = journal
        self.ino = ino
        self.tag = tag
        self.limit = limit
        self.written = Ranges()
        self.mtime_ns: int | None = None
        self._inert = False
        self._owes = False
        """Whether a cut could not be put down."""

    def wrote(self, start: int, end: int) -> None:
        """Bytes of the upper file count from now on."""
        with self._journal.lock:
            end = min(end, self.limit)
            if self._inert or self._says(start, end):
                return
            self._journal.append_locked(self, self._record(min(start, end), end))
            self.mtime_ns, self._owes = None, False
            self.written.add(start, end)

    def _says(self, start: int, end: int) -> bool:
        """Whether the journal knows already. Of an appended file it has to know that there is one."""
        is_known = self._journal.knows_locked(self)
        return is_known and not self._owes and self.mtime_ns is None and self.written.covers(start, end)

    def cut(self, limit: int) -> None:
        """The file has another length: no more than `limit` bytes of the lower one count."""
        with self._journal.lock:
            if self._inert or (limit >= self.limit and self._journal.knows_locked(self) and not self._owes):
                return
            # Cut it is, whether that can be put down or not. The next record says it again.
            self.mtime_ns, self.limit, self._owes = None, min(limit, self.limit), True
            self.written.cut(limit)
            self._journal.append_locked(self, self._record())
            self._owes = False

    def timed(self, mtime_ns: int) -> None:
        """Somebody has set the file's time, which copying data to it must not change."""
        with self._journal.lock:
            if self._inert:
                return
            self._journal.append_locked(self, self._record()._replace(mtime_ns=mtime_ns))
            self.mtime_ns = mtime_ns

    def done(self) -> None:
        """The file is whole, or nobody will look for it again. Nothing is written down of it any more."""
        with self._journal.lock:
            if not self._inert:
                self._inert = True
                self._journal.drop_locked(self)

    def records(self) -> Iterator[_Record]:
        """The fewest records that say all this."""
        for start, end in self.written:
            yield self._record(start, end)
        if self.mtime_ns is not None:
            yield self._record()._replace(mtime_ns=self.mtime_ns)
        elif not self.written:
            yield self._record()

    def _record(self, start: int = 0, end: int = 0) -> _Record:
        return _Record(self.tag, self.ino, start, end, self.limit)

    def replay(self, record: _Record) -> None:
        self.limit = min(self.limit, record.limit)
        self.mtime_ns = None if record.mtime_ns == _AS_IT_IS else record.mtime_ns
        self.written.add(record.start, record.end)
        self.written.cut(self.limit)


class Journal:
    """The journal of one union. There is no file until the first record, and none after `close`."""

    def __init__(self, store: WritableStore) -> None:
        self._store = store
        self.lock = Lock()
        self._file: File | None = None
        self._end = 0
        self._entries: dict[int, Entry] = {}
        self.same_epoch = True

    def begin(self, ino: int, tag: int, limit: int) -> Entry:
        """An entry for a file of which nothing counts yet; it is written down with the first change."""
        return Entry(self, ino, tag, limit)

    def load(self) -> list[Entry]:
        """What a union that was not closed has left behind."""
        data = _content(self._store)
        self.same_epoch = data[:_HEADER] == self._header()
        for at in range(_HEADER, len(data), _SIZE):
            record = _Record.decode(data[at : at + _SIZE])
            if record is None:
                break
            self._replay(record)
        return list(self._entries.values())

    def _replay(self, record: _Record) -> None:
        if record.gone:
            self._entries.pop(record.ino, None)
        else:
            entry = self._entries.get(record.ino) or self.begin(record.ino, record.tag, record.limit)
            self._entries[record.ino] = entry
            entry.replay(record)

    def knows_locked(self, entry: Entry) -> bool:
        return entry.ino in self._entries

    def append_locked(self, entry: Entry, record: _Record) -> None:
        if self._file is None or self._end > _LARGE > 2 * self._live() * _SIZE:
            self._rewrite()
        self._put(record)
        self._entries[entry.ino] = entry

    def drop_locked(self, entry: Entry) -> None:
        """An entry that cannot be taken back does no harm while no other file of that number has its tag."""
        if self._entries.pop(entry.ino, None) is None:
            return
        try:
            if self._file is None:
                self._rewrite()
            else:
                self._put(_Record(entry.tag, entry.ino, 0, 0, _GONE))
        except OSError:
            pass

    def close(self) -> None:
        """Remove the file, unless there is something left to finish."""
        with self.lock:
            file, self._file = self._file, None
            if file is not None:
                file.close()
            if not self._entries:
                _remove(self._store, PENDING)

    def _live(self) -> int:
        return sum(max(len(entry.written), 1) for entry in self._entries.values())

    def _rewrite(self) -> None:
        """Begin anew with what still counts, replacing the old file at once."""
        _remove(self._store, _NEXT)
        file = self._store.create(_NEXT, 0o600)
        try:
            records = [record.encode() for entry in self._entries.values() for record in entry.records()]
            content = self._header() + b"".join(records)
            write_all(file, content, 0)
            self._store.rename(_NEXT, self._store, PENDING, RenameFlags.NONE)
        except BaseException:
            file.close()
            raise
        old, self._file, self._end = self._file, file, len(content)
        if old is not None:
            old.close()

    def _put(self, record: _Record) -> None:
        assert self._file is not None
        write_all(self._file, record.encode(), self._end)
        self._end += _SIZE

    def _header(self) -> bytes:
        return (_MAGIC + self._store.epoch)[:_HEADER].ljust(_HEADER)


def write_all(file: File, data: bytes | memoryview, offset: int) -> None:
    """Write to the end, or raise what stops it."""
    view = memoryview(data)
    while view:
        written = file.pwrite(view, offset)
        view, offset = view[written:], offset + written


def _content(store: WritableStore) -> bytes:
    try:
        file = store.open(PENDING, Access.READ)
    except FileNotFoundError:
        return b""
    try:
        return file.pread(file.stat().size, 0)
    finally:
        file.close()


def _remove(store: WritableStore, name: bytes) -> None:
    try:
        store.unlink(name)
    except OSError as failure:
        if failure.errno != errno.ENOENT:
            raise
