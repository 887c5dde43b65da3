"""What the lower layers hold: trees that are made once a run and mounted by every peer."""

from __future__ import annotations

import os
import shutil
from abc import ABC, abstractmethod
from collections.abc import Sequence
from pathlib import Path

from unionfs.bench.units import MIB
from unionfs.layers.host import syscalls


class Tree(ABC):
    """A stack of lower layers, hashable by what is in it. `str()` says what that is."""

    @property
    @abstractmethod
    def layers(self) -> int: ...

    @abstractmethod
    def fill(self, directory: Path, layers: Sequence[int]) -> None:
        """Put what the layers of these numbers hold into `directory`; no two hold the same file."""


class Forest:
    """The trees of one run, each made when it is first asked for, in one directory."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        self._planted: dict[Tree, Path] = {}

    def layers(self, tree: Tree) -> Path:
        """A directory that holds the layers of `tree`; `layer_names` says how they are called."""
        return self._home(tree) / "layers"

    def flattened(self, tree: Tree) -> Path:
        """All layers of `tree` in one plain directory, not to be changed."""
        if tree.layers == 1:
            return self.layers(tree) / layer_names(tree)[0]
        flat = self._home(tree) / "flat"
        if not flat.exists():
            flat.mkdir()
            tree.fill(flat, range(tree.layers))
        return flat

    def copy(self, tree: Tree, target: Path) -> None:
        """The same in a new directory."""
        shutil.copytree(self.flattened(tree), target, symlinks=True)

    def warm(self, tree: Tree) -> None:
        """Bring all of `tree` into the page cache."""
        for path in self._home(tree).rglob("*"):
            if path.is_file():
                _read(path)

    def settle(self) -> None:
        """Wait until what was written is on the disk, so that it is nobody's who is measured next."""
        directory = os.open(self._directory, os.O_RDONLY)
        try:
            syscalls.syncfs(directory)
        finally:
            os.close(directory)

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


def fill_file(path: Path, size: int) -> None:
    """A new file of `size` bytes, without holes."""
    block = bytes(range(256)) * (MIB // 256)
    with open(path, "xb") as file:
        for start in range(0, size, MIB):
            file.write(block[: size - start])


def _read(path: Path) -> None:
    buffer = bytearray(MIB)
    with open(path, "rb", buffering=0) as file:
        while file.readinto(buffer):
            pass
