"""Where the entries of a layer's archive go: every rule once, for unpacking and for indexing alike.

Names are resolved here, inside the layer's root, as a process chrooted to it would:
symbolic links in the middle of a name are followed, ``..`` of the root is the root.
Where tools disagree:

- a path that comes twice is an error; with `Limits.last_wins`, the last one counts;
- a whiteout and an entry of the same name are both kept, in whatever order they come;
- where a directory is needed, it takes the place of a file of that name;
- a missing parent is as the layers beneath have it, otherwise 0755, of root, from 1970;
- a hard link to a file of the layers beneath takes a copy of it into this layer.

Whiteouts hide what is beneath from the entries that come after them in the archive, and
stay the ``.wh.`` files that they are there: a layer is one of the AuFS dialect, to which
overlayfs's xattrs and 0:0 devices mean nothing.

Nothing is read or written here: the layers beneath are asked, and a `Target` is told.
"""

from __future__ import annotations

from typing import Protocol

from unionfs.core.node import join
from unionfs.dialects.aufs import OPAQUE, PREFIX
from unionfs.images.below import Below
from unionfs.images.entry import Entry, shown, split
from unionfs.images.limits import Limits
from unionfs.images.tally import Tally
from unionfs.images.tar_reader import Content
from unionfs.types import NAME_MAX, Kind

_LINKS_MAX = 40  # as the kernel's own walk (path_resolution(7))
_STEPS_MAX, _STEPS_OF_ENTRY = 1 << 20, 64
"""Names in symbolic links' targets that are gone through for a whole layer: so many, and for each entry."""
_BOOKKEEPING = PREFIX + PREFIX  # AuFS's own files: kept as they are, shown by no reader
_NO_WHITEOUT_FOR = frozenset({b"", b".", b"..", PREFIX})
_DEFAULT_DIRECTORY = Entry(b"", Kind.DIR, 0o755)


class Target(Protocol):
    """What makes what the rules have decided on.

    Paths lead through no symbolic link, their parents are directories that are there
    already, and nothing is at a path where something is to be made.
    """

    def directory(self, path: bytes) -> None:
        """A directory; its attributes are known at the end (`Placer.directories`)."""

    def node(self, path: bytes, entry: Entry, content: Content) -> None:
        """Anything else; `content` is the data of a regular file."""

    def link(self, path: bytes, existing: bytes) -> None:
        """One more name for what was made at `existing`, which is no directory."""

    def copy(self, path: bytes, entry: Entry, beneath: bytes) -> None:
        """What the layers beneath have at `beneath`, which is no directory."""

    def remove(self, path: bytes) -> None:
        """Take away what was made at `path`, with everything in it."""


class Placer:
    """The placing of one layer. Rules that an entry breaks are ValueErrors here."""

    def __init__(self, target: Target, below: Below, limits: Limits, tally: Tally) -> None:
        self._target = target
        self._below = below
        self._limits = limits
        self._tally = tally
        self._named: set[bytes] = set()  # the paths that an entry was about
        self._others: dict[bytes, Entry] = {}  # what the layer has, but for directories
        self._whiteouts: set[bytes] = set()  # the paths that this layer hides
        self._opaque: set[bytes] = set()  # the directories that it hides all of
        self._inside: dict[bytes, set[bytes]] = {}  # what is in a directory, where it may be replaced
        self._steps = 0
        self.directories: dict[bytes, Entry] = {}
        """What the directories made so far shall be in the end, the root among them."""
        self.directories[b""] = self._implied(b"")

    def add(self, entry: Entry, content: Content) -> None:
        parent, name = split(entry.name)
        place = self._resolve(parent, making=True)
        path = join(place, name) if name else b""
        if is_mark(name):
            entry = _as_whiteout(entry, name)
            self._hide(place, name)
        if not self._make_room(path, entry):
            return
        self._named.add(path)
        self._note(path)
        if entry.kind is Kind.DIR:
            self._add_directory(path, entry)
        elif entry.hardlink is not None:
            self._add_link(path, entry.hardlink)
        else:
            self._others[path] = entry
            self._target.node(path, entry, content)

    # Names

    def _hide(self, place: bytes, whiteout: bytes) -> None:
        if whiteout == OPAQUE:
            self._opaque.add(place)
        else:
            self._whiteouts.add(join(place, whiteout[len(PREFIX) :]))

    def _resolve(self, path: bytes, *, making: bool) -> bytes:
        """The path that leads through no symbolic link; with `making`, every directory on it is made."""
        if path in self.directories:
            return path
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
            if here in self.directories:
                done = here
                continue
            self._check_length(here)
            target = self._link_target(here)
            if target is None:
                if making:
                    self._make_directory(here)
                done = here
                continue
            links += 1
            if links > _LINKS_MAX:
                raise ValueError("too many symbolic links")
            done = b"" if target.startswith(b"/") else done
            todo.extend(target.split(b"/")[::-1])
            self._steps += target.count(b"/") + 1
            if self._steps > _STEPS_MAX + _STEPS_OF_ENTRY * len(self._named):
                raise ValueError("too many symbolic links, and too long ones")
        return done

    def _check_length(self, path: bytes) -> None:
        """A path that a symbolic link led to obeys the same limits as one that was written down."""
        name = split(path)[1]
        if len(path) > self._limits.path or len(name) > NAME_MAX or path.count(b"/") >= self._limits.depth:
            raise ValueError("leads to a name that is too long")
        self._tally.add_path(path)

    def _link_target(self, path: bytes) -> bytes | None:
        """Where the symbolic link leads that is at `path`; None where none is."""
        found = self._others.get(path) or self._find_below(path)
        return found.target if found is not None and found.kind is Kind.SYMLINK else None

    def _make_directory(self, path: bytes) -> None:
        """A directory where this layer has none; its parent is one."""
        if is_mark(split(path)[1]):
            raise ValueError("a whiteout is no directory")
        implied = self._implied(path)
        if self._others.pop(path, None) is not None:
            self._target.remove(path)
        self._target.directory(path)
        self.directories[path] = implied
        self._note(path)

    def _implied(self, path: bytes) -> Entry:
        """What a directory looks like that the archive has no entry for."""
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

    # Entries

    def _make_room(self, path: bytes, entry: Entry) -> bool:
        """Whether the entry is to be made; whatever it replaces is gone then."""
        if path in self._named:
            if not self._limits.last_wins:
                raise ValueError("comes more than once")
            self._replace(path, entry)
        # Other entries need a directory here, so it stays, whatever this one wanted.
        return entry.kind is Kind.DIR or path not in self.directories

    def _replace(self, path: bytes, entry: Entry) -> None:
        if path in self.directories and entry.kind is Kind.DIR:
            return
        self._target.remove(path)
        gone = [path]
        for each in gone:  # grows while it is gone through
            gone += self._inside.pop(each, ())
            self._named.discard(each)
            self._others.pop(each, None)
            self.directories.pop(each, None)

    def _note(self, path: bytes) -> None:
        """Remember what a directory holds: only where the last of two entries wins it is ever asked."""
        if self._limits.last_wins and path:
            self._inside.setdefault(split(path)[0], set()).add(path)

    def _add_directory(self, path: bytes, entry: Entry) -> None:
        if path not in self.directories:
            self._target.directory(path)
        self.directories[path] = entry

    def _add_link(self, path: bytes, hardlink: bytes) -> None:
        parent, name = split(hardlink)
        if is_mark(name):
            raise ValueError(f"hard link to the whiteout {shown(hardlink)}")
        existing = join(self._resolve(parent, making=False), name)
        if existing in self.directories:
            raise ValueError(f"hard link to the directory {shown(hardlink)}")
        if existing in self._others:
            self._others[path] = self._others[existing]
            self._target.link(path, existing)
        else:
            self._copy_from_below(path, existing)

    def _copy_from_below(self, path: bytes, beneath: bytes) -> None:
        found = self._find_below(beneath)
        if found is None or found.kind is Kind.DIR:
            raise ValueError(f"hard link to {shown(beneath)}, which is no file")
        self._others[path] = found
        self._target.copy(path, found, beneath)


def is_mark(name: bytes) -> bool:
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
