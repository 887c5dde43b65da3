"""Mount options: from overlayfs's option words to what they ask for. Pure.

The words and their escapes are overlayfs's (linux, Documentation/filesystems/overlayfs.rst,
fs/overlayfs/params.c): commas separate words, colons separate lower layers, a backslash
protects either of them and itself. An empty word is skipped, as mount(8) and podman send them;
an empty lower layer is refused, as overlayfs does. To them come fuse-overlayfs's words
(fuse-overlayfs(1)) and libfuse's (mount.fuse3(8)).

What they make a choice and this project always does (stable inode numbers, hard links that
stay links, redirects, metadata-only copies), and what only tunes another program (threads,
timeouts of its caches), is accepted and changes nothing; a choice that cannot be met is refused.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Iterator
from typing import Any, NamedTuple

from unionfs.adapters.ownership import Range, parse_ranges
from unionfs.errors import ConfigError
from unionfs.types import CopyUp

CACHE_AUTO, CACHE_ALWAYS = "auto", "always"
CACHES = (CACHE_AUTO, CACHE_ALWAYS)
"""Layers are watched for changes; or whatever has been seen of one is taken to be so for good."""


class Options(NamedTuple):
    """What the option words ask for. Paths are of this host, undecodable bytes as surrogates (PEP 383)."""

    lowers: tuple[str, ...] = ()
    """Top-most first."""
    upper: str | None = None
    work: str | None = None
    dialect: str | None = None
    """How marks are written in every layer beneath the upper; None: detected in each of them.

    ``mixed`` also says that an upper layer may hold AuFS's marks beside overlayfs's.
    """
    userxattr: bool = False
    copy_up: str = CopyUp.AUTO.value
    """When the data of a lower file that is written to is copied; a value of `CopyUp`."""
    metacopy: bool | None = None
    """Whether copies without data may be left behind; None: where the kernel can read them."""
    redirect_dir: bool | None = None
    """Whether redirected directories may be left behind; None: likewise."""
    allow_other: bool = False
    volatile: bool = False
    """Nothing is put on stable storage, ever; and what a crash leaves is not trusted."""
    noacl: bool = False
    """The kernel checks no POSIX ACLs."""
    debug: bool = False
    cache: str = CACHE_AUTO
    """How far layers are trusted not to change: one of `CACHES`."""
    fsname: str | None = None
    context: str | None = None
    """The SELinux context of everything in the mount."""
    uids: tuple[Range, ...] = ()
    gids: tuple[Range, ...] = ()
    squash_to_root: bool = False
    squash_to_uid: int | None = None
    squash_to_gid: int | None = None
    xattr_permissions: int = 0
    """Owners and modes are kept in an xattr: 1 in one that only root can write, 2 in one of the user's."""
    mount_words: tuple[str, ...] = ()
    """What mount(2) itself understands, such as ``nodev``."""

    @property
    def read_only(self) -> bool:
        return "ro" in self.mount_words


_FOR_MOUNT = {
    *("ro", "rw", "dev", "nodev", "suid", "nosuid", "exec", "noexec"),
    *("atime", "noatime", "sync", "async", "dirsync"),
}

_WITHOUT_EFFECT = {
    *("defaults", "default_permissions", "auto", "noauto", "_netdev", "nofail"),
    *("relatime", "norelatime", "strictatime", "nodiratime", "lazytime"),
    *("private", "rprivate", "shared", "rshared", "slave", "rslave", "user", "nouser", "users"),
    *("static_nlink", "clone_fd", "auto_unmount", "nonempty", "kernel_cache"),
}

_TUNING = {
    *("threaded", "timeout", "fsync", "fast_ino", "writeback", "max_threads", "max_idle_threads"),
    *("entry_timeout", "negative_timeout", "attr_timeout", "ac_attr_timeout"),
    *("max_read", "max_write", "max_readahead", "max_background", "congestion_threshold"),
}
"""Words with a number that tunes fuse-overlayfs or libfuse."""

_CHOICES = {
    "xino": {"on", "off", "auto"},
    "index": {"on", "off"},
    "nfs_export": {"off"},
    "verity": {"off"},
    "uuid": {"on", "off", "null", "auto"},
    "noxattrs": {"0"},
    "plugins": {""},
}
"""Words with a value that changes nothing here. A value that is not listed cannot be met."""

_PATHS = {"upperdir": "upper", "workdir": "work"}
_TEXTS = {"dialect", "fsname"}
_FLAGS = {"userxattr", "allow_other", "volatile", "noacl", "debug", "squash_to_root"}
_SWITCHES: dict[str, dict[str, bool | None]] = {
    "metacopy": {"on": True, "off": False},
    "redirect_dir": {"on": True, "follow": None, "off": False},
}
_MAPPINGS = {"uidmapping": "uids", "gidmapping": "gids"}
_SQUASHES = {"squash_to_uid", "squash_to_gid"}
_NAMES = {"lowers": "lowerdir"} | {field: name for name, field in (_PATHS | _MAPPINGS).items()}
"""The words of fields that are not called like them."""
_XATTR_PERMISSIONS = ("0", "1", "2")
_NO_ID = 2**32 - 1

_CONTEXT = re.compile(r'(?<![^,])context="[^"]*"')
"""An SELinux context may have commas of its own, between quotation marks."""


def parse(arguments: Iterable[str]) -> Options:
    """What the arguments of all ``-o`` ask for together; the last word wins.

    `ConfigError` names a word that is unknown or cannot be met.
    """
    options = Options()
    for word in _words(arguments):
        options = _take(options, word)
    return options


def words(options: Options) -> str:
    """The words that ask for `options`, as `parse` takes them; first whether anything can be written."""
    found = ["rw" if options.upper and not options.read_only else "ro"]
    found += [word for word in options.mount_words if word not in ("rw", "ro")]
    asked = zip(Options._fields, options, Options(), strict=True)
    found += [
        _word(field, value) for field, value, usual in asked if value != usual and field != "mount_words"
    ]
    return ",".join(found)


def _word(field: str, value: Any) -> str:
    """The word that has `parse` set a field to a value which it has not by itself."""
    name = _NAMES.get(field, field)
    if field in _FLAGS:
        return name
    if field in _SWITCHES:
        return f"{name}={'on' if value else 'off'}"
    if field == "context":
        return f'{name}="{value}"'
    if field == "lowers":
        return f"{name}={':'.join(map(_escape, value))}"
    if field in _MAPPINGS.values():
        return f"{name}={':'.join(str(number) for range in value for number in range)}"
    return f"{name}={_escape(str(value))}"


def _words(arguments: Iterable[str]) -> Iterator[str]:
    for argument in arguments:
        yield from filter(None, _split(_CONTEXT.sub(_protected, argument), ","))


def _protected(quoted: re.Match[str]) -> str:
    return quoted[0].replace(",", "\\,")


def _take(options: Options, word: str) -> Options:
    name, equals, value = word.partition("=")
    if not equals:
        return _take_flag(options, word)
    if name == "lowerdir":
        return options._replace(lowers=_lowers(value))
    if name == "lowerdir+":
        return options._replace(lowers=(*options.lowers, value))
    if name in _PATHS:
        return _with(options, _PATHS[name], _not_empty(name, _unescape(value)))
    if name == "cache":
        return options._replace(cache=_one_of(CACHES, name, value))
    if name in _TEXTS:
        return _with(options, name, _unescape(value))
    if name in _SWITCHES:
        return _with(options, name, _SWITCHES[name][_one_of(_SWITCHES[name], name, value)])
    if name == "copy_up":
        return options._replace(copy_up=_one_of([mode.value for mode in CopyUp], name, value))
    if name == "context":
        return _with(options, name, _not_empty(name, _unescape(value).strip('"')))
    if name in _MAPPINGS:
        return _with(options, _MAPPINGS[name], _ranges(name, value))
    if name in _SQUASHES:
        return _with(options, name, _id(name, value))
    if name == "xattr_permissions":
        return options._replace(xattr_permissions=int(_one_of(_XATTR_PERMISSIONS, name, value)))
    if name in _TUNING:
        _check_number(name, value)
    else:
        _check_choice(name, value)
    return options


def _take_flag(options: Options, word: str) -> Options:
    if word in _FOR_MOUNT:
        return options._replace(mount_words=(*options.mount_words, word))
    if word in _FLAGS:
        return _with(options, word, True)
    if word not in _WITHOUT_EFFECT:
        raise ConfigError(f"unknown option: {word}")
    return options


def _with(options: Options, field: str, value: object) -> Options:
    changes: dict[str, Any] = {field: value}
    return options._replace(**changes)


def _one_of(known: Collection[str], name: str, value: str) -> str:
    if value not in known:
        raise ConfigError(f"{name}={value}: not one of {', '.join(known)}")
    return value


def _check_choice(name: str, value: str) -> None:
    if name not in _CHOICES:
        raise ConfigError(f"unknown option: {name}={value}")
    if value not in _CHOICES[name]:
        raise ConfigError(f"option cannot be met: {name}={value}")


def _ranges(name: str, value: str) -> tuple[Range, ...]:
    try:
        return parse_ranges(value)
    except ConfigError as reason:
        raise ConfigError(f"{name}={value}: {reason}") from reason


def _id(name: str, value: str) -> int:
    if not (value.isascii() and value.isdecimal() and int(value) < _NO_ID):
        raise ConfigError(f"not an id: {name}={value}")
    return int(value)


def _check_number(name: str, value: str) -> None:
    try:
        float(value)
    except ValueError:
        raise ConfigError(f"not a number: {name}={value}") from None


def _lowers(value: str) -> tuple[str, ...]:
    lowers = tuple(_unescape(part) for part in _split(value, ":"))
    if "" in lowers:
        raise ConfigError(f"empty lower layer in lowerdir={value}")
    return lowers


def _not_empty(name: str, value: str) -> str:
    if not value:
        raise ConfigError(f"empty option: {name}=")
    return value


def _split(text: str, separator: str) -> list[str]:
    """The parts between separators that no backslash protects; backslashes are kept."""
    parts = [""]
    characters = iter(text)
    for character in characters:
        if character == separator:
            parts.append("")
        elif character == "\\":
            parts[-1] += character + next(characters, "")
        else:
            parts[-1] += character
    return parts


def _unescape(text: str) -> str:
    characters = iter(text)
    return "".join(next(characters, "") if character == "\\" else character for character in characters)


def _escape(path: str) -> str:
    return re.sub(r"[\\,:]", r"\\\g<0>", path)
