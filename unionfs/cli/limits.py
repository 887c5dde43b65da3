"""How much of an image is believed, as options of the commands that read one."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from unionfs.images import Limits

_OPTIONS = {
    "layers": "layers in an image",
    "entries": "entries in a layer",
    "metadata": "bytes of names and attributes in a layer",
    "depth": "directories, one in another",
    "path": "bytes in a path",
    "extended_header": "bytes in a PAX header",
    "total": "bytes in a layer, uncompressed",
    "ratio": "times that a layer may be compressed",
    "document": "bytes in a manifest or configuration",
}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    group = parser.add_argument_group("limits of what is believed of an image")
    for name, what in _OPTIONS.items():
        group.add_argument(
            _flag(name), type=_number, dest=f"max_{name}", metavar="N", help=f"at most so many {what}"
        )
    group.add_argument(
        "--last-wins", action="store_true", help="of entries of one path take the last, instead of refusing"
    )


def limits(args: argparse.Namespace) -> Limits:
    from unionfs.images import DEFAULT_LIMITS

    given = {name: getattr(args, f"max_{name}") for name in _OPTIONS}
    chosen = {name: value for name, value in given.items() if value is not None}
    if "ratio" in chosen:
        chosen["ratio_from"] = 0  # who names a ratio means it from the start
    return DEFAULT_LIMITS._replace(**chosen, last_wins=args.last_wins)


def _flag(name: str) -> str:
    return f"--max-{name.replace('_', '-')}"


def _number(text: str) -> int:
    if not (text.isascii() and text.isdecimal()):
        raise argparse.ArgumentTypeError(f"not a number: {text}")
    return int(text)
