"""From options to a union over directories of this host, and URLs beneath them.

Every check comes before the first change on disk; each is a `ConfigError` that names
the culprit. An upper and its work directory are locked (flock(2)) for as long as the
union is open, so that no two unions write to one upper.
"""

from __future__ import annotations

import errno
import fcntl
import os
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, closing, contextmanager, suppress
from functools import partial
from itertools import filterfalse
from typing import TYPE_CHECKING, TypeVar

from unionfs.adapters.mapped import MappedUnion
from unionfs.adapters.mountinfo import mounts
from unionfs.adapters.options import CACHE_AUTO, Options
from unionfs.adapters.ownership import AS_STORED, Ids, Ownership
from unionfs.core.apply import discard
from unionfs.core.completion import Progress
from unionfs.core.dialect import Dialect
from unionfs.core.layer import Layer, UpperLayer
from unionfs.core.store import Store
from unionfs.core.union import Union
from unionfs.dialects import by_name, detect
from unionfs.dialects.mixed import MixedDialect
from unionfs.dialects.overlay import USER, OverlayDialect, Whiteouts
from unionfs.errors import ConfigError
from unionfs.layers.host import HostStore, VolatileStore, override
from unionfs.layers.host.probe import Abilities, probe
from unionfs.layers.urls import is_url
from unionfs.types import CopyUp

if TYPE_CHECKING:
    from unionfs.layers.fsspec.store import UrlOptions

_KEPT_IN_WORK = {"work", "index", "pending", "pending.next"}
"""What overlayfs, and we, leave behind in a work directory."""

_INCOMPATIBLE = os.path.join("work", "incompat")
_VOLATILE = os.path.join(_INCOMPATIBLE, "volatile")
"""In a work directory: where overlayfs, and we, say what must not be trusted after a crash."""

_NEW_OVERRIDES = {1: override.PRIVILEGED, 2: override.USER}
"""By ``xattr_permissions``, the xattr in which owners are kept in a new upper layer."""

_Identity = tuple[int, int]
_D = TypeVar("_D", bound=Dialect)


def check(options: Options, mountpoint: str | None = None, image: Sequence[Layer] = ()) -> None:
    """Raise `ConfigError` where layers and mountpoint do not fit together. Changes nothing.

    `image` are layers beneath those that `options` name.
    """
    if not options.lowers and not image:
        raise ConfigError("no lower layer: lowerdir= or an image is needed")
    for lower in options.lowers:
        _check_lower(lower)
    if options.upper is not None:
        _check_writable(options)
    if mountpoint is not None:
        _check_mountpoint(options, mountpoint)


def absolute(options: Options) -> Options:
    """The same options, whatever the current directory will be."""
    return options._replace(
        lowers=tuple(lower if is_url(lower) else os.path.abspath(lower) for lower in options.lowers),
        upper=options.upper and os.path.abspath(options.upper),
        work=options.work and os.path.abspath(options.work),
    )


@contextmanager
def opened(
    options: Options,
    image: Sequence[Layer] = (),
    *,
    adopt_root: bool = False,
    progress: Progress | None = None,
) -> Iterator[Union]:
    """The union that checked `options` describe, locked against others; `ConfigError` where it is in use.

    With `adopt_root` an empty upper directory gets the root's attributes from the layers beneath.
    At the end every file is completed, of which `progress` is told (see `Union.close`), and
    what the kernel could not read is made plain, unless `options` say otherwise.
    """
    with ExitStack() as held, ExitStack() as without_union:
        lowers = []
        for layer in lower_layers(options):  # before anything is made: a URL may lead nowhere
            lowers.append(layer)
            without_union.callback(layer.store.close)
        upper, fresh = None, False
        if options.upper is not None and options.work is not None:
            held.enter_context(locked("upperdir", options.upper))
            held.enter_context(locked("workdir", options.work))
            _check_trustworthy(options.work)
            dialect = _fitted(_upper_dialect(options, options.upper), _abilities(options.work), options)
            upper = _upper_layer(options, options.upper, options.work, dialect)
            fresh = adopt_root and not os.listdir(options.upper)
            if options.volatile:
                held.enter_context(_distrusted(options.work))
        union = _union(options, (*lowers, *image), upper)
        held.callback(lambda: union.close(progress))
        without_union.pop_all()
        if fresh:
            union.adopt_root()
        yield union
        if upper is not None:
            _leave_plain(union, upper.dialect, options)


def _upper_layer(options: Options, upper: str, work: str, dialect: Dialect) -> UpperLayer:
    xattr = _overriding(upper, options) or _begun_overriding(upper, options)
    store, beside = (
        _store(option, path, xattr, writable=True, volatile=options.volatile)
        for option, path in (("upperdir", upper), ("workdir", work))
    )
    return UpperLayer(store, dialect, beside)


def _begun_overriding(upper: str, options: Options) -> bytes | None:
    """The xattr in which owners are kept from now on in an upper layer, if `options` say so."""
    xattr = _NEW_OVERRIDES.get(options.xattr_permissions)
    if xattr is not None:
        try:
            override.mark(upper, xattr)
        except OSError as failure:
            raise _refusal("upperdir", upper, f"{xattr.decode()}: {failure.strerror}") from failure
    return xattr


def _leave_plain(union: Union, dialect: Dialect, options: Options) -> None:
    """With user xattrs the kernel follows neither metacopy nor redirect: it would show empty files."""
    if isinstance(dialect, MixedDialect):
        dialect = dialect.overlay
    if isinstance(dialect, OverlayDialect) and dialect.prefix == USER:
        union.make_plain(files=options.metacopy is None, directories=options.redirect_dir is None)


@contextmanager
def _distrusted(work: str) -> Iterator[None]:
    """Have the work directory say, until all went well, that nothing has been synced."""
    os.makedirs(os.path.join(work, _VOLATILE), 0o700)
    yield
    with suppress(FileNotFoundError):  # podman removes a layer once it is unmounted, before we have ended
        os.rmdir(os.path.join(work, _VOLATILE))
        os.rmdir(os.path.join(work, _INCOMPATIBLE))


@contextmanager
def inspected(options: Options, image: Sequence[Layer] = ()) -> Iterator[Union]:
    """The union as it is at the moment, to look at: nothing is written, another may have it mounted."""
    from unionfs.layers.memory import MemoryStore

    upper = None
    if options.upper is not None:
        xattr = _overriding(options.upper, options)
        store = _store("upperdir", options.upper, xattr)
        work = _store("workdir", options.work, xattr) if options.work else MemoryStore("work")
        upper = UpperLayer(store, _upper_dialect(options, options.upper), work)
    with closing(Union((*lower_layers(options), *image), upper, inspect=True)) as union:
        yield union


def _union(options: Options, lowers: Sequence[Layer], upper: UpperLayer | None) -> Union:
    ownership = _ownership(options)
    mode = CopyUp(options.copy_up)
    if ownership == AS_STORED:
        return Union(lowers, upper, copy_up=mode)
    return MappedUnion(ownership, lowers, upper, copy_up=mode)


def _ownership(options: Options) -> Ownership:
    """Squashing to a certain id has precedence over squashing to root."""
    root = 0 if options.squash_to_root else None
    uid, gid = options.squash_to_uid, options.squash_to_gid
    return Ownership(
        Ids(options.uids, root if uid is None else uid), Ids(options.gids, root if gid is None else gid)
    )


def watchable(union: Union, options: Options) -> list[Store]:
    """The stores of those layers that may change and say so: directories that were named, not an image's."""
    named = union.lowers[: len(options.lowers)] if options.cache == CACHE_AUTO else ()
    return [layer.store for layer in named if isinstance(layer.store, HostStore)]


def lower_layers(options: Options, url_options: UrlOptions | None = None) -> Iterator[Layer]:
    """The lower layers that checked `options` name, top-most first: directories, and URLs of fsspec's.

    `url_options` are what the file systems of the URLs are made with, by protocol.
    """
    for name in options.lowers:
        yield _lower_layer(name, options, url_options)


def _lower_layer(name: str, options: Options, url_options: UrlOptions | None) -> Layer:
    if not is_url(name):
        store = _store("lowerdir", name, _overriding(name, options))
        return Layer(store, _lower_dialect(options, store))
    from unionfs.layers.fsspec import FsspecStore

    try:
        elsewhere = FsspecStore.at(name, url_options)
        elsewhere.scan(b"")
    except ConfigError as failure:
        raise ConfigError(f"lowerdir={failure}") from failure
    except OSError as failure:  # says which URL
        raise ConfigError(f"lowerdir={failure.strerror}") from failure
    return Layer(elsewhere, _lower_dialect(options, elsewhere))


def _lower_dialect(options: Options, store: Store) -> Dialect:
    privileged = _privileged(options)
    if options.dialect is not None:
        return by_name(options.dialect, privileged=privileged)
    return detect(store, by_name("overlay", privileged=privileged))


def _upper_dialect(options: Options, path: str) -> Dialect:
    """overlayfs's, or AuFS's where the file system has no extended attributes for it."""
    privileged = _privileged(options)
    namespace = "trusted" if privileged else "user"
    overlay = "mixed" if options.dialect == "mixed" else "overlay"
    return by_name(overlay if _has_xattrs(path, namespace) else "aufs", privileged=privileged)


def _fitted(dialect: _D, abilities: Abilities, options: Options) -> _D:
    """The dialect in the form that can be written here, and is wanted."""
    if isinstance(dialect, MixedDialect):
        return dialect._replace(overlay=_fitted(dialect.overlay, abilities, options))
    if not isinstance(dialect, OverlayDialect):
        return dialect
    whiteouts = Whiteouts.DEVICE if abilities.whiteout_devices else Whiteouts.XATTR
    return dialect._replace(
        whiteouts=whiteouts,
        rename_whiteout=abilities.rename_whiteout,
        metacopy=options.metacopy is not False,
        redirect=options.redirect_dir is not False,
    )


def _abilities(work: str) -> Abilities:
    """Tried in the part of the work directory that holds nothing of value, with what a crash left there."""
    scratch = os.path.join(work, "work")
    os.makedirs(scratch, exist_ok=True)
    os.chmod(scratch, 0o700)  # overlayfs leaves it without any permission
    with closing(_store("workdir", scratch, writable=True)) as store:
        for name, _ in store.scan(b""):
            discard(store, name)
        return probe(store)


def _privileged(options: Options) -> bool:
    """Whether ``trusted.*`` xattrs can be used, and shall be."""
    return _is_root() and not options.userxattr


def _is_root() -> bool:
    """Root of the first user namespace, to which ``trusted.*`` xattrs belong (xattr(7))."""
    with open("/proc/self/uid_map") as ids:
        return os.geteuid() == 0 and ids.read().split() == ["0", "0", "4294967295"]


def _has_xattrs(path: str, namespace: str) -> bool:
    try:
        os.getxattr(path, f"{namespace}.overlay.opaque")
    except OSError as failure:
        return failure.errno != errno.EOPNOTSUPP
    return True


def _overriding(path: str, options: Options) -> bytes | None:
    """The xattr that has the owners of a layer's files, if its root has one, as fuse-overlayfs has it.

    Anybody can set user.* ones, also such as make a set-id program of root's, so that root takes
    them only if they are asked for; what another user mounts is believed by nobody else.
    """
    believed = override.NAMES if options.xattr_permissions or not _is_root() else (override.PRIVILEGED,)
    return override.name_at(path, believed)


def _store(
    option: str, path: str, xattr: bytes | None = None, *, writable: bool = False, volatile: bool = False
) -> HostStore:
    """`xattr` is where owners are kept, if not with the files themselves."""
    try:
        return _kind(xattr, volatile)(os.fsencode(path), writable=writable)
    except OSError as failure:
        raise _refusal(option, path, failure.strerror) from failure


def _kind(xattr: bytes | None, volatile: bool) -> Callable[..., HostStore]:
    if xattr is None:
        return VolatileStore if volatile else HostStore
    from unionfs.layers.host.overriding import OverridingStore, VolatileOverridingStore

    return partial(VolatileOverridingStore if volatile else OverridingStore, xattr=xattr)


# Checks


def _check_writable(options: Options) -> None:
    upper, work = options.upper, options.work
    assert upper is not None
    _check_directory("upperdir", upper)
    if work is None:
        raise ConfigError(f"upperdir={upper} needs a workdir")
    _check_directory("workdir", work)
    _check_apart(options.lowers, upper, work)
    if os.stat(upper).st_dev != os.stat(work).st_dev:
        raise _refusal("workdir", work, f"not on the file system of upperdir={upper}")
    strangers = sorted(set(os.listdir(work)) - _KEPT_IN_WORK)
    if strangers:
        raise _refusal("workdir", work, f"not empty, it holds {strangers[0]}")
    _check_trustworthy(work)
    for name, path in (("upperdir", upper), ("workdir", work)):
        _check_permission(name, path)
        _check_kernel(name, path)


def _check_trustworthy(work: str) -> None:
    """As overlayfs does, leave alone what a volatile mount was making when it, or the machine, went down."""
    incompatible = os.path.join(work, _INCOMPATIBLE)
    if os.path.isdir(incompatible) and os.listdir(incompatible):
        reason = f"used by a volatile mount that was not unmounted: see {incompatible}"
        raise _refusal("workdir", work, reason)


def _check_lower(name: str) -> None:
    """Whether there is such a directory. Of a URL that shows once it is opened, in the mount's daemon."""
    if not is_url(name):
        _check_directory("lowerdir", name)
        return
    from unionfs.layers.fsspec import check_url

    try:
        check_url(name)
    except ConfigError as failure:
        raise ConfigError(f"lowerdir={failure}") from failure


def _check_directory(option: str, path: str) -> None:
    try:
        os.listdir(path)
    except OSError as failure:
        raise _refusal(option, path, failure.strerror) from failure


def _check_apart(lowers: Sequence[str], upper: str, work: str) -> None:
    if _overlap(upper, work):
        raise _refusal("workdir", work, f"overlaps upperdir={upper}")
    for lower in filterfalse(is_url, lowers):
        for name, path in (("upperdir", upper), ("workdir", work)):
            if _overlap(lower, path):
                raise _refusal(name, path, f"overlaps lowerdir={lower}")


def _check_permission(option: str, path: str) -> None:
    if not os.access(path, os.W_OK | os.X_OK):
        raise _refusal(option, path, "not writable")


def _check_mountpoint(options: Options, mountpoint: str) -> None:
    _check_directory("mountpoint", mountpoint)
    layers = [("lowerdir", path) for path in filterfalse(is_url, options.lowers)]
    layers += [
        (name, path) for name, path in (("upperdir", options.upper), ("workdir", options.work)) if path
    ]
    for name, path in layers:
        if _identity(path) in _ancestry(mountpoint):
            raise _refusal("mountpoint", mountpoint, f"is in its own layer {name}={path}")


def _check_kernel(option: str, path: str) -> None:
    """An overlayfs mounted by the kernel says which upper and work directories it uses.

    In the words of whoever mounted it: what a relative path was relative to is not known.
    """
    for mount in mounts():
        used = mount.option(option) if mount.type == "overlay" else None
        if used is not None and os.path.isabs(used) and _same(used, path):
            raise _refusal(option, path, f"in use by the overlay on {mount.mountpoint}")


@contextmanager
def locked(option: str, path: str) -> Iterator[None]:
    """Hold a directory of a mount by flock(2); a process that dies lets go of it.

    `ConfigError` where another has it.
    """
    fd = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        if not _is_ours(fd):
            raise _refusal(option, path, "in use by another mount")
        yield
    finally:
        os.close(fd)


def _is_ours(fd: int) -> bool:
    try:
        fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def _overlap(one: str, other: str) -> bool:
    return _identity(one) in _ancestry(other) or _identity(other) in _ancestry(one)


def _ancestry(path: str) -> set[_Identity]:
    """A directory and all that it is in, known by device and inode number (so that bind mounts count too)."""
    path = os.path.realpath(path)
    identities = {_identity(path)}
    while path != "/":
        path = os.path.dirname(path)
        identities.add(_identity(path))
    return identities


def _identity(path: str) -> _Identity:
    stat = os.stat(path)
    return stat.st_dev, stat.st_ino


def _same(one: str, other: str) -> bool:
    try:
        return _identity(one) == _identity(other)
    except OSError:  # a path of another time or namespace
        return False


def _refusal(option: str, path: str, reason: str | None) -> ConfigError:
    return ConfigError(f"{option}={path}: {reason}")
