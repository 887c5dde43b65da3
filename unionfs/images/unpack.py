"""A layer's archive into a store, entry by entry and verbatim, by the rules of `placing`."""

from __future__ import annotations

import errno
import stat
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from functools import partial

from unionfs.core.apply import discard
from unionfs.core.layer import Layer
from unionfs.core.store import WritableStore
from unionfs.errors import ArchiveError
from unionfs.images.below import Below
from unionfs.images.entry import Entry, shown
from unionfs.images.limits import DEFAULT_LIMITS, Limits
from unionfs.images.placing import Placer
from unionfs.images.skipped import Skipped
from unionfs.images.streams import Source, chunks
from unionfs.images.tally import Tally
from unionfs.images.tar_reader import Content, TarReader
from unionfs.images.xattrs import can_be_held
from unionfs.types import File, Kind

_FORMATS = {Kind.CHAR: stat.S_IFCHR, Kind.BLOCK: stat.S_IFBLK, Kind.FIFO: stat.S_IFIFO}

# The machine's fault and not the archive's.
_NOT_THE_ARCHIVE = frozenset(
    {
        errno.ENOSPC,
        errno.EDQUOT,
        errno.EIO,
        errno.ENOMEM,
        errno.EMFILE,
        errno.ENFILE,
        errno.EROFS,
        errno.EACCES,
    }
)


def unpack(
    source: Source,
    archive: str,
    store: WritableStore,
    *,
    below: Sequence[Layer] = (),
    limits: Limits = DEFAULT_LIMITS,
    tally: Tally | None = None,
) -> None:
    """Fill an empty store from the uncompressed `source`, which messages call `archive`.

    `below` are the layers beneath, top-most first; `tally` counts what there are limits of.
    Raises `ArchiveError` for whatever is wrong with the archive, `OSError` for what is wrong
    with the machine; the store then holds a part of the layer and is of no use. Owners,
    devices and xattrs that this process must not set are left out, with one warning.
    """
    beneath = Below(below)
    tally = tally or Tally()
    unpacking = _Unpacking(store, beneath)
    placer = Placer(unpacking, beneath, limits, tally)
    for entry, content in TarReader(source, archive, limits, tally):
        with blaming(archive, entry):
            placer.add(entry, content)
    unpacking.finish(placer.directories)
    unpacking.skipped.report(archive)


@contextmanager
def blaming(archive: str, entry: Entry) -> Iterator[None]:
    """Raise what an entry breaks as an `ArchiveError` that names it."""
    try:
        yield
    except ValueError as rule:
        raise ArchiveError(f"{archive}: {shown(entry.name)}: {rule}") from None
    except OSError as failure:
        if failure.errno in _NOT_THE_ARCHIVE:
            raise
        raise ArchiveError(f"{archive}: {shown(entry.name)}: {failure.strerror}") from None


class _Unpacking:
    """The `Target` that writes to a store."""

    def __init__(self, store: WritableStore, below: Below) -> None:
        self._store = store
        self._below = below
        self._absent: set[bytes] = set()  # devices that could not be made
        self.skipped = Skipped()

    def directory(self, path: bytes) -> None:
        self._store.mkdir(path, 0o700)

    def node(self, path: bytes, entry: Entry, content: Content) -> None:
        self._make(path, entry, chunks(content))

    def link(self, path: bytes, existing: bytes) -> None:
        if existing in self._absent:
            self._absent.add(path)
        else:
            self._store.link(existing, self._store, path)

    def copy(self, path: bytes, entry: Entry, beneath: bytes) -> None:
        self._make(path, entry, self._below.read(beneath) if entry.kind is Kind.FILE else ())

    def remove(self, path: bytes) -> None:
        if path in self._absent:
            self._absent.discard(path)
        else:
            discard(self._store, path)

    def finish(self, directories: dict[bytes, Entry]) -> None:
        """Give the directories their attributes: last, as they are written to, and children first."""
        for path in sorted(directories, reverse=True):
            self._set_attributes(path, directories[path])

    def _make(self, path: bytes, entry: Entry, data: Iterable[bytes]) -> None:
        if entry.kind is Kind.FILE:
            file = self._store.create(path, 0o600)
            try:
                _write(file, data if entry.size else ())
            finally:
                file.close()
        elif entry.kind is Kind.SYMLINK:
            self._store.symlink(path, entry.target)
        else:
            make = partial(self._store.mknod, path, _FORMATS[entry.kind] | 0o600, entry.rdev)
            if not self.skipped.attempt("devices", make):
                self._absent.add(path)
                return
        self._set_attributes(path, entry)

    def _set_attributes(self, path: bytes, entry: Entry) -> None:
        # The owner first: chown(2) takes set-id bits and capabilities away. The mode after
        # the xattrs: without privileges a file that must not be written takes none.
        store = self._store
        if (entry.uid, entry.gid) != store.owner:
            self.skipped.attempt("owners", partial(store.chown, path, entry.uid, entry.gid))
        for name, value in entry.xattrs.items():
            if can_be_held(entry.kind, name, value):
                self._set_xattr(path, name, value)
            else:
                self.skipped.count("extended attributes")
        if entry.kind is not Kind.SYMLINK:
            store.chmod(path, entry.mode)
        store.utimens(path, entry.mtime_ns, entry.mtime_ns)

    def _set_xattr(self, path: bytes, name: bytes, value: bytes) -> None:
        try:
            self.skipped.attempt("extended attributes", partial(self._store.setxattr, path, name, value))
        except OSError as failure:
            # ENOSPC among them: some file systems have little room for xattrs.
            raise ValueError(f"extended attribute {shown(name)}: {failure.strerror}") from None


def _write(file: File, data: Iterable[bytes]) -> None:
    offset = 0
    for chunk in data:
        rest = memoryview(chunk)
        while rest:
            written = file.pwrite(rest, offset)
            offset += written
            rest = rest[written:]
