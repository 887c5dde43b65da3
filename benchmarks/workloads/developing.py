"""What programs do that developers wait for."""

from __future__ import annotations

import os
import shutil
import sys
from collections.abc import Iterator

from benchmarks.trees import Grid, PythonPackage, Repository, Wheel
from benchmarks.workload import workload
from benchmarks.workloads.tools import printed
from unionfs.bench.workload import Figure, Scene, Use, seconds


@workload(
    "git-status",
    Repository(Grid(10_000, size=1024)),
    Figure("git status in a lower repository of {tree}, first time"),
    Figure("git status in a lower repository of {tree}, second time"),
    use=Use.CHANGING,
)
def git_status(scene: Scene[Repository]) -> Iterator[float]:
    for _ in range(2):
        yield seconds(_git_status, scene)


@workload(
    "import",
    PythonPackage(2_000, over=10),
    Figure("import of a Python package of {tree}, first time"),
    Figure("import of a Python package of {tree}, second time"),
    use=Use.READING,
)
def import_package(scene: Scene[PythonPackage]) -> Iterator[float]:
    for _ in range(2):
        yield seconds(_import, scene)


@workload(
    "pip-install",
    Wheel(PythonPackage(2_000, over=1)),
    Figure("pip install of a wheel of {tree}"),
    use=Use.CHANGING,
)
def pip_install(scene: Scene[Wheel]) -> Iterator[float]:
    yield seconds(_pip_install, scene)
    shutil.rmtree(os.path.join(scene.root, _INSTALLED))


_INSTALLED = "installed"


def _pip_install(scene: Scene[Wheel]) -> None:
    offline = ("--no-index", "--no-deps", "--no-cache-dir", "--disable-pip-version-check", "--quiet")
    pip = [sys.executable, "-m", "pip", "install", *offline, "--root-user-action=ignore"]
    printed([*pip, "--prefix", _INSTALLED, scene.tree.name], scene.root, len)


def _git_status(scene: Scene[Repository]) -> None:
    changed = printed(["git", "status", "--porcelain"], scene.root, len)
    assert not changed, "git sees changes where there are none"


def _import(scene: Scene[PythonPackage]) -> None:
    program = f"import sys; sys.path.insert(0, '.'); import {scene.tree.name}; print(len(sys.modules))"
    output = printed([sys.executable, "-I", "-S", "-B", "-c", program], scene.root, int)
    assert output > scene.tree.modules, "modules were left out"
