"""The image that ``unionfs demo`` makes: three layers, with one of everything that layers can say."""

from __future__ import annotations

import os
from functools import partial

from unionfs.images import open_image
from unionfs.images.commit import add_layer
from unionfs.images.entry import Entry
from unionfs.images.layer_writer import write_entries
from unionfs.types import Kind

_MTIME = 1_700_000_000 * 10**9
_Content = tuple[Entry, bytes]


def _owned(name: str, kind: Kind, mode: int, size: int = 0) -> Entry:
    return Entry(os.fsencode(name), kind, mode, os.getuid(), os.getgid(), size, _MTIME)


def _dir(name: str) -> _Content:
    return _owned(name, Kind.DIR, 0o755), b""


def _file(name: str, content: str = "", mode: int = 0o644) -> _Content:
    return _owned(name, Kind.FILE, mode, len(content)), content.encode()


def _symlink(name: str, target: str) -> _Content:
    return _owned(name, Kind.SYMLINK, 0o777)._replace(target=target.encode()), b""


def _hard_link(name: str, existing: str) -> _Content:
    return _owned(name, Kind.FILE, 0o644)._replace(hardlink=existing.encode()), b""


BASE = [
    _dir(""),
    _dir("bin"),
    _file("bin/hello", "#!/bin/sh\necho hello\n", 0o755),
    _symlink("bin/hi", "hello"),
    _dir("etc"),
    _file("etc/motd", "Welcome.\n"),
    _file("etc/passwd", "root:x:0:0::/root:/bin/sh\n"),
    _dir("lib"),
    _file("lib/libdemo.so.1", "not really a library\n"),
    _hard_link("lib/libdemo.so", "lib/libdemo.so.1"),
    _dir("cache"),
    _file("cache/old-1"),
    _file("cache/old-2"),
    _dir("src"),
    _file("src/main.c", "int main(void) { return 0; }\n"),
]

UPDATE = [
    _dir("cache"),
    _file("cache/.wh..wh..opq"),  # nothing of the base's cache is left
    _file("cache/fresh", "made by the second layer\n"),
    _dir("etc"),
    _file("etc/.wh.passwd"),
    _file("etc/motd", "Welcome to the second layer.\n"),
]

APPLICATION = [
    _dir("app"),
    _file("app/run", "#!/bin/sh\nexec hello\n", 0o755),
    _dir("etc"),
    _file("etc/motd", "Welcome to the third layer.\n"),
]


def make(directory: str) -> str:
    """Write the image as an OCI layout to `directory`; its reference."""
    reference = None
    for number, entries in enumerate((BASE, UPDATE, APPLICATION), 1):
        base = open_image(reference) if reference else None
        reference = f"oci:{directory}:{number}"
        add_layer(
            base, partial(write_entries, entries), reference, created_by=f"unionfs demo, layer {number}"
        )
        if base is not None:
            base.close()
    assert reference is not None
    return reference
