"""What a command line's words choose."""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Iterable, Sequence
from typing import Any, TypeVar

from unionfs.bench.peers import MountProgram, Peer
from unionfs.bench.workload import Workload
from unionfs.errors import ConfigError

Named = TypeVar("Named", Peer, Workload[Any])


def by_name(known: Sequence[Named], names: Sequence[str]) -> list[Named]:
    """Those of these names, in the order of `known`. `ConfigError` if there is none of a name."""
    strangers = sorted(set(names) - {each.name for each in known})
    if strangers:
        here = dict.fromkeys(each.name for each in known)
        raise ConfigError(f"unknown: {' '.join(strangers)}; known: {' '.join(here)}")
    return [each for each in known if each.name in names]


def present(peers: Iterable[Peer]) -> list[Peer]:
    """Those that can be measured here; a line on stderr says what the others lack.

    `ConfigError` if nobody can.
    """
    here = []
    for peer in peers:
        if lack := peer.lack():
            print(f"{peer.name} is left out: {lack}", file=sys.stderr)
        else:
            here.append(peer)
    if not here:
        raise ConfigError("there is nobody to be measured")
    return here


def mount_program(text: str) -> Peer:
    """The peer that NAME=FILE stands for, as an argument's type."""
    name, equals, program = text.partition("=")
    if not equals:
        raise argparse.ArgumentTypeError(f"not NAME=FILE: {text}")
    return MountProgram(os.path.abspath(program), name)


def repeats(text: str) -> int:
    """A number from 1 up, as an argument's type."""
    if not text.isdecimal() or not int(text):
        raise argparse.ArgumentTypeError(f"not a number of repeats: {text}")
    return int(text)
