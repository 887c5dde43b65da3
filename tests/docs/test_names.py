"""docs/names.md: what is named there is there, and what there is has its row."""

from __future__ import annotations

import argparse
import inspect
import json
import re
from collections.abc import Iterator
from operator import attrgetter
from pathlib import Path

import pytest

import unionfs
from unionfs.adapters import options
from unionfs.cli.main import main, parser
from unionfs.images import Details, Limits, Output

PAGE = Path(__file__).parents[2] / "docs/names.md"
ROWS = [
    [re.findall(r"`([^`]+)`", cell) for cell in line.strip("|").split("|")[1:]]
    for line in PAGE.read_text().splitlines()
    if line.startswith("|") and "`" in line
]
IN_PYTHON, FLAGS, WORDS = ([name for row in ROWS for name in row[column]] for column in range(3))

VALUES = {"copy_up=": "lazy", "cache=": "always"}
"""Of words that do not take any."""


def test_what_is_named_in_python_is_there() -> None:
    for name in IN_PYTHON:
        owner, opening, argument = name.partition("(")
        found = attrgetter(owner)(unionfs)
        if opening:
            assert argument.strip("*=)") in inspect.signature(found).parameters, name


def test_the_flags_are_there() -> None:
    assert set(FLAGS) <= set(flags(parser()))


def test_the_words_are_there() -> None:
    for word in WORDS:
        value = VALUES.get(word, "x") if word.endswith("=") else ""
        assert options.parse([word + value]) != options.Options(), word


def test_every_value_that_has_a_flag_is_named() -> None:
    for kind in (Details, Limits, Output):
        for field in set(kind._fields) - {"ratio_from"}:
            assert f"images.{kind.__name__}.{field}" in IN_PYTHON


def test_the_names_are_the_same() -> None:
    """But for limits, whose flags begin with max, for plurals, and for overlayfs's words."""
    for in_python, given, words in ROWS:
        names = {re.split(r"[.(]", name)[-1].strip("*=)") for name in in_python}
        names |= {flag.removeprefix("--").removeprefix("max-").replace("-", "_") for flag in given}
        names |= {word.rstrip("=").removesuffix("dir") for word in words}
        assert len({name.removesuffix("s") for name in names} - {"ro"}) <= 1, names


def flags(of: argparse.ArgumentParser) -> Iterator[str]:
    for action in of._actions:
        yield from action.option_strings
        if isinstance(action, argparse._SubParsersAction):
            for command in action.choices.values():
                yield from flags(command)


def test_a_change_has_the_same_fields_in_json(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "f").touch()
    assert main(["diff", "--json", str(tmp_path)]) == 0
    assert tuple(json.loads(capsys.readouterr().out)) == unionfs.Change._fields
