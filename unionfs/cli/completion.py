"""``unionfs completion``: a script by which a shell completes commands, options and file names.

Made from the parsers by shtab, once, so that pressing Tab starts no Python (argcomplete would start
one each time, 40 ms of it, and has to be known to the shell by a hook of its own).
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator

from unionfs.cli.parsers import Subparsers, examples
from unionfs.errors import ConfigError

_SHELLS = ("bash", "zsh", "fish")
_DIRECTORIES = {"DIR", "DIRECTORY", "MOUNTPOINT", "[IMAGE|URL] MOUNTPOINT", "[IMAGE] UPPER"}
_FILES = {"FILE", "NAME=FILE", "HOST:PATH[:ro]"}
"""What values are called (their metavar) for which names of directories, or of files, are offered."""


def add_parser(subparsers: Subparsers) -> None:
    parser = subparsers.add_parser(
        "completion",
        usage="SHELL",
        help="print a script by which a shell completes commands",
        description="Print a script for bash, zsh or fish, by which Tab completes commands, options, their"
        " values, and names of files. It needs shtab: pip install 'unionfs[completion]'.",
        epilog=examples(
            "unionfs completion bash > /etc/bash_completion.d/unionfs",
            "unionfs completion zsh > /usr/local/share/zsh/site-functions/_unionfs",
            "unionfs completion fish > ~/.config/fish/completions/unionfs.fish",
        ),
    )
    parser.add_argument("shell", metavar="SHELL", choices=_SHELLS, help=f"one of {', '.join(_SHELLS)}")
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    from unionfs.cli import main

    try:
        import shtab
    except ImportError:
        raise ConfigError("needs shtab: pip install 'unionfs[completion]'") from None
    parser = main.parser()
    for action in _actions(parser):
        if isinstance(action, argparse._SubParsersAction):
            _say_less(action)
        elif action.metavar in _DIRECTORIES | _FILES:
            kind = shtab.DIRECTORY if action.metavar in _DIRECTORIES else shtab.FILE
            action.complete = kind  # type: ignore[attr-defined]  # where shtab looks for it
    print(shtab.complete(parser, args.shell))
    return 0


def _say_less(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """shtab shows the description of a command beside its name, for which its line of help is made."""
    for choice in commands._choices_actions:
        commands.choices[choice.dest].description = choice.help


def _actions(parser: argparse.ArgumentParser) -> Iterator[argparse.Action]:
    """Those of a parser, its commands and their actions."""
    for action in parser._actions:
        yield action
        if isinstance(action, argparse._SubParsersAction):
            for below in action.choices.values():
                yield from _actions(below)
