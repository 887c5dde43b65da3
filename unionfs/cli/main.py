"""The ``unionfs`` command: arguments and printing, nothing else.

Exit codes: 0 done; 1 it failed, and one line on stderr says why; 2 the command line
is wrong. (mount(8) says 32 for a failed mount; programs that call a mount helper only
ask whether it was 0.)

Every command is a module with `add_parser(subparsers)`, which must be cheap, and
`run(args) -> int`, which imports what it needs.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from importlib import import_module
from io import TextIOWrapper
from signal import SIGINT

from unionfs import __version__, standard_output
from unionfs.cli.failures import reason
from unionfs.cli.parsers import Parser, add_commands
from unionfs.errors import UnionError

COMMANDS = (
    *("mount", "umount", "ps", "diff", "commit", "convert", "upper", "fsck"),
    *("layers", "ls", "cat", "stat", "tree", "store", "bench", "demo", "completion"),
)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line `arguments` (the process's own if None); the exit code."""
    given = _as_command(sys.argv[1:] if arguments is None else arguments)
    args = parser(given).parse_args(given)
    _print_any_name()
    try:
        code: int = args.run(args)
        standard_output.flush()
    except BrokenPipeError:
        standard_output.drop_unwritten()
        return 1
    except (UnionError, OSError) as failure:
        standard_output.drop_unwritten()
        print(f"unionfs {args.command}: {reason(failure)}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        return 128 + SIGINT
    return code


def _print_any_name() -> None:
    """Names need not be text in the terminal's encoding: their bytes are printed as they are."""
    if isinstance(sys.stdout, TextIOWrapper):
        sys.stdout.reconfigure(errors="surrogateescape")


def _as_command(arguments: Sequence[str]) -> Sequence[str]:
    """mount.fuse3(8), for the type ``fuse.unionfs``, says ``unionfs SOURCE MOUNTPOINT -o OPTIONS``."""
    if len(arguments) == 4 and arguments[2] == "-o" and arguments[0] not in COMMANDS:
        return ["mount", *arguments]
    return arguments


def parser(arguments: Sequence[str] = ()) -> Parser:
    """Of the command that is given alone, if it is one: a mount is not to wait for what it has no use for."""
    commands = [arguments[0]] if arguments and arguments[0] in COMMANDS else COMMANDS
    parser = Parser(
        prog="unionfs",
        usage="COMMAND ...",
        description="Stack read-only layers, write on top of them, and keep the difference.",
        epilog="'unionfs COMMAND --help' says more about a command.",
    )
    parser.add_argument("--version", action="version", version=f"unionfs {__version__}")
    subparsers = add_commands(parser, "COMMAND", "command")
    for command in commands:
        import_module(f"unionfs.cli.{command}").add_parser(subparsers)
    return parser
