"""A layer's archive into a store, entry by entry and verbatim.

Whiteouts stay the ``.wh.`` files that they are in the archive: the store is then a
layer of the AuFS dialect, to which overlayfs's xattrs and 0:0 devices mean nothing.
Names are resolved here, inside the store's root, as a process chrooted to it would:
symbolic links in the middle of a name are followed, ``..`` of the root is the root.
Where tools disagree:

- a path that comes twice is an error; with `last_wins`, the last one counts;
- a whiteout and an entry of the same name are both kept, in whatever order they come;
- where a directory is needed, it takes the place of a file of that name;
- a missing parent is as the layers beneath have it, otherwise 0755, of root, from 1970;
- a hard link to a file of the layers beneath takes a copy of it into this layer.

Whiteouts hide what is beneath from the entries that come after them in the archive.
"""

from __future__ import annotations

import errno
import stat
from collections.abc import Callable, Iterable, Sequence
from functools import partial

from unionfs.core.apply import discard
from unionfs.core.layer import Layer
from unionfs.core.node import join
from unionfs.core.store import WritableStore
from unionfs.dialects.aufs import OPAQUE, PREFIX
from unionfs.errors import ArchiveError
from unionfs.images.below import Below
from unionfs.images.entry import Entry, shown, split
from unionfs.images.limits import DEFAULT_LIMITS, Limits
from unionfs.images.skipped import Skipped
from unionfs.images.streams import Source, chunks
from unionfs.images.tar_reader import TarReader
from unionfs.types import NAME_MAX, File, Kind

_LINKS_MAX = 40  # as the kernel's own walk (path_resolution(7))
_BOOKKEEPING = PREFIX + PREFIX  # AuFS's own files: kept as they are, shown by no reader
_NO_WHITEOUT_FOR = frozenset({b"", b".", b"..", PREFIX})
_DEFAULT_DIRECTORY = Entry(b"", Kind.DIR, 0o755)
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
    last_wins: bool = False,
) -> None:
    """Fill an empty store from the uncompressed `source`, which messages call `archive`.

    `below` are the layers beneath, top-most first. Raises `ArchiveError` for whatever is
    wrong with the archive, `OSError` for what is wrong with the machine; the store then
    holds a part of the layer and is of no use. Owners, devices and xattrs that this
    process must not set are left out, with one warning.
    """
    unpacker = _Unpacker(store, Below(below), limits, last_wins=last_wins)
    for entry, content in TarReader(source, archive, limits):
        try:
            unpacker.add(entry, chunks(content))
        except ValueError as rule:
            raise ArchiveError(f"{archive}: {shown(entry.name)}: {rule}") from None
        except OSError as failure:
            if failure.errno in _NOT_THE_ARCHIVE:
                raise
            raise ArchiveError(f"{archive}: {shown(entry.name)}: {failure.strerror}") from None
    unpacker.finish()
    unpacker.skipped.report(archive)


class _Unpacker:
    """One unpacking. Rules that an entry breaks are ValueErrors here."""

    def __init__(self, store: WritableStore, below: Below, limits: Limits, *, last_wins: bool) -> None:
        self._store = store
        self._below = below
        self._limits = limits
        self._last_wins = last_wins
        self._named: set[bytes] = set()  # the paths that an entry was about
        self._directories: dict[bytes, Entry] = {}  # what they shall be in the end
        self._absent: set[bytes] = set()  # devices that could not be made
        self._whiteouts: set[bytes] = set()  # the paths that this layer hides
        self._opaque: set[bytes] = set()  # the directories that it hides all of
        self.skipped = Skipped()
        self._directories[b""] = self._implied(b"")

    def add(self, entry: Entry, data: Iterable[bytes]) -> None:
        parent, name = split(entry.name)
        place = self._resolve(parent, self._enter)
        path = join(place, name) if name else b""
        if _is_whiteout(name):
            entry = _as_whiteout(entry, name)
            self._hide(place, name)
        if not self._make_room(path, entry):
            return
        self._named.add(path)
        if entry.kind is Kind.DIR:
            self._add_directory(path, entry)
        elif entry.hardlink is not None:
            self._add_link(path, entry.hardlink)
        else:
            self._add_node(path, entry, data)

    def finish(self) -> None:
        """Give the directories their attributes: last, as they are written to, and children first."""
        for path in sorted(self._directories, reverse=True):
            self._set_attributes(path, self._directories[path])

    # Names

    def _hide(self, place: bytes, whiteout: bytes) -> None:
        if whiteout == OPAQUE:
            self._opaque.add(place)
        else:
            self._whiteouts.add(join(place, whiteout[len(PREFIX) :]))

    def _resolve(self, path: bytes, enter: Callable[[bytes], None]) -> bytes:
        """The path that leads through no symbolic link; `enter` is told every directory on the way."""
        done, links = b"", 0
        todo = path.split(b"/")[::-1]
        while todo:
            name = todo.pop()
            if name in (b"", b"."):
                continue
            if name == b"..":
                done = split(done)[0]
                continue
            here = join(done, name)
            if here in self._directories:
                done = here
                continue
            self._check_length(here)
            target = self._link_target(here)
            if target is None:
                enter(here)
                done = here
                continue
            links += 1
            if links > _LINKS_MAX:
                raise ValueError("too many symbolic links")
            done = b"" if target.startswith(b"/") else done
            todo.extend(target.split(b"/")[::-1])
        return done

    def _check_length(self, path: bytes) -> None:
        """A path that a symbolic link led to obeys the same limits as one that was written down."""
        name = split(path)[1]
        if len(path) > self._limits.path or len(name) > NAME_MAX or path.count(b"/") >= self._limits.depth:
            raise ValueError("leads to a name that is too long")

    def _link_target(self, path: bytes) -> bytes | None:
        kind = self._kind(path)
        if kind is Kind.SYMLINK:
            return self._store.readlink(path)
        if kind is not None:
            return None
        found = self._find_below(path)
        return found.target if found is not None and found.kind is Kind.SYMLINK else None

    def _enter(self, path: bytes) -> None:
        """Make a directory at `path`, where this layer has none; its parent is one."""
        name = split(path)[1]
        if _is_whiteout(name):
            raise ValueError("a whiteout is no directory")
        implied = self._implied(path)
        if self._kind(path) is not None:
            self._store.unlink(path)
        self._store.mkdir(path, 0o700)
        self._directories[path] = implied

    def _implied(self, path: bytes) -> Entry:
        found = self._find_below(path)
        return found if found is not None and found.kind is Kind.DIR else _DEFAULT_DIRECTORY

    def _find_below(self, path: bytes) -> Entry | None:
        """What the layers beneath have at `path`, where this layer lets it show."""
        here = path
        while here:
            parent = split(here)[0]
            if here in self._whiteouts or parent in self._opaque:
                return None
            here = parent
        return self._below.find(path)

    def _kind(self, path: bytes) -> Kind | None:
        try:
            return self._store.stat(path).kind
        except (FileNotFoundError, NotADirectoryError):
            return None

    # Entries

    def _make_room(self, path: bytes, entry: Entry) -> bool:
        """Whether the entry is to be made; whatever it replaces is gone then."""
        if path in self._named:
            if not self._last_wins:
                raise ValueError("comes more than once")
            self._replace(path, entry)
        # Other entries need a directory here, so it stays, whatever this one wanted.
        return entry.kind is Kind.DIR or path not in self._directories

    def _replace(self, path: bytes, entry: Entry) -> None:
        if path in self._directories and entry.kind is Kind.DIR:
            return
        self._absent.discard(path)
        if self._kind(path) is not None:
            discard(self._store, path)
        below = path + b"/"
        gone = {each for each in self._named if each == path or each.startswith(below)}
        self._named -= gone
        for each in [each for each in self._directories if each == path or each.startswith(below)]:
            del self._directories[each]

    def _add_directory(self, path: bytes, entry: Entry) -> None:
        if path not in self._directories:
            self._store.mkdir(path, 0o700)
        self._directories[path] = entry

    def _add_link(self, path: bytes, hardlink: bytes) -> None:
        parent, name = split(hardlink)
        if _is_whiteout(name):
            raise ValueError(f"hard link to the whiteout {shown(hardlink)}")
        target = join(self._resolve(parent, _stay), name)
        if target in self._absent:
            self._absent.add(path)
            return
        kind = self._kind(target)
        if kind is None:
            self._copy_from_below(path, target)
        elif kind is Kind.DIR:
            raise ValueError(f"hard link to the directory {shown(hardlink)}")
        else:
            self._store.link(target, self._store, path)

    def _copy_from_below(self, path: bytes, target: bytes) -> None:
        found = self._find_below(target)
        if found is None or found.kind is Kind.DIR:
            raise ValueError(f"hard link to {shown(target)}, which is no file")
        self._add_node(path, found, self._below.read(target) if found.kind is Kind.FILE else ())

    def _add_node(self, path: bytes, entry: Entry, data: Iterable[bytes]) -> None:
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

    # Attributes

    def _set_attributes(self, path: bytes, entry: Entry) -> None:
        # The owner first: chown(2) takes set-id bits and capabilities away. The mode after
        # the xattrs: without privileges a file that must not be written takes none.
        store = self._store
        if (entry.uid, entry.gid) != store.owner:
            self.skipped.attempt("owners", partial(store.chown, path, entry.uid, entry.gid))
        for name, value in entry.xattrs.items():
            self._set_xattr(path, name, value)
        if entry.kind is not Kind.SYMLINK:
            store.chmod(path, entry.mode)
        store.utimens(path, entry.mtime_ns, entry.mtime_ns)

    def _set_xattr(self, path: bytes, name: bytes, value: bytes) -> None:
        try:
            self.skipped.attempt("extended attributes", partial(self._store.setxattr, path, name, value))
        except OSError as failure:
            # ENOSPC among them: some file systems have little room for xattrs.
            raise ValueError(f"extended attribute {shown(name)}: {failure.strerror}") from None


def _is_whiteout(name: bytes) -> bool:
    """Whether a file of this name is a mark; names of AuFS's own files are none."""
    if name.startswith(_BOOKKEEPING):
        return name in (OPAQUE, _BOOKKEEPING)
    return name.startswith(PREFIX)


def _as_whiteout(entry: Entry, name: bytes) -> Entry:
    """The empty file that a whiteout stands for."""
    if name[len(PREFIX) :] in _NO_WHITEOUT_FOR:
        raise ValueError("a whiteout without a name")
    if entry.kind is not Kind.FILE:
        raise ValueError("a whiteout that is not a regular file")
    # AuFS's whiteouts are hard links to one file, and their content never meant anything.
    return entry._replace(size=0, hardlink=None, xattrs={})


def _write(file: File, data: Iterable[bytes]) -> None:
    offset = 0
    for chunk in data:
        rest = memoryview(chunk)
        while rest:
            written = file.pwrite(rest, offset)
            offset += written
            rest = rest[written:]


def _stay(_path: bytes) -> None:
    """The way to something that is only looked at."""
