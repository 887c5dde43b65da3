"""`UnionPath`: a file of a union, pathlib's way.

It is no `os.PathLike`, and not a `pathlib.Path`: whatever would take it for a path
of this host would read or write the wrong file.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from functools import total_ordering
from pathlib import PurePosixPath
from typing import IO, TYPE_CHECKING, Any

from unionfs.adapters.memory import patterns

if TYPE_CHECKING:
    from unionfs.adapters.memory.filesystem import UnionFS
    from unionfs.core.layer import Layer, UpperLayer

    Segment = str | os.PathLike[str]


@total_ordering
class UnionPath:
    """An absolute path in a union; it need not exist. Made by `UnionFS.path`.

    Satisfies `importlib.resources.abc.Traversable`. Methods are those of
    `pathlib.Path`; default modes are 0o644 and 0o755, exact.

    >>> from unionfs import MemoryStore, UnionFS
    >>> etc = UnionFS(MemoryStore()).path("etc")
    >>> etc.mkdir()
    >>> (etc / "hostname").write_text("here")
    4
    >>> [(path.name, path.suffix, path.read_text()) for path in etc.iterdir()]
    [('hostname', '', 'here')]
    """

    __slots__ = ("_fs", "_pure")

    def __init__(self, fs: UnionFS, *segments: Segment) -> None:
        self._fs = fs
        pure = PurePosixPath("/", *segments)
        # PurePosixPath keeps two leading slashes apart from one (POSIX lets it); here there is one root.
        self._pure = pure if pure.root == "/" else PurePosixPath("/", *pure.parts[1:])

    def _with(self, pure: PurePosixPath) -> UnionPath:
        return UnionPath(self._fs, pure)

    # The path itself.

    @property
    def fs(self) -> UnionFS:
        """The file system that the path is of."""
        return self._fs

    @property
    def name(self) -> str:
        """The last component; empty for the root."""
        return self._pure.name

    @property
    def stem(self) -> str:
        return self._pure.stem

    @property
    def suffix(self) -> str:
        return self._pure.suffix

    @property
    def suffixes(self) -> list[str]:
        return self._pure.suffixes

    @property
    def parts(self) -> tuple[str, ...]:
        return self._pure.parts

    @property
    def parent(self) -> UnionPath:
        return self._with(self._pure.parent)

    @property
    def parents(self) -> tuple[UnionPath, ...]:
        return tuple(map(self._with, self._pure.parents))

    def joinpath(self, *segments: Segment) -> UnionPath:
        return self._with(self._pure.joinpath(*segments))

    def __truediv__(self, segment: Segment) -> UnionPath:
        return self.joinpath(segment)

    def with_name(self, name: str) -> UnionPath:
        return self._with(self._pure.with_name(name))

    def with_stem(self, stem: str) -> UnionPath:
        return self._with(self._pure.with_stem(stem))

    def with_suffix(self, suffix: str) -> UnionPath:
        return self._with(self._pure.with_suffix(suffix))

    def relative_to(self, other: Segment | UnionPath) -> PurePosixPath:
        """What is to be joined to `other` to get here; ValueError if it is not above."""
        return self._pure.relative_to(_text(other))

    def is_relative_to(self, other: Segment | UnionPath) -> bool:
        return self._pure.is_relative_to(_text(other))

    def match(self, pattern: str) -> bool:
        return self._pure.match(pattern)

    def __str__(self) -> str:
        return str(self._pure)

    def __repr__(self) -> str:
        return f"UnionPath({str(self)!r})"

    def __hash__(self) -> int:
        return hash((id(self._fs), self._pure))

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, UnionPath):
            return NotImplemented
        return self._fs is other._fs and self._pure == other._pure

    def __lt__(self, other: UnionPath) -> bool:
        if not isinstance(other, UnionPath) or self._fs is not other._fs:
            return NotImplemented
        return self._pure < other._pure

    # Questions.

    def stat(self, *, follow_symlinks: bool = True) -> os.stat_result:
        return self._fs.stat(str(self), follow_symlinks=follow_symlinks)

    def lstat(self) -> os.stat_result:
        return self._fs.lstat(str(self))

    def exists(self) -> bool:
        return self._fs.exists(str(self))

    def is_dir(self) -> bool:
        return self._fs.isdir(str(self))

    def is_file(self) -> bool:
        return self._fs.isfile(str(self))

    def is_symlink(self) -> bool:
        return self._fs.islink(str(self))

    def layer(self, *, follow_symlinks: bool = True) -> Layer | UpperLayer:
        """As `UnionFS.layer_of`."""
        return self._fs.layer_of(str(self), follow_symlinks=follow_symlinks)

    def readlink(self) -> PurePosixPath:
        """What a symbolic link says, which may be relative."""
        return PurePosixPath(self._fs.readlink(str(self)))

    def iterdir(self) -> Iterator[UnionPath]:
        for name in self._fs.listdir(str(self)):
            yield self / name

    def glob(self, pattern: str) -> Iterator[UnionPath]:
        """What matches below here, by the rules of `pathlib.Path.glob` as of Python 3.13."""
        if pattern.startswith("/"):
            raise NotImplementedError("Non-relative patterns are unsupported")
        for path in patterns.glob(self._fs, str(self), pattern):
            yield self / path

    def rglob(self, pattern: str) -> Iterator[UnionPath]:
        return self.glob(f"**/{pattern}")

    def walk(
        self,
        top_down: bool = True,
        on_error: Callable[[OSError], object] | None = None,
        follow_symlinks: bool = False,
    ) -> Iterator[tuple[UnionPath, list[str], list[str]]]:
        for path, dirs, others in self._fs.walk(str(self), top_down, on_error, follow_symlinks):
            yield self / path, dirs, others

    # Contents.

    def open(
        self,
        mode: str = "r",
        buffering: int = -1,
        encoding: str | None = None,
        errors: str | None = None,
        newline: str | None = None,
    ) -> IO[Any]:
        return self._fs.open(str(self), mode, buffering, encoding, errors, newline)

    def read_bytes(self) -> bytes:
        with self._fs.open(str(self), "rb") as file:
            return file.read()

    def read_text(self, encoding: str | None = None, errors: str | None = None) -> str:
        with self._fs.open(str(self), "r", encoding=encoding, errors=errors) as file:
            return file.read()

    def write_bytes(self, data: bytes) -> int:
        with self._fs.open(str(self), "wb") as file:
            return file.write(data)

    def write_text(
        self, data: str, encoding: str | None = None, errors: str | None = None, newline: str | None = None
    ) -> int:
        with self._fs.open(str(self), "w", encoding=encoding, errors=errors, newline=newline) as file:
            return file.write(data)

    # Changes.

    def touch(self, mode: int = 0o644, exist_ok: bool = True) -> None:
        """Set both times to now, or make an empty file."""
        if exist_ok and self.exists():
            self._fs.utime(str(self))
        else:
            self._fs.mknod(str(self), mode)

    def mkdir(self, mode: int = 0o755, parents: bool = False, exist_ok: bool = False) -> None:
        if parents:
            self._fs.makedirs(str(self), mode, exist_ok)
        elif not (exist_ok and self.is_dir()):
            self._fs.mkdir(str(self), mode)

    def unlink(self, missing_ok: bool = False) -> None:
        try:
            self._fs.unlink(str(self))
        except FileNotFoundError:
            if not missing_ok:
                raise

    def rmdir(self) -> None:
        self._fs.rmdir(str(self))

    def rename(self, target: Segment | UnionPath) -> UnionPath:
        """Move to `target`, which is replaced, and return it."""
        self._fs.rename(str(self), _text(target))
        return UnionPath(self._fs, _text(target))

    replace = rename

    def chmod(self, mode: int, *, follow_symlinks: bool = True) -> None:
        self._fs.chmod(str(self), mode, follow_symlinks=follow_symlinks)

    def symlink_to(self, target: Segment | UnionPath) -> None:
        self._fs.symlink(_text(target), str(self))

    def hardlink_to(self, target: Segment | UnionPath) -> None:
        self._fs.link(_text(target), str(self))


def _text(path: Segment | UnionPath) -> str:
    return str(path) if isinstance(path, UnionPath) else os.fspath(path)
