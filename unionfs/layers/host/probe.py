"""What a directory's file system lets us do, found by trying."""

from __future__ import annotations

import errno
import stat
from collections.abc import Callable
from typing import NamedTuple

from unionfs.layers.host.store import HostStore
from unionfs.types import RenameFlags

_DIRECTORY = b"#probe"
_REFUSALS = {errno.EPERM, errno.EACCES, errno.EINVAL, errno.ENOSYS, errno.EOPNOTSUPP}


class Abilities(NamedTuple):
    """What can be done in a work directory, by this process."""

    trusted_xattrs: bool
    user_xattrs: bool
    whiteout_devices: bool
    rename_whiteout: bool
    rename_exchange: bool


def probe(store: HostStore) -> Abilities:
    """Try each ability in a directory made in `store`, a work directory that nobody else uses.

    Leaves nothing behind. Raises `OSError` where the trial itself is impossible
    (EROFS, ENOSPC, EACCES on the directory).
    """
    _clear(store)  # what a probe that was killed left
    store.mkdir(_DIRECTORY, 0o700)
    try:
        return _try_everything(store)
    finally:
        _clear(store)


def _try_everything(store: HostStore) -> Abilities:
    for name in (b"a", b"b"):
        store.create(_in(name), 0o600).close()
    return Abilities(
        trusted_xattrs=_allowed(lambda: store.setxattr(_in(b"a"), b"trusted.overlay.probe", b"y")),
        user_xattrs=_allowed(lambda: store.setxattr(_in(b"a"), b"user.overlay.probe", b"y")),
        whiteout_devices=_allowed(lambda: store.mknod(_in(b"device"), stat.S_IFCHR, 0)),
        rename_exchange=_allowed(lambda: store.rename(_in(b"a"), store, _in(b"b"), RenameFlags.EXCHANGE)),
        rename_whiteout=_allowed(lambda: store.rename(_in(b"a"), store, _in(b"c"), RenameFlags.WHITEOUT)),
    )


def _clear(store: HostStore) -> None:
    try:
        names = [name for name, _ in store.scan(_DIRECTORY)]
    except FileNotFoundError:
        return
    for name in names:
        store.unlink(_in(name))
    store.rmdir(_DIRECTORY)


def _allowed(attempt: Callable[[], None]) -> bool:
    try:
        attempt()
    except OSError as failure:
        if failure.errno in _REFUSALS:
            return False
        raise
    return True


def _in(name: bytes) -> bytes:
    return _DIRECTORY + b"/" + name
