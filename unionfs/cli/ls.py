"""``unionfs ls``: what a directory of an image holds."""

from __future__ import annotations

import argparse
import os
import stat
import sys
import time
from typing import TYPE_CHECKING

from unionfs.cli import image_options
from unionfs.cli.names import as_printed
from unionfs.cli.parsers import Subparsers, examples

if TYPE_CHECKING:
    from unionfs.adapters.memory.filesystem import UnionFS


def add_parser(subparsers: Subparsers) -> None:
    parser = subparsers.add_parser(
        "ls",
        usage="[OPTION]... IMAGE[:/PATH]",
        help="list a directory of an image",
        description="List a directory, or one file, of an image.",
        epilog=examples("unionfs ls -lR oci:images:1.0:/etc"),
    )
    image_options.add_path(parser)
    parser.add_argument("-l", "--long", action="store_true", help="with mode, links, owner, size and time")
    parser.add_argument("-R", "--recursive", action="store_true", help="with all directories below")
    image_options.add_source(parser)
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    from unionfs.cli.target import shown_image

    with shown_image(args) as (fs, path):
        if not fs.isdir(path):
            _print(fs, path, os.path.basename(path), args.long)
            return 0
        if not args.recursive:
            _list(fs, path, args.long)
            return 0
        for number, (directory, dirs, _others) in enumerate(fs.walk(path)):
            dirs.sort(key=os.fsencode)
            heading = as_printed(os.fsencode(directory))
            sys.stdout.buffer.write(b"\n" * bool(number) + heading + b":\n")
            _list(fs, directory, args.long)
    return 0


def _list(fs: UnionFS, directory: str, long: bool) -> None:
    for name in sorted(fs.listdir(directory), key=os.fsencode):
        _print(fs, os.path.join(directory, name), name, long)


def _print(fs: UnionFS, path: str, name: str, long: bool) -> None:
    line = as_printed(os.fsencode(name))
    status = fs.lstat(path)
    if long:
        line = _details(status).encode() + line
        if fs.islink(path):
            line += b" -> " + as_printed(os.fsencode(fs.readlink(path)))
    sys.stdout.buffer.write(line + b"\n")


def _details(status: os.stat_result) -> str:
    """As ``ls -ln`` has them, times in UTC."""
    when = time.strftime("%Y-%m-%d %H:%M", time.gmtime(status.st_mtime))
    size = (
        f"{os.major(status.st_rdev)}, {os.minor(status.st_rdev)}"
        if stat.S_ISCHR(status.st_mode) or stat.S_ISBLK(status.st_mode)
        else str(status.st_size)
    )
    owner = f"{status.st_uid:>5} {status.st_gid:>5}"
    return f"{stat.filemode(status.st_mode)} {status.st_nlink:>3} {owner} {size:>10} {when} "
