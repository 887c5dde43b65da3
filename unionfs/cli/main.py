"""The ``unionfs`` command: arguments and printing, nothing else.

Exit codes: 0 done; 1 it failed, and one line on stderr says why; 2 the command line
is wrong. (mount(8) says 32 for a failed mount; programs that call a mount helper only
ask whether it was 0.)

Every command is a module with `add_parser(subparsers)`, which must be cheap, and
`run(args) -> int`, which imports what it needs.
"""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Sequence
from importlib import import_module

from unionfs import __version__
from unionfs.errors import UnionError

_COMMANDS = (
    *("mount", "umount", "diff", "commit", "convert", "upper", "fsck"),
    *("layers", "ls", "cat", "stat", "tree", "store", "bench", "demo"),
)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line `arguments` (the process's own if None); the exit code."""
    given = _as_command(sys.argv[1:] if arguments is None else arguments)
    args = parser(given).parse_args(given)
    try:
        code: int = args.run(args)
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())  # or Python complains at its end
        return 1
    except (UnionError, OSError) as failure:
        print(f"unionfs {args.command}: {failure}", file=sys.stderr)
        return 1
    return code


def _as_command(arguments: Sequence[str]) -> Sequence[str]:
    """mount.fuse3(8), for the type ``fuse.unionfs``, says ``unionfs SOURCE MOUNTPOINT -o OPTIONS``."""
    if len(arguments) == 4 and arguments[2] == "-o" and arguments[0] not in _COMMANDS:
        return ["mount", *arguments]
    return arguments


def parser(arguments: Sequence[str] = ()) -> argparse.ArgumentParser:
    """Of the command that is given alone, if it is one: a mount is not to wait for what it has no use for."""
    commands = [arguments[0]] if arguments and arguments[0] in _COMMANDS else _COMMANDS
    parser = argparse.ArgumentParser(prog="unionfs", description="A layered union filesystem.")
    parser.add_argument("--version", action="version", version=f"unionfs {__version__}")
    subparsers = parser.add_subparsers(dest="command", metavar="COMMAND", required=True)
    for command in commands:
        import_module(f"unionfs.cli.{command}").add_parser(subparsers)
    return parser
