"""The parser of every command, and how its help is laid out: for any terminal, in at most 80 columns."""

from __future__ import annotations

import argparse
import re
import sys
from typing import Any, TypeAlias

from unionfs.cli.terminal import columns

_AT_MOST = 80
_MARGIN = 2
_INDENT = " " * 7


class HelpFormatter(argparse.HelpFormatter):
    """argparse's, but that no word is torn apart at a hyphen, and what has lines of its own keeps them."""

    def __init__(self, prog: str, width: int | None = None) -> None:
        super().__init__(prog, width=(width or min(columns(sys.stdout), _AT_MOST)) - _MARGIN)

    def _format_usage(self, usage: str | None, actions: Any, groups: Any, prefix: str | None) -> str:
        words = super()._format_usage(usage, actions, groups, prefix)
        return "\n".join(_wrapped(words, self._width, _INDENT)) + "\n\n"

    def _format_action_invocation(self, action: argparse.Action) -> str:
        """``-a, --author TEXT``, with the value once, as podman and Python 3.13 have it."""
        *others, last = action.option_strings or [""]
        if not others or action.nargs == 0:
            return super()._format_action_invocation(action)
        value = self._format_args(action, action.dest.upper())
        return f"{', '.join(others)}, {last} {value}"

    def _split_lines(self, text: str, width: int) -> list[str]:
        return _wrapped(text, width)

    def _fill_text(self, text: str, width: int, indent: str) -> str:
        if "\n" in text:
            return text
        return "\n".join(_wrapped(text, width, indent, indent))


class Parser(argparse.ArgumentParser):
    """`usage` is what follows the command's name; an `epilog` of several lines is shown as it is."""

    def __init__(self, *, usage: str, **others: Any) -> None:
        super().__init__(usage=f"%(prog)s {usage}", formatter_class=HelpFormatter, **others)


Subparsers: TypeAlias = "argparse._SubParsersAction[Parser]"


def add_commands(parser: Parser, metavar: str, dest: str) -> Subparsers:
    """Have one of several commands given, whose name `dest` will be."""
    return parser.add_subparsers(
        title=f"{metavar.lower()}s", metavar=metavar, dest=dest, required=True, prog=parser.prog
    )


def examples(*lines: str) -> str:
    """For an `epilog`."""
    return "\n  ".join(["examples:", *lines])


def _wrapped(text: str, width: int, indent: str = "", first: str = "") -> list[str]:
    import textwrap  # when help is asked for, and only then

    return textwrap.wrap(
        re.sub(r"\s+", " ", text).strip(),
        width,
        initial_indent=first,
        subsequent_indent=indent,
        break_long_words=False,
        break_on_hyphens=False,
    )
