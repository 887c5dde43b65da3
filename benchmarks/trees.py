"""What the lower layers hold: trees that are made once a run and mounted by every peer."""

from __future__ import annotations

import shutil
from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Self

MIB = 1 << 20
_PER_DIRECTORY = 200


@dataclass(frozen=True)
class Tree(ABC):
    """A stack of lower layers. `str()` says what is in it."""

    @property
    @abstractmethod
    def layers(self) -> int: ...

    @abstractmethod
    def scaled(self, divisor: int) -> Self:
        """The same with `divisor` times less in it."""

    @abstractmethod
    def fill(self, directory: Path, layers: Sequence[int]) -> None:
        """Put what the layers of these numbers hold into `directory`; no two hold the same file."""


@dataclass(frozen=True)
class Grid(Tree):
    """Small files, 200 to a directory; each directory is spread over all layers."""

    files: int
    over: int = 1
    """How many layers."""
    size: int = 0
    """Of each file, in bytes."""

    @property
    def layers(self) -> int:
        return self.over

    @property
    def directories(self) -> int:
        return max(1, self.files // _PER_DIRECTORY)

    def scaled(self, divisor: int) -> Grid:
        return replace(self, files=self.files // divisor)

    @cached_property
    def paths(self) -> list[str]:
        """Of all files, relative to the root, directory by directory."""
        return [f"d{number % self.directories:04}/f{number:06}" for number in self._order()]

    def fill(self, directory: Path, layers: Sequence[int]) -> None:
        content = b"0123456789abcde\n" * (self.size // 16)
        for number in range(self.directories):
            (directory / f"d{number:04}").mkdir()
        for path, number in zip(self.paths, self._order(), strict=True):
            if number // self.directories % self.over in layers:
                (directory / path).write_bytes(content)

    def _order(self) -> list[int]:
        return sorted(range(self.files), key=lambda number: (number % self.directories, number))

    def __str__(self) -> str:
        size = f" of {self.size // 1024} kB" if self.size else ""
        place = f"in {self.over} layers" if self.over > 1 else "of a lower"
        return f"{self.files:,} files{size} {place}"


@dataclass(frozen=True)
class OneFile(Tree):
    """A large file, without holes, above an empty layer: overlayfs wants two where none is writable."""

    size: int
    """In bytes, whole MiB."""
    name = "large"

    @property
    def layers(self) -> int:
        return 2

    def scaled(self, divisor: int) -> OneFile:
        return OneFile(self.size // divisor // MIB * MIB)

    def fill(self, directory: Path, layers: Sequence[int]) -> None:
        if 0 not in layers:
            return
        block = bytes(range(256)) * (MIB // 256)
        with open(directory / self.name, "wb") as file:
            for _ in range(self.size // MIB):
                file.write(block)

    def __str__(self) -> str:
        return f"{self.size // MIB} MiB"


class Forest:
    """The trees of one run, each made when it is first asked for, in one directory."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        self._planted: dict[Tree, Path] = {}

    def layers(self, tree: Tree) -> Path:
        """A directory that holds the layers of `tree`; `layer_names` says how they are called."""
        return self._home(tree) / "layers"

    def flattened(self, tree: Tree) -> Path:
        """All layers of `tree` in one plain directory."""
        flat = self._home(tree) / "flat"
        if not flat.exists():
            flat.mkdir()
            tree.fill(flat, range(tree.layers))
        return flat

    def copy(self, tree: Tree, target: Path) -> None:
        """The same in a new directory."""
        shutil.copytree(self.flattened(tree), target)

    def warm(self, tree: Tree) -> None:
        """Bring all of `tree` into the page cache."""
        for path in self._home(tree).rglob("*"):
            if path.is_file():
                path.read_bytes()

    def _home(self, tree: Tree) -> Path:
        if tree not in self._planted:
            home = self._planted[tree] = self._directory / f"tree{len(self._planted)}"
            for number, name in enumerate(layer_names(tree)):
                layer = home / "layers" / name
                layer.mkdir(parents=True)
                tree.fill(layer, [number])
        return self._planted[tree]


def layer_names(tree: Tree) -> list[str]:
    """Top-most first."""
    return [str(number) for number in range(tree.layers)]
