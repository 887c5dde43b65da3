"""The trees that workloads are about."""

from __future__ import annotations

import compileall
import subprocess
from abc import abstractmethod
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Self
from zipfile import ZipFile

from unionfs.bench.trees import Tree, fill_file
from unionfs.bench.units import MIB, size_text


class ScaledTree(Tree):
    """A tree that there can be less of."""

    @abstractmethod
    def scaled(self, divisor: int) -> Self:
        """The same with `divisor` times less in it."""


@dataclass(frozen=True)
class Grid(ScaledTree):
    """Small files in directories that are each spread over all layers."""

    files: int
    over: int = 1
    """How many layers."""
    size: int = 0
    """Of each file, in bytes."""
    per_directory: int = 200

    @property
    def layers(self) -> int:
        return self.over

    @property
    def directories(self) -> int:
        return max(1, self.files // self.per_directory)

    def scaled(self, divisor: int) -> Self:
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
class OneFile(ScaledTree):
    """A large file, without holes, above an empty layer: overlayfs wants two where none is writable."""

    size: int
    """In bytes."""
    name = "large"

    @property
    def layers(self) -> int:
        return 2

    def scaled(self, divisor: int) -> Self:
        return replace(self, size=self.size // divisor // MIB * MIB)

    def fill(self, directory: Path, layers: Sequence[int]) -> None:
        if 0 in layers:
            fill_file(directory / self.name, self.size)

    def __str__(self) -> str:
        return size_text(self.size)


@dataclass(frozen=True)
class Repository(ScaledTree):
    """A clean git repository of small files."""

    grid: Grid

    @property
    def layers(self) -> int:
        return 1

    def scaled(self, divisor: int) -> Self:
        return replace(self, grid=self.grid.scaled(divisor))

    def fill(self, directory: Path, layers: Sequence[int]) -> None:
        self.grid.fill(directory, layers)
        author = ("-c", "user.name=benchmarks", "-c", "user.email=benchmarks@localhost")
        for command in (("init", "-q"), ("add", "."), (*author, "commit", "-q", "-m", "all of it")):
            subprocess.run(["git", *command], cwd=directory, check=True)

    def __str__(self) -> str:
        return f"{self.grid.files:,} files"


@dataclass(frozen=True)
class PythonPackage(ScaledTree):
    """A package of modules that import one another, with their bytecode, in subpackages of 50."""

    modules: int
    over: int
    """How many layers; each subpackage is in one of them."""
    name = "package"

    @property
    def layers(self) -> int:
        return self.over

    def scaled(self, divisor: int) -> Self:
        return replace(self, modules=self.modules // divisor)

    def fill(self, directory: Path, layers: Sequence[int]) -> None:
        package = directory / self.name
        package.mkdir()
        starts = range(0, self.modules, _PER_SUBPACKAGE)
        if 0 in layers:
            (package / "__init__.py").write_text(_imports(f"p{number}" for number in range(len(starts))))
        for number, start in enumerate(starts):
            if number % self.over in layers:
                modules = [f"m{module}" for module in range(start, start + _PER_SUBPACKAGE)]
                _fill_subpackage(package / f"p{number}", modules[: self.modules - start])
        compileall.compile_dir(package, quiet=1, stripdir=str(directory))

    def __str__(self) -> str:
        return f"{self.modules:,} modules in {self.over} layers"


@dataclass(frozen=True)
class Wheel(ScaledTree):
    """A package as a wheel, which pip installs without looking anywhere else."""

    package: PythonPackage
    name = "package-1-py3-none-any.whl"

    @property
    def layers(self) -> int:
        return 1

    def scaled(self, divisor: int) -> Self:
        return replace(self, package=self.package.scaled(divisor))

    def fill(self, directory: Path, layers: Sequence[int]) -> None:
        with TemporaryDirectory() as name, ZipFile(directory / self.name, "x") as wheel:
            source = Path(name)
            self.package.fill(source, range(self.package.layers))
            for module in source.rglob("*.py"):
                wheel.write(module, module.relative_to(source))
            for file, text in _WHEEL_INFO.items():
                wheel.writestr(f"package-1.dist-info/{file}", text)

    def __str__(self) -> str:
        return f"{self.package.modules:,} modules"


_WHEEL_INFO = {
    "METADATA": "Metadata-Version: 2.1\nName: package\nVersion: 1\n",
    "WHEEL": "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
    "RECORD": "",
}
_PER_SUBPACKAGE = 50


def _fill_subpackage(directory: Path, modules: Sequence[str]) -> None:
    directory.mkdir()
    (directory / "__init__.py").write_text(_imports(modules))
    for module in modules:
        (directory / f"{module}.py").write_text(f"def name():\n    return {module!r}\n")


def _imports(modules: Iterable[str]) -> str:
    return "".join(f"from . import {module}\n" for module in modules)
