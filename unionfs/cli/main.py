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

from unionfs import __version__
from unionfs.cli import commit, demo, diff, fsck, mount, umount
from unionfs.errors import UnionError

_COMMANDS = (mount, umount, diff, commit, fsck, demo)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line `arguments` (the process's own if None); the exit code."""
    args = _parser().parse_args(arguments)
    try:
        code: int = args.run(args)
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())  # or Python complains at its end
        return 1
    except (UnionError, OSError) as failure:
        print(f"unionfs {args.command}: {failure}", file=sys.stderr)
        return 1
    return code


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="unionfs", description="A layered union filesystem.")
    parser.add_argument("--version", action="version", version=f"unionfs {__version__}")
    subparsers = parser.add_subparsers(dest="command", metavar="COMMAND", required=True)
    for command in _COMMANDS:
        command.add_parser(subparsers)
    return parser
