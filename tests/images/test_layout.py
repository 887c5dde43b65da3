"""References and layouts: what is chosen, and every way in which an image can be wrong."""

from __future__ import annotations

import gzip
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from archive_builder import END, LayoutBuilder, content, file, sha256

from unionfs.errors import DigestError, ImageError, ImageNotFoundError
from unionfs.images.digest import Digest
from unionfs.images.image import open_image
from unionfs.images.store import memory_layers

LAYER = file(b"a", b"1") + END
INDEX = "application/vnd.oci.image.index.v1+json"
DIGEST = Digest("sha256", "0" * 64)


@pytest.fixture
def layout(tmp_path: Path) -> LayoutBuilder:
    return LayoutBuilder(tmp_path / "layout")


def read(reference: str) -> list[bytes]:
    """The content of the file ``a`` in every layer, top-most first: everything is read and verified."""
    with open_image(reference) as image:
        return [content(layer.store, b"a") for layer in memory_layers(image)]


# Choosing


def test_by_tag_digest_or_alone(layout: LayoutBuilder) -> None:
    first, second = layout.image(LAYER), layout.image(file(b"a", b"2") + END)
    layout.tag(first, "one")
    assert read(f"oci:{layout.root}") == [b"1"]
    layout.tag(second, "two")
    assert read(f"oci:{layout.root}:two") == [b"2"]
    assert read(f"oci:{layout.root}@{first['digest']}") == [b"1"]
    with pytest.raises(ImageNotFoundError, match="names several images; there is: one, two"):
        read(f"oci:{layout.root}")
    with pytest.raises(ImageNotFoundError, match="no such image; there is: one, two"):
        read(f"oci:{layout.root}:three")


def test_by_digest_whatever_the_index_names(layout: LayoutBuilder) -> None:
    """As a mount names its image, whose tag may meanwhile have gone to another one."""
    manifest = layout.image(LAYER)
    layout.tag(layout.document({"schemaVersion": 2, "manifests": [manifest]}, INDEX))
    assert read(f"oci:{layout.root}@{manifest['digest']}") == [b"1"]
    layout.write("index.json", {"schemaVersion": 2, "manifests": []})
    assert read(f"oci:{layout.root}@{manifest['digest']}") == [b"1"]
    with pytest.raises(ImageNotFoundError, match="no such image"):
        read(f"oci:{layout.root}@{DIGEST}")
    layout.blob_path(manifest["digest"]).write_bytes(b"{}")
    with pytest.raises(DigestError):
        read(f"oci:{layout.root}@{manifest['digest']}")
    with pytest.raises(ImageError, match="not JSON"):
        read(f"oci:{layout.root}@{layout.layer(LAYER)['digest']}")


def test_the_hosts_platform(layout: LayoutBuilder, monkeypatch: pytest.MonkeyPatch) -> None:
    images = {
        architecture: layout.image(file(b"a", architecture.encode()) + END)
        | {"platform": {"os": "linux", "architecture": architecture}}
        for architecture in ("amd64", "arm64")
    }
    index = layout.document({"schemaVersion": 2, "manifests": list(images.values())}, INDEX)
    layout.tag(index)

    def runs_on(machine: str) -> None:
        monkeypatch.setattr(os, "uname", lambda: os.uname_result(("Linux", "h", "6", "#1", machine)))

    for machine, architecture in (("x86_64", b"amd64"), ("aarch64", b"arm64")):
        runs_on(machine)
        assert read(f"oci:{layout.root}") == [architecture]
    runs_on("riscv64")
    with pytest.raises(
        ImageNotFoundError, match="nothing for linux/riscv64; there is: linux/amd64, linux/arm64"
    ):
        read(f"oci:{layout.root}")


def test_layers_are_top_most_first(layout: LayoutBuilder) -> None:
    layout.tag(layout.image(LAYER, file(b"a", b"2") + END))
    assert read(f"oci:{layout.root}") == [b"2", b"1"]


def test_docker_media_types(layout: LayoutBuilder) -> None:
    docker = "application/vnd.docker.distribution.manifest.v2+json"
    layer = layout.layer(LAYER) | {"mediaType": "application/vnd.docker.image.rootfs.diff.tar.gzip"}
    layout.tag(layout.image(LAYER, layers=[layer], mediaType=docker) | {"mediaType": docker})
    assert read(f"oci:{layout.root}") == [b"1"]


def test_an_archive_is_read_in_place(layout: LayoutBuilder, tmp_path: Path) -> None:
    layout.tag(layout.image(LAYER, file(b"a", b"2") + END))
    archive = layout.archive(tmp_path / "image.tar")
    assert read(f"oci-archive:{archive}:latest") == [b"2", b"1"]
    archive.write_bytes(archive.read_bytes()[:1500])
    with pytest.raises(ImageError, match=r"image\.tar: .* cut short"):
        read(f"oci-archive:{archive}:latest")


def test_an_archive_with_a_file_twice(layout: LayoutBuilder, tmp_path: Path) -> None:
    archive = tmp_path / "image.tar"
    archive.write_bytes(file(b"index.json", b"{}") + file(b"index.json", b"[]") + END)
    with pytest.raises(ImageError, match=r"'index\.json': more than once"):
        read(f"oci-archive:{archive}")


# Everything that can be wrong with a layout: how it comes about, the error, its words.

Damage = Callable[[LayoutBuilder], None]


def _tagged(**manifest: Any) -> Damage:
    return lambda layout: layout.tag(layout.image(LAYER, **manifest))


def _descriptor(**fields: Any) -> Damage:
    """The index names the manifest with some fields changed."""
    return lambda layout: layout.tag(layout.image(LAYER) | fields)


def _layer(**fields: Any) -> Damage:
    return lambda layout: layout.tag(layout.image(LAYER, layers=[layout.layer(LAYER) | fields]))


def _file(name: str, document: object) -> Damage:
    def damage(layout: LayoutBuilder) -> None:
        layout.tag(layout.image(LAYER))
        layout.write(name, document)

    return damage


def _blob(change: Callable[[Path], object], which: Callable[[LayoutBuilder], str]) -> Damage:
    def damage(layout: LayoutBuilder) -> None:
        layout.tag(layout.image(LAYER))
        change(layout.blob_path(which(layout)))

    return damage


def _manifest_digest(layout: LayoutBuilder) -> str:
    return str(layout.manifests[0]["digest"])


def _layer_digest(_layout: LayoutBuilder) -> str:
    return sha256(gzip.compress(LAYER, mtime=0))


def _flip(path: Path) -> None:
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    path.write_bytes(data)


def _replace_by(make: Callable[[Path], None]) -> Callable[[Path], None]:
    def change(path: Path) -> None:
        path.unlink()
        make(path)

    return change


def _trailing_archive(layout: LayoutBuilder) -> None:
    layout.tag(layout.image(LAYER, layers=[layout.layer(LAYER + END)]))


def _cyclic_indexes(layout: LayoutBuilder) -> None:
    descriptor = layout.image(LAYER)
    for _ in range(6):
        descriptor = layout.document({"schemaVersion": 2, "manifests": [descriptor]}, INDEX)
    layout.tag(descriptor)


def _lying_blob(layout: LayoutBuilder) -> None:
    """A layer's name on another archive of the same size: its digest is all that differs."""
    layout.tag(layout.image(LAYER))
    other = gzip.compress(file(b"a", b"2") + END, mtime=0)
    path = layout.blob_path(_layer_digest(layout))
    assert len(other) == path.stat().st_size
    path.write_bytes(other)


CONFIG = "application/vnd.oci.image.config.v1+json"
HUGE = b"[" * 100_000

DAMAGED: dict[str, tuple[Damage, type[ImageError], str]] = {
    # The layout's own files
    "no oci-layout": (
        lambda layout: (layout.root / "oci-layout").unlink(),
        ImageNotFoundError,
        "not an OCI image",
    ),
    "no index": (lambda layout: None, ImageNotFoundError, r"index\.json is missing"),
    "unknown version": (
        _file("oci-layout", {"imageLayoutVersion": "2.0"}),
        ImageError,
        "unknown version '2.0'",
    ),
    "no version": (_file("oci-layout", {}), ImageError, "unknown version None"),
    "index that is no JSON": (_file("index.json", b"{"), ImageError, r"index\.json: not JSON"),
    "index nested too deep": (_file("index.json", HUGE), ImageError, r"index\.json: not JSON"),
    "index that is no UTF-8": (_file("index.json", b'{"a":"\xff"}'), ImageError, "not JSON"),
    "index that is a list": (_file("index.json", []), ImageError, "not a JSON object"),
    "index too large": (_file("index.json", bytes(5 << 20)), ImageError, "larger than"),
    "empty index": (
        _file("index.json", {"schemaVersion": 2, "manifests": []}),
        ImageNotFoundError,
        "nothing",
    ),
    "index of version 1": (_file("index.json", {"schemaVersion": 1}), ImageError, "unknown schemaVersion"),
    "index without manifests": (
        _file("index.json", {"schemaVersion": 2}),
        ImageError,
        "'manifests' is missing",
    ),
    "manifests that are none": (
        _file("index.json", {"schemaVersion": 2, "manifests": [1]}),
        ImageError,
        "a descriptor is not a JSON object",
    ),
    "index and manifest at once": (
        _file("index.json", {"schemaVersion": 2, "manifests": [], "layers": []}),
        ImageError,
        "a manifest and an index at once",
    ),
    "indexes without end": (_cyclic_indexes, ImageError, "indexes within indexes"),
    # Descriptors
    "traversal in a digest": (_descriptor(digest="sha256:../../index.json"), ImageError, "not a sha256"),
    "absolute digest": (_descriptor(digest="/etc/passwd"), ImageError, "not a sha256"),
    "digest in capitals": (_descriptor(digest="sha256:" + "A" * 64), ImageError, "not a sha256"),
    "short digest": (_descriptor(digest="sha256:abcd"), ImageError, "not a sha256"),
    "unknown algorithm": (_descriptor(digest="md5:" + "0" * 32), ImageError, "not a sha256"),
    "newline behind a digest": (_descriptor(digest="sha256:" + "0" * 64 + "\n"), ImageError, "not a sha256"),
    "digest that is a number": (_descriptor(digest=1), ImageError, "not a sha256"),
    "wrong manifest size": (_descriptor(size=3), DigestError, "announced as 3"),
    "negative size": (_descriptor(size=-1), ImageError, "negative size"),
    "size that is a string": (_descriptor(size="3"), ImageError, "'size' is missing or no int"),
    "size that is true": (_descriptor(size=True), ImageError, "'size' is missing or no int"),
    "no media type": (_descriptor(mediaType=None), ImageError, "'mediaType' is missing"),
    "not an image": (_descriptor(mediaType="text/plain"), ImageError, "is no image: 'text/plain'"),
    # The manifest
    "missing manifest": (_blob(Path.unlink, _manifest_digest), ImageError, "blob sha256:.* is missing"),
    "flipped manifest": (_blob(_flip, _manifest_digest), DigestError, "manifest sha256:.*: its digest is"),
    "manifest of another type": (_tagged(mediaType=INDEX), ImageError, "calls itself"),
    "manifest and index at once": (_tagged(manifests=[]), ImageError, "a manifest and an index at once"),
    "manifest of version 1": (_tagged(schemaVersion=1), ImageError, "unknown schemaVersion"),
    "layers that are no list": (_tagged(layers={}), ImageError, "'layers' is missing or no list"),
    "no configuration": (_tagged(config=None), ImageError, "a descriptor is not a JSON object"),
    # The configuration
    "no rootfs": (_tagged(settings={"rootfs": None}), ImageError, "rootfs"),
    "rootfs of another type": (
        _tagged(settings={"rootfs": {"type": "x"}}),
        ImageError,
        "not of type 'layers'",
    ),
    "too few diff IDs": (
        _tagged(settings={"rootfs": {"type": "layers", "diff_ids": []}}),
        ImageError,
        "0 diff IDs for 1 layers",
    ),
    "diff ID that is none": (
        _tagged(settings={"rootfs": {"type": "layers", "diff_ids": ["sha256:.."]}}),
        ImageError,
        "configuration sha256:.*: not a sha256",
    ),
    "wrong diff ID": (
        _tagged(settings={"rootfs": {"type": "layers", "diff_ids": [str(DIGEST)]}}),
        DigestError,
        "layer sha256:.*: diff ID: its digest is",
    ),
    # Layers
    "missing layer": (_blob(Path.unlink, _layer_digest), ImageError, "blob sha256:.* is missing"),
    "flipped layer": (_blob(_flip, _layer_digest), DigestError, "layer sha256:.*: its digest is"),
    "another layer": (_lying_blob, DigestError, "diff ID: its digest is|layer sha256:.*: its digest is"),
    "empty layer": (_blob(lambda path: path.write_bytes(b""), _layer_digest), DigestError, "is 0 bytes long"),
    "wrong layer size": (_layer(size=10), DigestError, "announced as 10"),
    "unknown layer type": (_layer(mediaType="application/x-tar+encrypted"), ImageError, "unknown type"),
    "data behind the archive": (_trailing_archive, DigestError, "diff ID: its digest is"),
    "layer that is a directory": (
        _blob(_replace_by(Path.mkdir), _layer_digest),
        ImageError,
        "not a regular file",
    ),
    "layer that is a fifo": (_blob(_replace_by(os.mkfifo), _layer_digest), ImageError, "not a regular file"),
    "layer that is a symlink": (
        _blob(_replace_by(lambda path: path.symlink_to("/etc/passwd")), _layer_digest),
        ImageError,
        "symbolic links",
    ),
}


@pytest.mark.parametrize(("damage", "kind", "words"), DAMAGED.values(), ids=DAMAGED.keys())
def test_damaged(layout: LayoutBuilder, damage: Damage, kind: type[ImageError], words: str) -> None:
    damage(layout)
    with pytest.raises(kind, match=words) as caught:
        read(f"oci:{layout.root}")
    assert str(layout.root) in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    "reference", ["oci:/nowhere", "oci:/etc/passwd", "oci-archive:/nowhere", "oci-archive:/etc"]
)
def test_nothing_there(reference: str) -> None:
    with pytest.raises(ImageNotFoundError):
        read(reference)
