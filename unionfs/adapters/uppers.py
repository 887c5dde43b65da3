"""Upper layers that have names: what they lie on is remembered, and they can go back to it.

    ROOT/NAME/upper, ROOT/NAME/work     the two directories of a mount
    ROOT/NAME/upper.json                the image, or the directories, that they lie on
    ROOT/.NAME.new, ROOT/.NAME.old      what is being made or removed, or what a crash left of it

A change is one rename: an upper is as it was, or as it shall be.
"""

from __future__ import annotations

import json
import os
import re
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

from unionfs.adapters.stack import locked
from unionfs.adapters.usage import used
from unionfs.errors import ConfigError
from unionfs.layers.host import syscalls
from unionfs.types import RenameFlags

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,127}")
_FACTS = "upper.json"
_AT_CWD = -100


class Beneath(NamedTuple):
    """What an upper lies on: an image, by a reference that always means the same one, or directories."""

    image: str | None = None
    lowers: tuple[str, ...] = ()
    """Absolute, top-most first."""
    unpacked: bool = False
    """Whether the image's layers are directories: files have other inode numbers there."""

    def __str__(self) -> str:
        unpacked = " (unpacked)" if self.unpacked else ""
        return ":".join([*self.lowers, *([self.image + unpacked] if self.image else [])])


class Named(NamedTuple):
    """One upper and its work directory."""

    name: str
    upper: str
    work: str
    beneath: Beneath

    def size(self) -> int | None:
        """The bytes that its files take on the disk; None where not all of them can be seen."""
        return used(self.upper)


class Uppers:
    """The uppers beneath one directory, which is made when it is first needed."""

    def __init__(self, root: str | os.PathLike[str]) -> None:
        self._root = Path(root)

    def names(self) -> list[str]:
        if not self._root.is_dir():
            return []
        return sorted(entry.name for entry in self._root.iterdir() if _NAME.fullmatch(entry.name))

    def find(self, name: str) -> Named | None:
        """The upper of that name; None where there is none, or nothing can be called so."""
        if not _NAME.fullmatch(name):
            return None
        home = self._root / name
        try:
            facts = json.loads((home / _FACTS).read_bytes())
            beneath = Beneath(facts["image"], tuple(facts["lowers"]), facts.get("unpacked", False))
        except FileNotFoundError:
            return None
        except (ValueError, KeyError, TypeError):
            raise ConfigError(f"{home / _FACTS}: not as it was written") from None
        return Named(name, str(home / "upper"), str(home / "work"), beneath)

    def get(self, name: str) -> Named:
        """As `find`, but it must be there."""
        found = self.find(name)
        if found is None:
            raise ConfigError(f"{name}: no upper of this name; there is: {', '.join(self.names()) or 'none'}")
        return found

    def ensure(self, name: str, beneath: Beneath) -> Named:
        """The upper of that name, made where it is missing; it must lie on `beneath`, if that is anything.

        (On an image that is not named, but unpacked: on the one that it lies on, unpacked.)
        """
        if not _NAME.fullmatch(name):
            raise ConfigError(f"{name!r}: a name has letters, digits and, but not first, '_', '.' and '-'")
        found = self.find(name)
        if found is None:
            if not beneath.image and not beneath.lowers:
                raise ConfigError(f"{name}: a new upper needs an image or lowerdir= to lie on")
            self._build(name, beneath)
            self._fresh(name).rename(self._root / name)
            return self.get(name)
        known = found.beneath
        if not beneath.image and not beneath.lowers:
            beneath = known._replace(unpacked=beneath.unpacked)
        if beneath != known:
            raise ConfigError(f"{name}: lies on {found.beneath}; 'unionfs upper reset' puts it on another")
        return found

    def reset(self, name: str, beneath: Beneath | None = None) -> Named:
        """Discard all changes, and go on from `beneath`, by default from what it lies on."""
        found = self.get(name)
        with _unused(found):
            self._build(name, beneath or found.beneath)
            fresh, home = (os.fsencode(path) for path in (self._fresh(name), self._root / name))
            syscalls.renameat2(_AT_CWD, fresh, _AT_CWD, home, RenameFlags.EXCHANGE)
        _remove(self._fresh(name))
        return self.get(name)

    def remove(self, name: str) -> None:
        """Discard it with all changes."""
        with _unused(self.get(name)):
            old = self._root / f".{name}.old"
            _remove(old)
            (self._root / name).rename(old)
        _remove(old)

    def _fresh(self, name: str) -> Path:
        return self._root / f".{name}.new"

    def _build(self, name: str, beneath: Beneath) -> None:
        # For the owner alone, as the store: an upper may hold set-uid programs.
        self._root.mkdir(mode=0o700, parents=True, exist_ok=True)
        fresh = self._fresh(name)
        _remove(fresh)
        fresh.mkdir(mode=0o700)
        for directory in ("upper", "work"):
            (fresh / directory).mkdir()
        (fresh / _FACTS).write_text(json.dumps(beneath._asdict()))


@contextmanager
def _unused(named: Named) -> Iterator[None]:
    """`ConfigError` where it is mounted; nobody mounts it meanwhile."""
    with locked(f"upper {named.name}", named.upper):
        yield


def _remove(tree: Path) -> None:
    """Remove a tree whose directories may forbid even their owner to."""
    if not tree.exists():
        return
    for directory, names, _ in os.walk(tree):
        for name in names:
            below = os.path.join(directory, name)
            if not os.path.islink(below):
                os.chmod(below, 0o700)
    shutil.rmtree(tree)
