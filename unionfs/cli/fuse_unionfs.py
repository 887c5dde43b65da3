"""The ``fuse-unionfs`` command: mounts by fuse-overlayfs's command line, or by mount(8)'s for helpers.

    fuse-unionfs [-f] [-d] [-o OPTIONS] TARGET        podman and buildah (mount_program)
    fuse-unionfs SOURCE TARGET [-o OPTIONS]           mount(8) and containerd, through mount.fuse3(8)

Exit codes are those of the ``unionfs`` command.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence

from unionfs import __version__
from unionfs.cli import layer_options
from unionfs.cli.failures import reason
from unionfs.cli.parsers import Parser, examples
from unionfs.errors import UnionError

_LAYERS = "dialect=mixed"
"""podman and buildah unpack images with AuFS's whiteouts, wherever in the tree."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line `arguments` (the process's own if None); the exit code."""
    known = parser()
    args, rest = known.parse_known_args(arguments)
    if any(word.startswith("-") for word in rest):
        known.error(f"unrecognized arguments: {' '.join(rest)}")
    places = [*args.places, *rest]  # argparse takes those together that no option parts
    if not 1 <= len(places) <= 2:
        known.error(f"one TARGET is needed, not {len(places)}: {' '.join(places)}")
    try:
        _mount(places[-1], args.words, foreground=args.foreground)
    except (UnionError, OSError) as failure:
        print(f"fuse-unionfs: {reason(failure)}", file=sys.stderr)
        return 1
    return 0


def _mount(target: str, words: Sequence[str], *, foreground: bool) -> None:
    from unionfs.adapters import options
    from unionfs.adapters.fuse import mounting

    mounting.mount(target, options.parse([_LAYERS, *words]), foreground=foreground)


def parser() -> Parser:
    parser = Parser(
        prog="fuse-unionfs",
        usage="[-f] [-d] [-o OPTIONS] [SOURCE] TARGET",
        description="Mount a union of directories, in place of fuse-overlayfs; return once it answers.",
        epilog=examples(
            "fuse-unionfs -o lowerdir=A:B,upperdir=U,workdir=W TARGET",
            "mount -t fuse.fuse-unionfs union TARGET -o lowerdir=A:B",
        ),
    )
    parser.add_argument(
        "places",
        nargs="*",
        metavar="TARGET",
        help="where to mount; a source, as mount(8) has it, means nothing",
    )
    layer_options.add_words(
        parser, "lowerdir=A:B (top-most first), upperdir=U, workdir=W, uidmapping=IDS, ..."
    )
    parser.add_argument("-f", dest="foreground", action="store_true", help="stay in the foreground")
    parser.add_argument(
        "-d", "--debug", dest="words", action="append_const", const="debug", help="log more; implies -f"
    )
    parser.add_argument("-V", "--version", action="version", version=f"fuse-unionfs: version {__version__}")
    for flag in ("-s", "-n", "-v"):  # one thread; what mount(8) hands on
        parser.add_argument(flag, action="store_true", help=argparse.SUPPRESS)
    parser.add_argument("-t", metavar="TYPE", help=argparse.SUPPRESS)
    return parser
