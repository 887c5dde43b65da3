"""The code blocks of a page, and what running each of them means.

``python``    is executed, in one namespace for the page; with ``>>>`` it is a doctest
``python F``  is written to the file F
``output``    what the Python block before it printed
``console``   lines that begin with ``$ `` are typed into bash; what is shown beneath one is what it says
``sh``        a script, none of whose commands fails

In what is shown ``...`` stands for anything (`doctest.ELLIPSIS`). A command whose status is not 0
fails the page, unless ``$ echo $?`` comes next.
"""

from __future__ import annotations

import doctest
import io
import re
from collections.abc import Callable, Iterator
from contextlib import redirect_stdout
from pathlib import Path
from typing import NamedTuple

from sybil import Document, Example, Region
from sybil.evaluators.python import PythonEvaluator
from sybil.parsers.markdown.lexers import RawFencedCodeBlockLexer
from sybil.parsers.myst import CodeBlockParser
from sybil.parsers.myst import PythonCodeBlockParser as DoctestParser
from sybil.typing import Parser

LANGUAGES = {"python", "output", "console", "sh"}

Run = Callable[[str], tuple[str, int]]
"""Types a command into bash: what it says, and its status."""

_CHECKER = doctest.OutputChecker()
_PRINTED = "what the block before it has printed"


class Typed(NamedTuple):
    """A command, and what a page shows of what it says; nothing where it shows nothing."""

    command: str
    shown: str


def parsers(run: Run) -> list[Parser]:
    """For every language of `LANGUAGES`; `run` is asked for when the first command is there."""

    def typed(example: Example) -> None:
        commands = list(commands_of(example.parsed))
        for this, then in zip(commands, [*commands[1:], None], strict=True):
            said, status = run(this.command)
            if then is None or then.command != "echo $?":
                assert status == 0, f"{this.command}\n{said}status {status}"
            if this.shown:
                _check(this.command, this.shown, said)

    def script(example: Example) -> None:
        said, status = run(example.parsed)
        assert status == 0, f"{said}status {status}"

    return [
        _python,
        _file,
        CodeBlockParser("output", _printed),
        CodeBlockParser("console", typed),
        CodeBlockParser("sh", script),
    ]


def commands_of(block: str) -> Iterator[Typed]:
    command, shown = "", ""
    for line in block.splitlines(keepends=True):
        if line.startswith("$ "):
            if command:
                yield Typed(command, shown)
            command, shown = line[2:].rstrip("\n"), ""
        elif line.startswith("> ") and not shown:
            command += "\n" + line[2:].rstrip("\n")
        else:
            assert command, f"shown before any command: {line}"
            shown += line
    if command:
        yield Typed(command, shown)


def _python(document: Document) -> Iterator[Region]:
    execute = PythonEvaluator()

    def captured(example: Example) -> None:
        said = io.StringIO()
        with redirect_stdout(said):
            execute(example)
        example.namespace[_PRINTED] = said.getvalue()

    for region in DoctestParser()(document):
        if isinstance(region.evaluator, PythonEvaluator):
            region.evaluator = captured
        yield region


def _file(document: Document) -> Iterator[Region]:
    for region in RawFencedCodeBlockLexer(re.compile(r"python (?P<name>\S+)\n"))(document):
        region.parsed = region.lexemes
        region.evaluator = _write
        yield region


def _write(example: Example) -> None:
    Path(example.parsed["name"]).write_text(example.parsed["source"])


def _printed(example: Example) -> None:
    _check("python", example.parsed, example.namespace.pop(_PRINTED))


def _check(what: str, shown: str, said: str) -> None:
    assert _CHECKER.check_output(shown, said, doctest.ELLIPSIS), f"{what}\nshown:\n{shown}\nsaid:\n{said}"
