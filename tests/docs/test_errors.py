"""docs/errors.md says of every error what the code does, and names every error that there is."""

from __future__ import annotations

import ast
import errno
import inspect
from collections.abc import Iterator
from pathlib import Path

import pytest

import unionfs
from unionfs import errors
from unionfs.cli import cat, fuse_unionfs, main

ROOT = Path(__file__).parents[2]
PAGE = ROOT / "docs/errors.md"
THAT_SERVE_FILES = ("core", "adapters", "dialects", "layers")
"""The packages whose errors reach whoever uses a union."""


def table(first: str) -> list[list[str]]:
    """The cells of the table of the page whose first column is called so, without their backquotes."""
    lines = PAGE.read_text().splitlines()
    start = next(number for number, line in enumerate(lines) if line.startswith(f"| {first} |"))
    rows = []
    for line in lines[start + 2 :]:
        if not line.startswith("|"):
            break
        rows.append([cell.strip().strip("`") for cell in line.strip("|").split("|")])
    return rows


EXCEPTIONS = {name: (parent, int(code)) for name, parent, code, _when in table("exception")}


def test_every_exception_is_there_with_what_it_is_a_kind_of() -> None:
    ours = {
        name: kind.__base__.__name__
        for name, kind in inspect.getmembers(errors, inspect.isclass)
        if issubclass(kind, Exception)
    }
    assert {name: parent for name, (parent, _code) in EXCEPTIONS.items()} == ours | {"OSError": "Exception"}
    assert ours.keys() <= set(unionfs.__all__)


@pytest.mark.parametrize("name", EXCEPTIONS)
def test_commands_end_with_the_exit_code_that_is_named(
    name: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def fails(*_args: object, **_kwargs: object) -> int:
        raise getattr(unionfs, name, OSError)("the reason")

    monkeypatch.setattr(cat, "run", fails)
    monkeypatch.setattr(fuse_unionfs, "_mount", fails)
    _parent, code = EXCEPTIONS[name]
    assert main.main(["cat", "oci:image"]) == code
    assert fuse_unionfs.main(["mountpoint"]) == code
    assert capsys.readouterr().err == "unionfs cat: the reason\nfuse-unionfs: the reason\n"


def test_every_exit_code_is_there(monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupted(*_args: object) -> int:
        raise KeyboardInterrupt

    monkeypatch.setattr(cat, "run", interrupted)
    with pytest.raises(SystemExit) as refused:
        main.main(["no such command"])
    used = {0, refused.value.code, *(code for _parent, code in EXCEPTIONS.values())}
    used.add(main.main(["cat", "oci:image"]))
    assert {int(code) for code, _when in table("exit code")} == used


def test_every_errno_is_there() -> None:
    assert [name for name, _when in table("errno")] == sorted(
        raised(), key=lambda name: (name[1].isdigit(), name)
    )
    assert all(hasattr(errno, name) for name in raised())


def raised() -> set[str]:
    """The errnos that the source raises, or has in a table of those to raise."""
    sources = (path for package in THAT_SERVE_FILES for path in (ROOT / "unionfs" / package).rglob("*.py"))
    return {name for path in sources for tree in numbers(ast.parse(path.read_text())) for name in named(tree)}


def numbers(source: ast.AST) -> Iterator[ast.AST]:
    """What errors are made with: the first arguments of ``error()`` and ``OSError()``, values of tables."""
    for node in ast.walk(source):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name):
            if node.func.id in ("error", "OSError"):
                yield from node.args[:1]
        elif isinstance(node, ast.Dict):
            yield from node.values


def named(tree: ast.AST) -> Iterator[str]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name) and node.value.id == "errno":
            yield node.attr
