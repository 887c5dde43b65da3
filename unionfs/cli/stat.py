"""``unionfs stat``: everything that an image says about one file."""

from __future__ import annotations

import argparse
import os
import stat
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from unionfs.cli import image_options
from unionfs.cli.parsers import Subparsers
from unionfs.errors import printable

if TYPE_CHECKING:
    from unionfs.adapters.memory.filesystem import UnionFS


def add_parser(subparsers: Subparsers) -> None:
    parser = subparsers.add_parser(
        "stat",
        usage="[OPTION]... IMAGE[:/PATH]",
        help="show the attributes of a file of an image",
        description="Show the attributes of a file of an image, symbolic links not followed.",
    )
    image_options.add_path(parser)
    parser.add_argument("--json", action="store_true", help="as one JSON object")
    image_options.add_source(parser)
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    import json

    from unionfs.cli.target import shown_image

    with shown_image(args) as (fs, path):
        facts = dict(_facts(fs, path))
    if args.json:
        print(json.dumps(facts))
        return 0
    for name, value in facts.items():
        print(f"{name:>7}: {_text(value)}")
    return 0


def _facts(fs: UnionFS, path: str) -> Iterator[tuple[str, object]]:
    status = fs.lstat(path)
    yield "path", path
    yield "layer", fs.layer_of(path, follow_symlinks=False).name
    yield "mode", stat.filemode(status.st_mode)
    yield "uid", status.st_uid
    yield "gid", status.st_gid
    yield "size", status.st_size
    yield "links", status.st_nlink
    yield "inode", status.st_ino
    if stat.S_ISCHR(status.st_mode) or stat.S_ISBLK(status.st_mode):
        yield "device", [os.major(status.st_rdev), os.minor(status.st_rdev)]
    if stat.S_ISLNK(status.st_mode):
        yield "target", fs.readlink(path)
    yield "mtime", datetime.fromtimestamp(status.st_mtime, UTC).isoformat()
    xattrs = fs.listxattr(path, follow_symlinks=False)
    yield "xattrs", {name: fs.getxattr(path, name, follow_symlinks=False).hex() for name in xattrs}


def _text(value: object) -> str:
    if isinstance(value, dict):
        return printable(" ".join(f"{name}=0x{content}" for name, content in value.items())) or "none"
    if isinstance(value, list):
        return ", ".join(map(str, value))
    return printable(str(value))
