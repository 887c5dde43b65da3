"""``--help`` of every command: it says everything, and reads well on any terminal."""

from __future__ import annotations

import argparse
import os
import shlex
import subprocess
import sys
from collections.abc import Iterator

import pytest

from unionfs.cli import fuse_unionfs, main


def parsers_of(parser: argparse.ArgumentParser) -> Iterator[argparse.ArgumentParser]:
    """A parser, and those of its commands and their actions."""
    yield parser
    for action in parser._actions:
        if isinstance(action, argparse._SubParsersAction):
            for below in action.choices.values():
                yield from parsers_of(below)


PARSERS = {
    parser.prog: parser for top in (main.parser(), fuse_unionfs.parser()) for parser in parsers_of(top)
}


def said(prog: str, **environment: str) -> str:
    """The help of ``unionfs COMMAND ACTION``, piped."""
    program, *command = prog.split()
    module = {"unionfs": "main", "fuse-unionfs": "fuse_unionfs"}[program]
    script = f"import sys; from unionfs.cli.{module} import main; sys.exit(main())"
    inherited = {name: value for name, value in os.environ.items() if name != "COLUMNS"}
    done = subprocess.run(
        [sys.executable, "-c", script, *command, "--help"],
        env=inherited | environment,
        capture_output=True,
        check=True,
        timeout=30,
    )
    assert done.stderr == b""
    return done.stdout.decode("ascii")


def test_all_commands_are_here() -> None:
    assert {"unionfs", "unionfs mount", "unionfs bench copy-up", "fuse-unionfs"} < set(PARSERS)


@pytest.mark.parametrize("prog", PARSERS)
def test_80_columns_are_enough(prog: str) -> None:
    lines = said(prog, LC_ALL="C").splitlines()
    assert lines[0].startswith(f"usage: {prog} ")
    assert [line for line in lines if len(line) > 80] == []
    assert said(prog, COLUMNS="200").splitlines() == lines


@pytest.mark.parametrize("prog", PARSERS)
def test_40_columns_cut_no_word_in_two(prog: str) -> None:
    wide, narrow = said(prog), said(prog, COLUMNS="40")
    assert narrow.split() == wide.split()
    explained, _, _examples = narrow.partition("\nexamples:\n")
    too_long = [line for line in explained.splitlines() if len(line) > 40]
    assert [line for line in too_long if len(line.split()) > 1 and not line.lstrip().startswith("-")] == []


@pytest.mark.parametrize("parser", PARSERS.values(), ids=PARSERS)
def test_nothing_goes_unexplained(parser: argparse.ArgumentParser) -> None:
    assert parser.description
    unexplained = [
        action.option_strings or action.metavar
        for action in parser._actions
        if not action.help and not isinstance(action, argparse._SubParsersAction)
    ]
    assert unexplained == []
    for action in parser._actions:
        if isinstance(action, argparse._SubParsersAction):
            assert {choice.dest for choice in action._choices_actions} == set(action.choices)


@pytest.mark.parametrize("parser", PARSERS.values(), ids=PARSERS)
def test_the_usage_names_what_is_needed(parser: argparse.ArgumentParser) -> None:
    usage = parser.format_usage().split()
    for action in parser._actions:
        if isinstance(action, argparse._SubParsersAction) or action.option_strings:
            continue
        assert isinstance(action.metavar, str)
        for word in action.metavar.split():
            assert any(word in given for given in usage), word


@pytest.mark.parametrize("parser", PARSERS.values(), ids=PARSERS)
def test_the_examples_are_command_lines(parser: argparse.ArgumentParser) -> None:
    for example in (parser.epilog or "").splitlines()[1:]:
        program, *words = shlex.split(example)
        if program in ("unionfs", "fuse-unionfs"):
            top = main.parser() if program == "unionfs" else fuse_unionfs.parser()
            top.parse_known_args(words)
