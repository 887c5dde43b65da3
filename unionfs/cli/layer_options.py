"""Arguments that several commands have, about the directories that are layers."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from unionfs.adapters.options import Options


def add_words(parser: argparse.ArgumentParser, help: str) -> None:
    parser.add_argument("-o", dest="words", metavar="OPTIONS", action="append", default=[], help=help)


def add_upper(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--upper", metavar="DIR", help="the same as -o upperdir=DIR")


def add_work(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--work", metavar="DIR", help="the same as -o workdir=DIR")


def options(args: argparse.Namespace, upper: str | None) -> Options:
    """What the words say, but for the directories that have arguments of their own."""
    from unionfs.adapters import options

    parsed = options.parse(args.words)
    return parsed._replace(upper=upper or parsed.upper, work=args.work or parsed.work)
