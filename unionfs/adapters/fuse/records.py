"""What is mounted: one small file a mount, locked by its daemon for as long as that lives.

So a record that nobody locks is a dead daemon's, whatever became of its process number. It is
kept until what the daemon left on the mountpoint is taken away.
"""

from __future__ import annotations

import fcntl
import json
import math
import os
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from typing import Any, NamedTuple

from unionfs.adapters.fuse.logs import drop_empty, log_path
from unionfs.adapters.mountinfo import is_unionfs_at
from unionfs.adapters.options import Options
from unionfs.adapters.ownership import Range
from unionfs.adapters.volumes import Volume
from unionfs.errors import ConfigError

_LOOKS_AGAIN_AFTER = 0.005
"""Seconds."""

_AT_MOST = 16 << 20
"""Bytes of a record; one of a thousand layers has a few hundred thousand."""


class Record(NamedTuple):
    """One mount. `options` are absolute; `image` is the reference that was mounted, if any."""

    mountpoint: str
    options: Options
    image: str | None
    pid: int
    unpacked: bool = False
    """Whether the image's layers are directories."""
    volumes: tuple[Volume, ...] = ()


class Found(NamedTuple):
    """A record as it is kept: whose it is (a user's number), since when, and whether its daemon lives."""

    record: Record
    path: str
    owner: int
    since_ns: int
    lives: bool


def runtime_directory() -> str:
    """Where this user's records and daemons' logs are, made where missing.

    `ConfigError` where it cannot be made, or another user has taken its place.
    """
    path = _made_first(*_runtime_paths())
    if os.stat(path).st_uid != os.geteuid():
        raise ConfigError(f"{path}: belongs to another user")
    return path


def _runtime_paths() -> Iterator[str]:
    """In order of preference; root of a user namespace cannot write to ``/run``."""
    base = os.environ.get("XDG_RUNTIME_DIR")
    if base and _may_be_ours(base):
        yield os.path.join(base, "unionfs")
    if os.geteuid() == 0:
        yield "/run/unionfs"
    yield f"/tmp/unionfs-{_outer_uid()}"


def everybodys_directories() -> list[str]:
    """Where this and other users' records may be; not all of them can be read by everybody."""
    from glob import glob  # who mounts has only his own

    theirs = (path for path in glob("/tmp/unionfs-*") if path.rpartition("-")[2].isdecimal())
    candidates = [*_runtime_paths(), "/run/unionfs", *glob("/run/user/*/unionfs"), *theirs]
    return [path for path in dict.fromkeys(map(os.path.realpath, candidates)) if os.path.isdir(path)]


def _may_be_ours(path: str) -> bool:
    """Not so where sudo(8) has kept another user's environment."""
    try:
        return os.stat(path).st_uid == os.geteuid()
    except FileNotFoundError:
        return True
    except PermissionError:
        return False


def _outer_uid() -> int:
    """Who we are outside of a user namespace (user_namespaces(7)), for inside many are root."""
    uid = os.geteuid()
    with open("/proc/self/uid_map") as ranges:
        for inside, outside, length in (map(int, line.split()) for line in ranges):
            if inside <= uid < inside + length:
                return outside + uid - inside
    return uid


def _made_first(path: str, *others: str) -> str:
    try:
        os.makedirs(path, mode=0o700, exist_ok=True)
    except OSError as failure:
        if not others:
            raise ConfigError(f"{path}: {failure.strerror}") from failure
        return _made_first(*others)
    return path


@contextmanager
def published(record: Record) -> Iterator[None]:
    """Show `record` to others; it disappears at the end, or is dead when this process is."""
    _forget_predecessor(record)
    path = os.path.join(runtime_directory(), f"{record.pid}.json")
    fd = os.open(path + ".new", os.O_RDWR | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(fd, fcntl.LOCK_EX)
        os.write(fd, json.dumps(record._asdict() | {"options": record.options._asdict()}).encode())
        os.rename(path + ".new", path)
        try:
            yield
        finally:
            if not is_unionfs_at(record.mountpoint):
                os.unlink(path)
    finally:
        os.close(fd)


def _forget_predecessor(record: Record) -> None:
    """What a daemon that once had our number left word of is not about us."""
    for kind in ("failed", "left"):
        with suppress(FileNotFoundError):
            os.unlink(_path(record, kind))


def living() -> list[Record]:
    """The records of this user's mounts whose daemon lives, oldest first. Others of no use are removed."""
    everything = found_in(runtime_directory())
    alive = [each.record for each in everything if each.lives]
    served = {record.mountpoint for record in alive}
    for each in everything:
        if not each.lives and (each.record.mountpoint in served or not is_unionfs_at(each.record.mountpoint)):
            _forget(each)
    return alive


def _forget(found: Found) -> None:
    for path in (found.path, _path(found.record, "left")):
        with suppress(FileNotFoundError):  # somebody was quicker
            os.unlink(path)
    drop_empty(log_path(os.path.dirname(found.path), found.record.pid))


def found_in(directory: str) -> list[Found]:
    """All records that are kept in `directory`, oldest first; it may be another user's, who may lie."""
    paths = [os.path.join(directory, name) for name in os.listdir(directory) if name.endswith(".json")]
    found = [each for each in map(_read, paths) if each is not None]
    return sorted(found, key=lambda each: each.since_ns)


def find(mountpoint: str) -> Record | None:
    """The record of the living mount on `mountpoint`, an absolute path without symbolic links."""
    found = [record for record in living() if record.mountpoint == mountpoint]
    return found[-1] if found else None


def of(path: str) -> Record | None:
    """The record of the living mount on `path`, or of the one whose upper directory is `path`."""
    path = os.path.realpath(path)
    on_it = [record for record in living() if record.options.upper and _is_same(record.options.upper, path)]
    return find(path) or next(iter(on_it), None)


def wait_until_gone(
    record: Record, seconds: float = math.inf, progress: Callable[[int], None] | None = None
) -> None:
    """Return once the daemon has let go of its record: everything is on disk and nothing in use by then.

    Or after that many seconds, whatever the daemon does. `progress` is told meanwhile what
    it says of the bytes that it still has to copy.
    """
    try:
        fd = os.open(_path(record, "json"), os.O_RDONLY | os.O_CLOEXEC)
    except FileNotFoundError:
        return
    deadline = time.monotonic() + seconds
    try:
        while _is_locked(fd) and time.monotonic() < deadline:
            if progress is not None and (left := _content(_path(record, "left"))):
                progress(int(left))
            time.sleep(_LOOKS_AGAIN_AFTER)
    finally:
        os.close(fd)


def report_left(record: Record, left: int) -> None:
    """Say, for who unmounts, how many bytes are still to be copied."""
    with open(_path(record, "left"), "w") as file:
        file.write(str(left))


@contextmanager
def reporting_failure(record: Record) -> Iterator[None]:
    """Leave word of what went wrong at the end, for who unmounts, and of nothing else."""
    try:
        yield
    except OSError as failure:
        with open(_path(record, "failed"), "w") as file:
            file.write(str(failure))
        raise
    finally:
        with suppress(FileNotFoundError):
            os.unlink(_path(record, "left"))


def take_failure(record: Record) -> str | None:
    """What a daemon that has ended left word of."""
    failure = _content(_path(record, "failed"))
    if failure is not None:
        os.unlink(_path(record, "failed"))
    return failure


def _path(record: Record, kind: str) -> str:
    return os.path.join(runtime_directory(), f"{record.pid}.{kind}")


def _content(path: str) -> str | None:
    try:
        with open(path) as file:
            return file.read()
    except FileNotFoundError:
        return None


def _is_same(directory: str, path: str) -> bool:
    return os.path.realpath(directory) == path


def _read(path: str) -> Found | None:
    """None for what is gone meanwhile, may not be read, or is no record."""
    try:
        fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW | os.O_NONBLOCK)
        with open(fd, "rb") as file:
            record = _parse(file.read(_AT_MOST))
            stat = os.fstat(fd)
            return Found(record, path, stat.st_uid, stat.st_mtime_ns, _is_locked(fd))
    except (OSError, ValueError, TypeError, KeyError, AttributeError, RecursionError):
        return None


def _is_locked(fd: int) -> bool:
    try:
        fcntl.flock(fd, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    return False


def _parse(text: bytes) -> Record:
    """Of what another version has written, that which this one knows."""
    fields = json.loads(text)
    volumes = tuple(Volume(*volume) for volume in fields.pop("volumes", ()))
    options = _options(fields.pop("options"))
    known = {name: value for name, value in fields.items() if name in Record._fields}
    record = Record(options=options, volumes=volumes, **known)
    paths = [record.mountpoint, *options.lowers, options.upper or "", options.work or "", record.image or ""]
    if not isinstance(record.pid, int) or any("\0" in path for path in paths):
        raise ValueError(text)
    return record


def _options(words: dict[str, Any]) -> Options:
    known = {name: words[name] for name in Options._fields if name in words}
    sequences = {name: tuple(value) for name, value in known.items() if isinstance(value, list)}
    ranges = {name: tuple(Range(*range) for range in known.get(name, ())) for name in ("uids", "gids")}
    return Options(**known | sequences | ranges)
