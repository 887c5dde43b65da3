"""The real image that other tools built, against the listing that came with it."""

from __future__ import annotations

import hashlib
import os
import stat
from pathlib import Path

import pytest

from unionfs.core.layer import Layer
from unionfs.core.union import Union
from unionfs.images.below import entry_of, read_file
from unionfs.images.image import open_image
from unionfs.images.store import LayerStore, memory_layers, open_layers
from unionfs.types import Kind

# Kept beside the checkout: too large for it.
IMAGES = Path(__file__).parents[2].parent / "shared" / "images"


def lines(layers: list[Layer]) -> list[str]:
    """The merged tree, in the form of list-tree.py."""
    union = Union(layers)
    found = []
    todo = [(b"", union.root)]
    while todo:
        path, node = todo.pop()
        entry, status = entry_of(union, node, path), union.getattr(node)
        is_dir = node.kind is Kind.DIR
        size = 0 if is_dir else status.size
        links = 0 if is_dir else status.nlink
        name = os.fsdecode(path) or "."
        line = f"{stat.filemode(status.mode)} {entry.uid}:{entry.gid} {size} links={links}"
        line += f" mtime={entry.mtime_ns // 10**9} {name}"
        if node.kind is Kind.FILE:
            line += " " + hashlib.sha256(b"".join(read_file(union, node))).hexdigest()[:16]
        if node.kind is Kind.SYMLINK:
            line += f" -> {os.fsdecode(entry.target)}"
        line += "".join(f" {key.decode()}={value.hex()}" for key, value in sorted(entry.xattrs.items()))
        found.append((name, line))
        if is_dir:
            todo += [
                (path + b"/" + each.name if path else each.name, union.lookup(node, each.name))
                for each in union.readdir(node)
            ]
    return [line for _, line in sorted(found)]


@pytest.mark.parametrize("in_memory", [True, False])
def test_the_demo_image(tmp_path: Path, in_memory: bool) -> None:
    reference = f"oci-archive:{IMAGES / 'demo.oci.tar'}:latest"
    if in_memory:
        with open_image(reference) as image:
            layers = memory_layers(image)
    else:
        if os.geteuid() != 0:
            pytest.fail("the listing shows owners and capabilities, which only root can unpack")
        image, layers = open_layers(reference, LayerStore(tmp_path))
        image.close()
    assert lines(layers) == (IMAGES / "demo.tree.txt").read_text().splitlines()
