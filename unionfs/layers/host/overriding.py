"""A directory of the host whose files are somebody else's, as an extended attribute says: see `override`."""

from __future__ import annotations

import errno
import os
import stat as _s
from collections.abc import Callable

from unionfs.core import acl
from unionfs.core.plans.attrs import without_set_id
from unionfs.errors import error
from unionfs.layers.host.file import HostFile
from unionfs.layers.host.override import CARRIERS, Override, parse, serialise
from unionfs.layers.host.store import HostStore
from unionfs.layers.host.volatile import VolatileFile, VolatileStore
from unionfs.layers.paths import names_path
from unionfs.types import Kind, Stat, XattrFlags, kind_of

_OWN_MODE = 0o755
"""What files and directories have themselves: who mounts can do all with them, others can use the layer."""

_NOT_THERE = frozenset({errno.ENODATA, errno.EOPNOTSUPP, errno.EACCES})
"""EACCES: who cannot read a file cannot read its user.* attributes."""

_NOT_OURS_TO_GIVE = frozenset({errno.EPERM, errno.EINVAL})

_ESCAPE = b"."


class OverridingFile(HostFile):
    """A file of an `OverridingStore`."""

    def __init__(self, fd: int, xattr: bytes) -> None:
        super().__init__(fd)
        self._xattr = xattr

    def override(self) -> Override | None:
        return _read(lambda: os.getxattr(self._fd, self._xattr))

    def set_override(self, override: Override) -> None:
        super().setxattr(self._xattr, serialise(override))

    def stat(self) -> Stat:
        return _over(super().stat(), self.override())

    def xattrs(self) -> list[bytes]:
        return _shown(super().xattrs(), self._xattr)

    def chmod(self, mode: int) -> None:
        self.set_override(Override.of(self.stat())._replace(mode=mode))
        super().chmod(_OWN_MODE)

    def chown(self, uid: int, gid: int) -> None:
        self.set_override(_given(self.stat(), uid, gid))
        super().chown(-1, -1)

    def setxattr(self, name: bytes, value: bytes, flags: XattrFlags = XattrFlags.NONE) -> None:
        _refuse_acl(name)
        super().setxattr(_stored(name, self._xattr), value, flags)


class OverridingStore(HostStore):
    """A `HostStore` that shows, and keeps, owner and mode of files and directories in the attribute `xattr`.

    Itself everything belongs to whoever made it. What cannot have the attribute, such as a symbolic
    link, has its own owner and mode; giving one away that is not ours to give does nothing.
    Files that have the attribute have no ACLs: their modes would not follow each other.
    """

    def __init__(
        self,
        path: str | bytes | os.PathLike[str],
        name: str | None = None,
        *,
        xattr: bytes,
        writable: bool = False,
    ) -> None:
        super().__init__(path, name, writable=writable)
        self._xattr = xattr

    @property
    def owner(self) -> None:
        """Whose a file is has to be written down once it is there."""
        return None

    @names_path
    def override(self, path: bytes) -> Override | None:
        return _read(lambda: super(OverridingStore, self).getxattr(path, self._xattr))

    def set_override(self, path: bytes, override: Override) -> None:
        super().setxattr(path, self._xattr, serialise(override))

    # Reading

    def stat(self, path: bytes) -> Stat:
        return self._seen(path, super().stat(path))

    def stat_in(self, path: bytes) -> Callable[[bytes], Stat]:
        own = super().stat_in(path)
        prefix = path + b"/" if path else b""
        return lambda name: self._seen(prefix + name, own(name))

    def _seen(self, path: bytes, own: Stat) -> Stat:
        return _over(own, self.override(path)) if own.kind in CARRIERS else own

    def scan(self, path: bytes) -> list[tuple[bytes, Kind]]:
        prefix = path + b"/" if path else b""
        return [
            (name, self._kind(prefix + name) if kind is Kind.FILE else kind)
            for name, kind in super().scan(path)
        ]

    def _kind(self, path: bytes) -> Kind:
        override = self.override(path)
        return Kind.FILE if override is None or not override.format else kind_of(override.format)

    @names_path
    def listxattr(self, path: bytes) -> list[bytes]:
        return _shown(super().listxattr(path), self._xattr)

    @names_path
    def getxattr(self, path: bytes, name: bytes) -> bytes:
        if name in acl.NAMES and self.override(path) is not None:
            raise error(errno.EOPNOTSUPP)
        return super().getxattr(path, _stored(name, self._xattr))

    def _file(self, fd: int) -> OverridingFile:
        return OverridingFile(fd, self._xattr)

    # Making

    def create(self, path: bytes, mode: int) -> HostFile:
        file = super().create(path, _OWN_MODE)
        try:
            self.set_override(path, _ours(mode))
        except OSError:
            file.close()
            raise
        return file

    def mkdir(self, path: bytes, mode: int) -> None:
        super().mkdir(path, _OWN_MODE)
        self.set_override(path, _ours(mode))

    def mknod(self, path: bytes, mode: int, rdev: int) -> None:
        """Where a device cannot be made an empty file stands for it; a whiteout has to be one."""
        try:
            super().mknod(path, mode, rdev)
        except PermissionError:
            if not rdev:
                raise
            self.create(path, mode).close()
            self.set_override(path, _ours(mode)._replace(format=_s.S_IFMT(mode), rdev=rdev))

    # Attributes

    # Also the file itself is changed: that dates a change which changes nothing, and
    # takes capabilities away as chown(2) does.

    def chmod(self, path: bytes, mode: int) -> None:
        if self._carries(path):
            self.set_override(path, Override.of(self.stat(path))._replace(mode=mode))
            mode = _OWN_MODE
        super().chmod(path, mode)

    def chown(self, path: bytes, uid: int, gid: int) -> None:
        if self._carries(path):
            self.set_override(path, _given(self.stat(path), uid, gid))
            uid = gid = -1
        try:
            super().chown(path, uid, gid)
        except OSError as failure:
            if failure.errno not in _NOT_OURS_TO_GIVE:
                raise

    def _carries(self, path: bytes) -> bool:
        return super().stat(path).kind in CARRIERS

    @names_path
    def setxattr(self, path: bytes, name: bytes, value: bytes, flags: XattrFlags = XattrFlags.NONE) -> None:
        _refuse_acl(name)
        super().setxattr(path, _stored(name, self._xattr), value, flags)

    def removexattr(self, path: bytes, name: bytes) -> None:
        super().removexattr(path, _stored(name, self._xattr))


class VolatileOverridingFile(VolatileFile, OverridingFile):
    pass


class VolatileOverridingStore(VolatileStore, OverridingStore):
    """Both."""

    def _file(self, fd: int) -> OverridingFile:
        return VolatileOverridingFile(fd, self._xattr)


def _read(get: Callable[[], bytes]) -> Override | None:
    try:
        value = get()
    except OSError as failure:
        if failure.errno in _NOT_THERE:
            return None
        raise
    return parse(value)


def _over(own: Stat, override: Override | None) -> Stat:
    return own if override is None else override.over(own)


def _ours(mode: int) -> Override:
    return Override(os.geteuid(), os.getegid(), _s.S_IMODE(mode))


def _given(stat: Stat, uid: int, gid: int) -> Override:
    """What a file is after chown(2), for which -1 leaves one alone."""
    now = Override.of(stat)._replace(mode=without_set_id(stat))
    return now._replace(uid=stat.uid if uid == -1 else uid, gid=stat.gid if gid == -1 else gid)


def _refuse_acl(name: bytes) -> None:
    if name in acl.NAMES:
        raise error(errno.EOPNOTSUPP)


# The attribute's own name, when somebody sets it through the store, and names that end like that, get one
# more dot: what is set comes back, whatever its name.


def _stored(name: bytes, xattr: bytes) -> bytes:
    return name + _ESCAPE if name.rstrip(_ESCAPE) == xattr else name


def _shown(stored: list[bytes], xattr: bytes) -> list[bytes]:
    """The names that callers see; of a file with the attribute, no ACLs."""
    hidden = {xattr, *acl.NAMES} if xattr in stored else set()
    return [
        name.removesuffix(_ESCAPE) if name.rstrip(_ESCAPE) == xattr else name
        for name in stored
        if name not in hidden
    ]
