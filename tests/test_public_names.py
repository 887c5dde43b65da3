"""`import unionfs`: what it offers and what it loads."""

from __future__ import annotations

import ast
import subprocess
import sys
from pathlib import Path
from types import ModuleType

import pytest

import unionfs
import unionfs.images

PUBLIC = {
    "ArchiveError", "AufsDialect", "Change", "ConfigError", "DigestError", "FsspecStore", "HostStore",
    "ImageError", "ImageNotFoundError", "Kind", "Layer", "MemoryStore", "Mount", "OverlayDialect",
    "RenameFlags", "Symlink", "UnionError", "UnionFS", "UnionPath", "UpperLayer", "commit_image",
    "mounted", "open_image", "open_union",
}  # fmt: skip

OPTIONAL = {
    "argparse", "asyncio", "backports", "compression", "ctypes", "fcntl", "fsspec", "fuse", "gzip", "hashlib",
    "http", "hypothesis", "json", "logging", "matplotlib", "mfusepy", "rich", "shutil", "socket", "ssl",
    "subprocess", "tarfile", "tempfile", "xxhash", "zlib", "unionfs.bench", "unionfs.cli", "unionfs.images",
    "unionfs.layers.host",
    "unionfs.testing", "unionfs.adapters.fuse", "unionfs.adapters.stack",
}  # fmt: skip


def test_the_names() -> None:
    assert set(unionfs.__all__) == PUBLIC
    assert set(dir(unionfs)) >= PUBLIC
    assert all(getattr(unionfs, name).__doc__ for name in PUBLIC)


@pytest.mark.parametrize("package", [unionfs, unionfs.images])
def test_a_checker_sees_the_same_names_in_the_same_places(package: ModuleType) -> None:
    assert package.__file__ is not None
    tree = ast.walk(ast.parse(Path(package.__file__).read_text()))
    imports = [
        node for node in tree if isinstance(node, ast.ImportFrom) and "unionfs." in (node.module or "")
    ]
    assert {node.module: {alias.name for alias in node.names} for node in imports} == package._HOMES
    assert set().union(*package._HOMES.values()) == set(package.__all__)
    assert not any(isinstance(getattr(package, name), ModuleType) for name in package.__all__)


def test_a_name_that_is_not_there() -> None:
    with pytest.raises(AttributeError, match="no attribute 'nonsense'"):
        _ = unionfs.nonsense  # type: ignore[attr-defined]
    with pytest.raises(ImportError):
        exec("from unionfs import nonsense")


def loaded_by(script: str) -> set[str]:
    """The modules that a script loads in a fresh interpreter."""
    script = f"import sys; before = set(sys.modules)\n{script}\nprint(*set(sys.modules) - before)"
    run = subprocess.run([sys.executable, "-c", script], check=True, capture_output=True, text=True)
    return set(run.stdout.split())


def test_the_import_loads_nothing_else() -> None:
    """Nothing of the project, and of the standard library what an interpreter needs anyway."""
    loaded = loaded_by("import unionfs")
    assert {module for module in loaded if module.startswith("unionfs")} == {"unionfs"}
    assert len(loaded) < 40


def test_a_union_in_memory_loads_nothing_optional() -> None:
    loaded = loaded_by("from unionfs import UnionFS, MemoryStore; UnionFS(MemoryStore()).path('a').mkdir()")
    assert loaded & OPTIONAL == set()
    assert {module.partition(".")[0] for module in loaded} - sys.stdlib_module_names == {"unionfs"}


def test_the_core_loads_nothing_that_is_built_on_it() -> None:
    packages = {module.split(".")[1] for module in loaded_by("import unionfs.core.union") if "." in module}
    assert not packages & {"adapters", "dialects", "layers", "images", "cli", "testing"}


def test_the_import_takes_less_than_100_ms() -> None:
    """In the best of some runs: the others tell what else the machine is doing."""
    script = "import time; start = time.perf_counter(); import unionfs; print(time.perf_counter() - start)"
    command = [sys.executable, "-c", script]
    runs = [subprocess.run(command, check=True, capture_output=True, text=True) for _ in range(5)]
    assert min(float(run.stdout) for run in runs) < 0.1
