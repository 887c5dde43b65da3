"""Hostile and odd images, with what must come of each: the words of an error, or the names in its root.

Every archive of `hostile_archives` is one, as a layer. Here are those where something else
is wrong: documents, digests, compression, and layers that are harmful only together.
"""

from __future__ import annotations

import gzip
import json
import os
import stat
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

from archive_builder import END, LayoutBuilder, directory, file, hardlink, sha256, symlink

if sys.version_info >= (3, 14):
    from compression import zstd
else:
    from backports import zstd

Build = Callable[[LayoutBuilder], None]

LAYER = file(b"a", b"1") + END
TAR = "application/vnd.oci.image.layer.v1.tar"
MANIFEST = "application/vnd.oci.image.manifest.v1+json"
INDEX = "application/vnd.oci.image.index.v1+json"
DOCKER_LIST = "application/vnd.docker.distribution.manifest.list.v2+json"


def layers(*archives: bytes) -> Build:
    return lambda layout: layout.tag(layout.image(*archives))


def blob(data: bytes, media_type: str = f"{TAR}+gzip", archive: bytes = LAYER) -> Build:
    """An image of one layer whose blob is `data`, which should hold `archive`."""

    def build(layout: LayoutBuilder) -> None:
        settings = {"rootfs": {"type": "layers", "diff_ids": [sha256(archive)]}}
        layout.tag(layout.image(settings=settings, layers=[layout.blob(data, media_type)]))

    return build


def manifest(change: Callable[[dict[str, Any]], object]) -> Build:
    """A manifest that was changed before it was given its digest."""

    def build(layout: LayoutBuilder) -> None:
        sound = json.loads(layout.blob_path(layout.image(LAYER)["digest"]).read_bytes())
        changed = change(sound)
        data = changed if isinstance(changed, bytes) else json.dumps(changed or sound).encode()
        layout.tag(layout.blob(data, MANIFEST))

    return build


def raw_manifest(change: Callable[[bytes], bytes]) -> Build:
    return manifest(lambda sound: change(json.dumps(sound).encode()))


def index(make: Callable[[LayoutBuilder, dict[str, Any]], object]) -> Build:
    """The layout's index.json, made from the descriptor of a sound manifest."""

    def build(layout: LayoutBuilder) -> None:
        made = make(layout, layout.image(LAYER))
        layout.write("index.json", made if isinstance(made, bytes) else json.dumps(made).encode())

    return build


def entries(*descriptors: object) -> dict[str, object]:
    return {"schemaVersion": 2, "manifests": list(descriptors)}


def self_index(layout: LayoutBuilder, descriptor: dict[str, Any]) -> object:
    """Nested to the last index that is allowed, and then one more of them."""
    for _ in range(5):
        descriptor = layout.document(entries(descriptor), INDEX)
    return entries(descriptor)


def deep(levels: int) -> bytes:
    return b'{"a":' * levels + b"1" + b"}" * levels


def tagged(tag: object) -> Callable[[LayoutBuilder, dict[str, Any]], object]:
    return lambda _layout, descriptor: entries(
        descriptor | {"annotations": {"org.opencontainers.image.ref.name": tag}}
    )


def index_as(kind: Callable[[Path], object], name: str = "index.json") -> Build:
    """A sound layout, one of whose documents is something else than a file."""

    def build(layout: LayoutBuilder) -> None:
        layout.tag(layout.image(LAYER))
        path = layout.root / name
        path.rename(layout.root / "moved")
        kind(path)

    return build


def layer_as(kind: Callable[[Path], object]) -> Build:
    """A sound layout whose layer's blob is something else than a file."""

    def build(layout: LayoutBuilder) -> None:
        layout.tag(layout.image(LAYER))
        path = layout.blob_path(layout.layer(LAYER)["digest"])
        path.rename(layout.root / "moved")
        kind(path)

    return build


def elsewhere(name: str) -> Build:
    """A layout with a directory that is a symbolic link to one outside."""

    def build(layout: LayoutBuilder) -> None:
        layout.tag(layout.image(LAYER))
        moved = layout.root.with_name("elsewhere")
        (layout.root / name).rename(moved)
        (layout.root / name).symlink_to(moved)

    return build


def null_device(path: Path) -> None:
    os.mknod(path, stat.S_IFCHR | 0o666, os.makedev(1, 3))


def huge(path: Path) -> None:
    path.touch()
    os.truncate(path, 1 << 40)


def names_of(*tags: str) -> Build:
    """Images under tags that are shown in the message that there is more than one."""

    def build(layout: LayoutBuilder) -> None:
        for number, tag in enumerate(tags):
            layout.tag(layout.image(file(b"f%d" % number) + END), tag)

    return build


def platform(os_: str, architecture: str) -> Build:
    platform = {"os": os_, "architecture": architecture}
    return index(
        lambda layout, descriptor: entries(
            layout.document(entries(*[descriptor | {"platform": platform}] * 2), INDEX)
        )
    )


def version(text: str) -> Build:
    def build(layout: LayoutBuilder) -> None:
        layout.tag(layout.image(LAYER))
        layout.write("oci-layout", {"imageLayoutVersion": text})

    return build


SKIPPABLE = b"\x50\x2a\x4d\x18\x04\0\0\0skip"
EMPTY_FRAME = zstd.compress(b"")

REFUSED: dict[str, tuple[Build, str]] = {
    # What is shown of them in messages
    "tags that move the cursor": (names_of("a\x1b[2J\nb", "\ud800"), r"a\\x1b\[2J\\nb"),
    "tags in two directions": (names_of("a\u202eb", "c"), r"a\\u202eb"),
    "platform with lines": (platform("li\nnux", "amd64\x07"), r"li\\nnux/amd64\\x07"),
    "media type with lines": (
        manifest(lambda sound: sound["layers"][0].update(mediaType="a\nb\x1b[31m")),
        r"unknown type 'a\\nb\\x1b",
    ),
    "version with lines": (version("9\n" * 1000), r"unknown version '9\\n"),
    # What is no file
    "index that is a fifo": (index_as(os.mkfifo), "index.json: not a regular file"),
    "index that is a directory": (index_as(Path.mkdir), "index.json: not a regular file"),
    "index that is a link": (index_as(lambda path: path.symlink_to("moved")), "index.json: Too many levels"),
    "index that is a device": (index_as(null_device), "index.json: not a regular file"),
    "index without an end": (index_as(huge), "index.json: larger than"),
    "layout file that is a fifo": (index_as(os.mkfifo, "oci-layout"), "oci-layout: not a regular file"),
    "layer that is a fifo": (layer_as(os.mkfifo), "not a regular file"),
    "layer that is a link": (layer_as(lambda path: path.symlink_to("/etc/passwd")), "Too many levels"),
    "layer that is a device": (layer_as(null_device), "not a regular file"),
    "layer that is longer than announced": (layer_as(huge), "announced as"),
    "blobs that are elsewhere": (elsewhere("blobs"), "Not a directory"),
    "blobs of one algorithm that are elsewhere": (elsewhere("blobs/sha256"), "Not a directory"),
    # More than there may be
    "1001 layers": (
        lambda layout: layout.tag(
            layout.image(
                settings={"rootfs": {"type": "layers", "diff_ids": [sha256(LAYER)] * 1001}},
                layers=[layout.layer(LAYER)] * 1001,
            )
        ),
        "1001 layers, more than 1000",
    ),
    "zstd frames with nothing in them": (
        blob(zstd.compress(LAYER) + EMPTY_FRAME * 70_000, f"{TAR}+zstd"),
        "more than 65536 frames with nothing",
    ),
    "skippable frames without end": (
        blob(SKIPPABLE * 70_000 + zstd.compress(LAYER), f"{TAR}+zstd"),
        "more than 65536 frames with nothing",
    ),
    "gzip members with nothing in them": (
        blob(gzip.compress(b"") * 70_000 + gzip.compress(LAYER)),
        "more than 65536 frames with nothing",
    ),
    "skippable frame that is cut": (blob(SKIPPABLE[:-1], f"{TAR}+zstd"), "cut short"),
    "nothing but a skippable frame": (blob(SKIPPABLE, f"{TAR}+zstd"), "diff ID: its digest is"),
    # Documents that two readers understand in two ways
    "key twice in a manifest": (
        raw_manifest(lambda data: data[:-1] + b', "layers": []}'),
        "'layers' comes more than once",
    ),
    "key twice in a descriptor": (
        raw_manifest(lambda data: data.replace(b'"size"', b'"size": 1, "size"', 1)),
        "'size' comes more than once",
    ),
    "key twice in the index": (
        index(lambda _layout, descriptor: b'{"schemaVersion":2,"manifests":[],"manifests":[]}'),
        "'manifests' comes more than once",
    ),
    "NaN": (raw_manifest(lambda data: data[:-1] + b', "x": NaN}'), "not JSON"),
    "Infinity": (raw_manifest(lambda data: data[:-1] + b', "x": -Infinity}'), "not JSON"),
    "number of 5000 digits": (
        raw_manifest(lambda data: data[:-1] + b', "x": ' + b"1" * 5000 + b"}"),
        "not JSON",
    ),
    "huge size": (manifest(lambda sound: sound["layers"][0].update(size=1 << 80)), "announced as"),
    "size with a fraction": (
        manifest(lambda sound: sound["layers"][0].update(size=1.5)),
        "'size' is missing",
    ),
    "size in exponents": (
        raw_manifest(lambda data: data.replace(b'"size": ', b'"size": 1e', 1)),
        "'size' is missing or no int",
    ),
    "deep JSON": (raw_manifest(lambda data: data[:-1] + b', "x": ' + deep(100_000) + b"}"), "not JSON"),
    "UTF-16": (raw_manifest(lambda data: data.decode().encode("utf-16")), "not JSON"),
    "byte order mark": (raw_manifest(lambda data: b"\xef\xbb\xbf" + data), "not JSON"),
    "two documents": (raw_manifest(lambda data: data + data), "not JSON"),
    "single quotes": (raw_manifest(lambda data: data.replace(b'"', b"'")), "not JSON"),
    "null": (raw_manifest(lambda _data: b"null"), "not a JSON object"),
    "string": (raw_manifest(lambda _data: b'"manifest"'), "not a JSON object"),
    "annotations that are a list": (
        index(lambda _layout, descriptor: entries(descriptor | {"annotations": []})),
        "'annotations' is missing or no dict",
    ),
    "tag that is a number": (index(tagged(1)), "ref.name' is missing or no str"),
    "tag that is an object": (index(tagged({"a": "b"})), "ref.name' is missing or no str"),
    "platform that is a string": (
        index(
            lambda layout, descriptor: entries(
                layout.document(entries(descriptor | {"platform": "linux/amd64"}), INDEX)
            )
        ),
        "'platform' is missing or no dict",
    ),
    # One kind of document under the name of another
    "manifest named as an index": (
        index(lambda _layout, descriptor: entries(descriptor | {"mediaType": INDEX})),
        "calls itself",
    ),
    "index named as a manifest": (
        index(
            lambda layout, descriptor: entries(
                layout.document(entries(descriptor), INDEX) | {"mediaType": MANIFEST}
            )
        ),
        "'config'|a manifest|'layers'|descriptor",
    ),
    "configuration named as a manifest": (
        index(
            lambda layout, _descriptor: entries(
                layout.document({"os": "linux", "rootfs": {"type": "layers", "diff_ids": []}}, MANIFEST)
            )
        ),
        "'schemaVersion' is missing",
    ),
    "layer named as a manifest": (
        index(lambda layout, _descriptor: entries(layout.layer(LAYER) | {"mediaType": MANIFEST})),
        "not JSON",
    ),
    "index in an index in an index": (index(self_index), "indexes within indexes"),
    "index of no entries": (
        index(lambda layout, _descriptor: entries(layout.document(entries(), INDEX))),
        "nothing for",
    ),
    "Docker's list of another platform's images": (
        index(
            lambda layout, descriptor: entries(
                layout.document(
                    entries(
                        *(
                            descriptor | {"platform": {"os": "plan9", "architecture": word}}
                            for word in ("a", "b")
                        )
                    ),
                    DOCKER_LIST,
                )
            )
        ),
        "nothing for linux/",
    ),
    "manifest as its own configuration": (
        manifest(lambda sound: sound.update(config=sound["layers"][0])),
        "not JSON",
    ),
    "layer under the configuration's digest": (
        manifest(lambda sound: sound.update(layers=[sound["config"] | {"mediaType": TAR}])),
        "diff ID|cut short|header|digest|entry",
    ),
    "no layers for one diff ID": (manifest(lambda sound: sound.update(layers=[])), "1 diff IDs for 0 layers"),
    "one layer twice": (
        manifest(lambda sound: sound.update(layers=sound["layers"] * 2)),
        "1 diff IDs for 2 layers",
    ),
    "digest with a slash": (
        manifest(lambda sound: sound["layers"][0].update(digest="sha256:" + "/" * 64)),
        "not a sha256",
    ),
    "digest of dots": (
        manifest(lambda sound: sound["layers"][0].update(digest="sha256:" + "." * 64)),
        "not a sha256",
    ),
    "digest with a NUL": (
        manifest(lambda sound: sound["layers"][0].update(digest="sha256:\0" + "0" * 63)),
        "not a sha256",
    ),
    "digest in Arabic figures": (
        manifest(lambda sound: sound["layers"][0].update(digest="sha256:" + "\u0661" * 64)),
        "not a sha256",
    ),
    "layer of another's digest": (
        manifest(lambda sound: sound["layers"][0].update(digest="sha256:" + "0" * 64)),
        "is missing",
    ),
    # Compression
    "gzip that is cut": (blob(gzip.compress(LAYER)[:-9]), "cannot be decompressed: it is cut short"),
    "gzip with rubbish behind": (blob(gzip.compress(LAYER) + b"rubbish"), "cannot be decompressed"),
    "gzip with a wrong checksum": (blob(gzip.compress(LAYER)[:-8] + b"\0" * 8), "incorrect data check"),
    "gzip of gzip": (blob(gzip.compress(gzip.compress(LAYER))), "layer sha256"),
    "zstd magic and nothing": (blob(b"\x28\xb5\x2f\xfd", f"{TAR}+zstd"), "cannot be decompressed"),
    "another archive behind the first": (
        blob(gzip.compress(LAYER) + gzip.compress(LAYER)),
        "data after the end",
    ),
    "zeros behind the archive": (
        blob(gzip.compress(LAYER) + gzip.compress(bytes(1024))),
        "diff ID: its digest is",
    ),
    "empty blob": (blob(b""), "diff ID: its digest is"),
    # Layers that are harmful only together
    "hard link to a file that a layer in between removes": (
        layers(file(b"secret", b"1") + END, file(b".wh.secret") + END, hardlink(b"l", b"secret") + END),
        "hard link to 'secret', which is no file",
    ),
    "hard link to a directory beneath": (
        layers(directory(b"d") + END, hardlink(b"l", b"d") + END),
        "hard link to 'd', which is no file",
    ),
    "hard link through a symlink beneath": (
        layers(symlink(b"s", b"/etc") + END, hardlink(b"l", b"s/passwd") + END),
        "hard link to 'etc/passwd', which is no file",
    ),
    "symlink circle over two layers": (
        layers(symlink(b"a", b"b") + END, symlink(b"b", b"a") + file(b"a/x") + END),
        "too many symbolic links",
    ),
    "whiteout through a symlink circle": (
        layers(symlink(b"a", b"a") + END, file(b"a/.wh.x") + END),
        "too many symbolic links",
    ),
    "symlink to a whiteout as a parent": (
        layers(symlink(b"s", b".wh.x") + END, file(b"s/y") + END),
        "a whiteout is no directory",
    ),
}

SHOWN: dict[str, tuple[Build, set[str]]] = {
    "tag that is a path": (index(tagged("../../../etc/passwd")), {"a"}),
    "tag with a newline": (index(tagged("a\nb")), {"a"}),
    "huge annotation": (
        index(lambda _layout, descriptor: entries(descriptor | {"annotations": {"a": "x" * 1_000_000}})),
        {"a"},
    ),
    "fields of no meaning": (manifest(lambda sound: sound.update(subject={"a": 1}, artifactType="x")), {"a"}),
    "one manifest under two tags": (
        index(lambda _layout, descriptor: entries(descriptor, descriptor)),
        {"a"},
    ),
    "index in an index": (
        index(lambda layout, descriptor: entries(layout.document(entries(descriptor), INDEX))),
        {"a"},
    ),
    "gzip called plain": (blob(gzip.compress(LAYER), TAR), {"a"}),
    "plain called gzip": (blob(LAYER), {"a"}),
    "gzip of many empty members": (blob(gzip.compress(b"") * 500 + gzip.compress(LAYER)), {"a"}),
    "gzip member for every byte": (
        blob(b"".join(gzip.compress(LAYER[at : at + 1]) for at in range(len(LAYER)))),
        {"a"},
    ),
    "lower symlink out of the root, and an entry through it": (
        layers(symlink(b"s", b"../../../tmp/escape") + END, file(b"s/evil", b"1") + END),
        {"s", "tmp"},
    ),
    "symlink swapped for a directory between two layers": (
        layers(directory(b"d") + END, symlink(b"d", b"/tmp/escape") + END, file(b"d/evil", b"1") + END),
        {"d", "tmp"},
    ),
    "whiteout through a lower symlink": (
        layers(file(b"d/x") + symlink(b"s", b"/d") + END, file(b"s/.wh.x") + END),
        {"d", "s"},
    ),
    "everything removed": (
        layers(file(b"a") + file(b"d/b") + END, file(b".wh..wh..opq") + END),
        set(),
    ),
    "everything removed by name": (
        layers(file(b"a") + file(b"d/b") + END, file(b".wh.a") + file(b".wh.d") + END),
        set(),
    ),
    "removed and there again": (
        layers(file(b"a") + END, file(b".wh.a") + END, file(b"a") + END),
        {"a"},
    ),
    "file over a directory, and an entry in it": (
        layers(directory(b"d") + file(b"d/x") + END, file(b"d") + END, file(b"d/y") + END),
        {"d"},
    ),
    "layer of nothing": (layers(b"", LAYER, END), {"a"}),
    "skippable frames before, behind and between": (
        blob(
            SKIPPABLE + zstd.compress(LAYER[:700]) + SKIPPABLE * 9 + zstd.compress(LAYER[700:]) + SKIPPABLE,
            f"{TAR}+zstd",
        ),
        {"a"},
    ),
    "zstd frame for every byte": (
        blob(b"".join(zstd.compress(LAYER[at : at + 1]) for at in range(len(LAYER))), f"{TAR}+zstd"),
        {"a"},
    ),
    "one layer in two places, where it means something else each time": (
        layers(
            file(b"s/f", b"1") + END,
            file(b".wh.s") + symlink(b"s", b"d") + directory(b"d") + END,
            file(b"s/f", b"1") + END,
            file(b".wh.s") + END,
        ),
        {"d"},
    ),
    "127 layers": (
        layers(*(file(b"f%d" % number) + END for number in range(127))),
        {f"f{n}" for n in range(127)},
    ),
}
