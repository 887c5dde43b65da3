"""What an image holds, told by programs that share no code with this project: umoci, tarfile."""

from __future__ import annotations

import hashlib
import json
import os
import stat
import subprocess
import tarfile
from pathlib import Path
from typing import Any

Tree = dict[str, tuple[object, ...]]


def unpacked(layout: Path, tag: str, bundle: Path) -> Tree:
    """The whole tree of an image in an OCI layout, unpacked by umoci(1) into `bundle`."""
    subprocess.run(["umoci", "unpack", "--image", f"{layout}:{tag}", bundle], check=True, capture_output=True)
    return tree(bundle / "rootfs")


def tree(root: Path) -> Tree:
    """Everything below `root` but sizes and times of directories: by path, what it is.

    The names of one file have the same group, which is the first of them.
    """
    found: Tree = {}
    first: dict[int, str] = {}
    for path in sorted(root.rglob("*")):
        name = str(path.relative_to(root))
        status = path.lstat()
        group = first.setdefault(status.st_ino, name) if not stat.S_ISDIR(status.st_mode) else name
        found[name] = (
            stat.filemode(status.st_mode),
            status.st_uid,
            status.st_gid,
            status.st_rdev,
            _content(path, status.st_mode),
            group,
            _xattrs(path),
        )
    return found


def _content(path: Path, mode: int) -> str:
    if stat.S_ISLNK(mode):
        return os.readlink(path)
    return hashlib.sha256(path.read_bytes()).hexdigest() if stat.S_ISREG(mode) else ""


def _xattrs(path: Path) -> dict[str, bytes]:
    names = os.listxattr(path, follow_symlinks=False)
    return {name: os.getxattr(path, name, follow_symlinks=False) for name in sorted(names)}


def entries(layout: Path) -> list[set[tuple[object, ...]]]:
    """The entries of each layer, from the lowest up, but for whiteouts, which clients say in several ways."""
    manifest = _blob(layout, json.loads((layout / "index.json").read_bytes())["manifests"][0])
    return [_entries(layout, layer["digest"]) for layer in manifest["layers"]]


def _entries(layout: Path, digest: str) -> set[tuple[object, ...]]:
    with tarfile.open(layout / "blobs" / digest.replace(":", "/")) as archive:
        return {
            (entry.name, entry.type, entry.mode, entry.uid, entry.gid, entry.size, entry.linkname)
            for entry in archive
            if ".wh." not in entry.name
        }


def _blob(layout: Path, descriptor: dict[str, Any]) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(
        (layout / "blobs" / descriptor["digest"].replace(":", "/")).read_bytes()
    )
    return found
