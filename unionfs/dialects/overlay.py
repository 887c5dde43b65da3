"""overlayfs's marks: 0:0 character devices and xattrs ``trusted.overlay.*`` or ``user.overlay.*``.

The format is the kernel's (linux, Documentation/filesystems/overlayfs.rst, and
fs/overlayfs where that is silent). One xattr is ours: ``<prefix>unionfs.origin``,
``LAYER:INO`` in ASCII decimal, beside the kernel's ``origin``, whose file handle only a
host file system can make. The kernel keeps unknown names under its prefix and hides
them from readers. Names under the prefix that are not marks (``impure``, ``uuid``,
``protattr``, …) are left alone and not shown.
"""

from __future__ import annotations

import errno
import re
import stat as _s
from enum import Enum, auto
from typing import NamedTuple

from unionfs.core.dialect import NO_MARKS, Feature, Links, Listing, Marks, Occupant, Origin
from unionfs.core.node import join
from unionfs.core.steps import (
    At,
    Discard,
    Link,
    MakeFile,
    MakeWhiteout,
    Move,
    Plan,
    Remove,
    RemoveDir,
    RemoveXattr,
    SetXattr,
    Steps,
    Tree,
    upper,
)
from unionfs.core.store import Store
from unionfs.errors import error
from unionfs.types import Kind, RenameFlags, Stat

TRUSTED = b"trusted.overlay."
USER = b"user.overlay."

_ESCAPE = b"overlay."
_OPAQUE = b"opaque"
_REDIRECT = b"redirect"
_METACOPY = b"metacopy"
_ORIGIN = b"origin"
_OUR_ORIGIN = b"unionfs.origin"
_NLINK = b"nlink"
_WHITEOUT = b"whiteout"

_IS_OPAQUE = b"y"
_HOLDS_XATTR_WHITEOUTS = b"x"

_XATTR_WHITEOUT_MODE = 0o644
"""A user.* xattr can be set and read only where the file itself can be written and read (xattr(7))."""

_ABSENT = (errno.ENOENT, errno.ENOTDIR)
_NO_XATTR = (errno.ENODATA, errno.ENOTSUP)


class Whiteouts(Enum):
    """The form in which whiteouts are written; both are read."""

    DEVICE = auto()
    """A 0:0 character device, which Linux lets anyone make (since 5.8)."""

    XATTR = auto()
    """An empty file with the xattr ``whiteout``, for where no device can be made.

    The kernel (6.18) reads these in lower layers; in an upper layer its listings show them.
    """


class OverlayDialect(NamedTuple):
    """Marks as the kernel's overlayfs writes them.

    `prefix` is ``trusted.overlay.`` or ``user.overlay.``. `rename_whiteout` says that the file system of the
    upper layer can do RENAME_WHITEOUT (renameat2(2)), with which a move that leaves a
    whiteout is one step. `metacopy` and `redirect` say that these marks may be written.
    """

    prefix: bytes = TRUSTED
    whiteouts: Whiteouts = Whiteouts.DEVICE
    rename_whiteout: bool = True
    metacopy: bool = True
    redirect: bool = True

    @property
    def name(self) -> str:
        return "overlay"

    @property
    def features(self) -> frozenset[Feature]:
        return _FEATURES[self.metacopy, self.redirect]

    # Reading

    def listing(self, store: Store, path: bytes) -> Listing:
        """One scan and one getxattr, unless there are character devices or xattr whiteouts."""
        entries = dict(store.scan(path))
        hidden = [
            name
            for name, kind in entries.items()
            if kind is Kind.CHAR and store.stat(join(path, name)).rdev == 0
        ]
        if self._value(store, path, _OPAQUE) == _HOLDS_XATTR_WHITEOUTS:
            hidden += [
                name
                for name, kind in entries.items()
                if kind is Kind.FILE and self._is_xattr_whiteout(store, join(path, name))
            ]
        for name in hidden:
            del entries[name]
        return Listing(entries, frozenset(hidden))

    def is_whiteout(self, store: Store, path: bytes) -> bool:
        try:
            stat = store.stat(path)
        except OSError as failure:
            if failure.errno in _ABSENT:
                return False
            raise
        if stat.kind is Kind.CHAR:
            return stat.rdev == 0
        if stat.kind is not Kind.FILE or stat.size or not self._is_xattr_whiteout(store, path):
            return False
        return self._value(store, _parent(path), _OPAQUE) == _HOLDS_XATTR_WHITEOUTS

    def _is_xattr_whiteout(self, store: Store, path: bytes) -> bool:
        return self._value(store, path, _WHITEOUT) is not None and store.stat(path).size == 0

    def marks(self, store: Store, path: bytes, stat: Stat) -> Marks:
        """One listxattr where there is no mark, one getxattr more for each that there is.

        A redirect that names no path gives EIO.
        """
        kind = stat.kind
        if self.prefix == USER and kind not in (Kind.FILE, Kind.DIR):
            return NO_MARKS  # xattr(7): nothing else can have a user.* xattr
        found = self._names(store, path)
        if not found:
            return NO_MARKS
        values = {name: self._value(store, path, name) for name in found}
        is_dir = kind is Kind.DIR
        metacopy = kind is Kind.FILE and _METACOPY in found
        return Marks(
            opaque=is_dir and values.get(_OPAQUE) == _IS_OPAQUE,
            # The kernel leaves redirects behind on files whose data has come since.
            redirect=_checked_redirect(values.get(_REDIRECT), path) if is_dir or metacopy else None,
            metacopy=metacopy,
            origin=_read_origin(values.get(_OUR_ORIGIN), values.get(_ORIGIN)),
            links=_read_links(values.get(_NLINK)),
        )

    def _names(self, store: Store, path: bytes) -> set[bytes]:
        """The names under our prefix that are marks, without the prefix."""
        try:
            stored = store.listxattr(path)
        except OSError as failure:
            if failure.errno == errno.ENOTSUP:
                return set()
            raise
        start = len(self.prefix)
        return {name[start:] for name in stored if name.startswith(self.prefix)} & _ALL_MARKS

    def _value(self, store: Store, path: bytes, mark: bytes) -> bytes | None:
        try:
            return store.getxattr(path, self.prefix + mark)
        except OSError as failure:
            if failure.errno in _NO_XATTR:
                return None
            raise

    def can_mark(self, kind: Kind) -> bool:
        """xattr(7): user attributes are for regular files and directories only."""
        return self.prefix == TRUSTED or kind in (Kind.FILE, Kind.DIR)

    def allows_name(self, name: bytes) -> bool:
        return True

    def allows_node(self, mode: int, rdev: int) -> bool:
        return not (_s.S_ISCHR(mode) and rdev == 0)

    def shown_xattr(self, stored: bytes) -> bytes | None:
        if not stored.startswith(self.prefix):
            return stored
        escaped = self.prefix + _ESCAPE
        return self.prefix + stored[len(escaped) :] if stored.startswith(escaped) else None

    def stored_xattr(self, shown: bytes) -> bytes:
        if not shown.startswith(self.prefix):
            return shown
        return self.prefix + _ESCAPE + shown[len(self.prefix) :]

    # Writing marks

    def mark(self, at: At, old: Marks, new: Marks) -> Steps:
        """Sets come before removals, and each in the order that keeps the entry readable between them.

        A directory that is to be opaque must hold no xattr whiteouts: there they would be plain files.
        """
        before, after = self._written(old), self._written(new)
        gone = (RemoveXattr(at, name) for name in reversed(before) if name not in after)
        come = (SetXattr(at, name, value) for name, value in after.items() if before.get(name) != value)
        return (*come, *gone)

    def _written(self, marks: Marks) -> dict[bytes, bytes]:
        """The xattrs that say `marks`: a redirect before the mark that has a reader follow it."""
        values: dict[bytes, bytes] = {}
        if marks.origin is not None:
            values |= _written_origin(marks.origin)
        if marks.links is not None:
            values[_NLINK] = _written_links(marks.links)
        if marks.redirect is not None:
            values[_REDIRECT] = marks.redirect
        if marks.metacopy:
            values[_METACOPY] = b""
        if marks.opaque:
            values[_OPAQUE] = _IS_OPAQUE
        return {self.prefix + name: value for name, value in values.items()}

    # Writing whiteouts

    def hide(self, path: bytes, temp: At) -> Plan:
        """One step that shows. The directory must not be opaque: there nothing is left to hide."""
        if self.whiteouts is Whiteouts.DEVICE:
            return Plan(commit=self._whiteout(upper(path)))
        return self.lay(path, temp)

    def lay(self, path: bytes, temp: At) -> Plan:
        """A whiteout for `path`, where the upper layer may hold one already."""
        place = upper(path)
        return Plan(build=self._announce(place) + self._whiteout(temp), commit=(Move(temp, place),))

    def move(
        self, source: At, target: At, kind: Kind, *, leave_whiteout: bool, onto: Occupant, temp: At
    ) -> Plan:
        """One rename where there is one that does it; `_swap` and `_move_…_by_hand` are for the rest."""
        leave = leave_whiteout and source.tree is Tree.UPPER
        if onto is Occupant.WHITEOUT and (kind is Kind.DIR or (leave and not self._leaves_by_itself)):
            return self._swap(source, target, leave)
        if not leave:
            return Plan(commit=(Move(source, target),))
        if self._leaves_by_itself:
            return Plan(commit=(Move(source, target, RenameFlags.WHITEOUT),))
        if target.tree is Tree.WORK:
            return Plan(build=self._whiteout(target)) + self._swap(source, target, leave)
        if kind is Kind.DIR:
            return self._move_dir_by_hand(source, target, onto, temp)
        return self._move_file_by_hand(source, target, onto, temp)

    @property
    def _leaves_by_itself(self) -> bool:
        """Whether rename can leave a whiteout: the kernel's own are devices."""
        return self.rename_whiteout and self.whiteouts is Whiteouts.DEVICE

    def _swap(self, source: At, target: At, leave: bool) -> Plan:
        """Entry and whiteout change places: the one way to put a directory where a whiteout is.

        The whiteout left at the source hides nothing where none was asked for, so
        removing it is tidying; but an xattr whiteout, if the source's directory holds no
        others, is seen as an empty file by whoever comes in between (after a crash too).
        """
        swap = Move(source, target, RenameFlags.EXCHANGE)
        if leave:
            return Plan(build=self._announce(source), commit=(swap,))
        if self.whiteouts is Whiteouts.XATTR and source.tree is Tree.UPPER:
            return Plan(commit=(swap, Remove(source)))
        return Plan(commit=(swap,), tidy=(Remove(source),))

    def _move_file_by_hand(self, source: At, target: At, onto: Occupant, temp: At) -> Plan:
        """Without RENAME_WHITEOUT a file has both names for a moment, as rename(2) allows.

        A crash in that moment leaves it with both names: nothing is lost, nothing comes back.
        """
        second = At(temp.tree, temp.path + b"+")
        replaces = onto is Occupant.ENTRY  # which is kept until nothing can fail any more
        first = Move(second, target, RenameFlags.EXCHANGE if replaces else RenameFlags.NONE)
        return Plan(
            build=(*self._announce(source), Link(source, second), *self._whiteout(temp)),
            commit=(first, Move(temp, source)),
            tidy=(Discard(second),) if replaces else (),
        )

    def _move_dir_by_hand(self, source: At, target: At, onto: Occupant, temp: At) -> Plan:
        """Without RENAME_WHITEOUT a whiteout is put at the target, then exchanged with the directory.

        A crash in between leaves the directory under its old name, and the target, at most
        an empty directory for a reader, already gone. (An xattr whiteout there is seen
        as an empty file if the target's directory holds no others.)
        """
        replaces = onto is Occupant.ENTRY
        first = Move(temp, target, RenameFlags.EXCHANGE if replaces else RenameFlags.NONE)
        return Plan(
            build=self._announce(source) + self._whiteout(temp),
            commit=(first, Move(source, target, RenameFlags.EXCHANGE)),
            tidy=(RemoveDir(temp),) if replaces else (),
        )

    def _whiteout(self, at: At) -> Steps:
        if self.whiteouts is Whiteouts.DEVICE:
            return (MakeWhiteout(at),)
        return (MakeFile(at, _XATTR_WHITEOUT_MODE), SetXattr(at, self.prefix + _WHITEOUT, b""))

    def _announce(self, whiteout: At) -> Steps:
        """What the directory must say before readers look for xattr whiteouts in it."""
        if self.whiteouts is Whiteouts.DEVICE:
            return ()
        return (SetXattr(upper(_parent(whiteout.path)), self.prefix + _OPAQUE, _HOLDS_XATTR_WHITEOUTS),)


_FEATURES = {
    (True, True): frozenset(Feature),
    (True, False): frozenset(Feature) - {Feature.REDIRECT},
    (False, True): frozenset(Feature) - {Feature.METACOPY},
    (False, False): frozenset({Feature.ORIGIN}),
}
"""By whether metacopy and redirect may be written."""

_ALL_MARKS = {_OPAQUE, _REDIRECT, _METACOPY, _ORIGIN, _OUR_ORIGIN, _NLINK}


def _parent(path: bytes) -> bytes:
    return path.rpartition(b"/")[0]


def _checked_redirect(redirect: bytes | None, path: bytes) -> bytes | None:
    """A redirect as the kernel takes it: a name, or names each after one slash."""
    if redirect is None:
        return None
    names = redirect[1:].split(b"/") if redirect.startswith(b"/") else [redirect]
    if any(name in (b"", b".", b"..") or b"/" in name or b"\0" in name for name in names):
        raise error(errno.EIO, path)
    return redirect


def _read_origin(ours: bytes | None, handle: bytes | None) -> Origin | None:
    """A copy that the kernel made has no number of ours: layer -1, ino 0."""
    number = re.fullmatch(rb"(\d{1,9}):(\d{1,20})", ours or b"")
    if number:
        return Origin(int(number[1]), int(number[2]), handle or b"")
    return Origin(-1, 0, handle) if handle else None


def _written_origin(origin: Origin) -> dict[bytes, bytes]:
    values: dict[bytes, bytes] = {}
    if origin.layer >= 0:
        values[_OUR_ORIGIN] = b"%d:%d" % (origin.layer, origin.ino)
    if origin.handle:
        values[_ORIGIN] = origin.handle
    return values


def _read_links(nlink: bytes | None) -> Links | None:
    if nlink is None or nlink[:1] not in (b"U", b"L"):
        return None
    try:
        return Links(int(nlink[1:]), of_lower=nlink[:1] == b"L")
    except ValueError:
        return None


def _written_links(links: Links) -> bytes:
    """``U`` counts from the upper file, ``L`` from the lower one."""
    return (b"L%+d" if links.of_lower else b"U%+d") % links.number
