"""Archives and layouts for the tests, made byte by byte and sharing no code with what they test."""

from __future__ import annotations

import gzip
import hashlib
import io
import json
import os
import tarfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from unionfs.core.layer import Layer
from unionfs.core.store import Store
from unionfs.images.contents import PlainContents, TrustedBlob
from unionfs.images.digest import digest_of
from unionfs.images.indexing import build_index
from unionfs.images.limits import DEFAULT_LIMITS, Limits
from unionfs.images.stretch import Stretch
from unionfs.layers.archive import ArchiveStore, Index
from unionfs.types import Kind

END = bytes(1024)


def octal(value: int, width: int = 8) -> bytes:
    return b"%0*o\0" % (width - 1, value)


def base256(value: int, width: int = 8) -> bytes:
    return ((value & ((1 << (8 * width - 1)) - 1)) | 1 << (8 * width - 1)).to_bytes(width, "big")


def padded(data: bytes) -> bytes:
    return data + bytes(-len(data) % 512)


def header(name: bytes = b"file", kind: bytes = b"0", **fields: bytes) -> bytes:
    """One block; `fields` replace what a sound header would have."""
    values = {
        "mode": octal(0o644),
        "uid": octal(0),
        "gid": octal(0),
        "size": octal(0, 12),
        "mtime": octal(0, 12),
        "checksum": b" " * 8,
        "kind": kind,
        "link": b"",
        "magic": b"ustar\x0000",
        "uname": b"",
        "gname": b"",
        "major": octal(0),
        "minor": octal(0),
        "prefix": b"",
    } | fields
    widths = (8, 8, 8, 12, 12, 8, 1, 100, 8, 32, 32, 8, 8, 155)
    parts = [value.ljust(width, b"\0") for value, width in zip(values.values(), widths, strict=True)]
    block = (name.ljust(100, b"\0") + b"".join(parts)).ljust(512, b"\0")
    assert len(block) == 512
    if "checksum" in fields:
        return block
    return block[:148] + b"%06o\0 " % sum(block) + block[156:]


def file(name: bytes, data: bytes = b"", **fields: bytes) -> bytes:
    return header(name, **({"size": octal(len(data), 12)} | fields)) + padded(data)


def directory(name: bytes, **fields: bytes) -> bytes:
    return header(name, b"5", **({"mode": octal(0o755)} | fields))


def symlink(name: bytes, target: bytes) -> bytes:
    return header(name, b"2", link=target)


def hardlink(name: bytes, target: bytes) -> bytes:
    return header(name, b"1", link=target)


def extended(kind: bytes, data: bytes) -> bytes:
    return header(b"extended", kind, size=octal(len(data), 12)) + padded(data)


def record(key: bytes, value: bytes) -> bytes:
    rest = len(key) + len(value) + 3
    length = rest + len(str(rest))
    length = rest + len(str(length))
    return b"%d %b=%b\n" % (length, key, value)


def pax(**records: bytes) -> bytes:
    return extended(b"x", b"".join(record(key.encode(), value) for key, value in records.items()))


def pax_raw(data: bytes) -> bytes:
    return extended(b"x", data)


def python_tar(*members: tuple[tarfile.TarInfo, bytes]) -> bytes:
    """As the standard library writes it."""
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w", format=tarfile.PAX_FORMAT) as archive:
        for info, data in members:
            info.size = len(data)
            archive.addfile(info, io.BytesIO(data))
    return out.getvalue()


def listing(store: Store, path: bytes = b"") -> dict[bytes, str]:
    """What a store holds: ``d``, ``l target``, ``f content`` or the kind's name, by path."""
    found: dict[bytes, str] = {}
    for name, kind in store.scan(path):
        here = path + b"/" + name if path else name
        if kind is Kind.DIR:
            found |= {here: "d"} | listing(store, here)
        elif kind is Kind.SYMLINK:
            found[here] = f"l {store.readlink(here).decode()}"
        elif kind is Kind.FILE:
            found[here] = f"f {content(store, here).decode()}"
        else:
            found[here] = kind.name.lower()
    return found


def content(store: Store, path: bytes) -> bytes:
    opened = store.open(path)
    try:
        return opened.pread(1 << 20, 0)
    finally:
        opened.close()


def indexed(archive: bytes, below: Sequence[Layer] = (), limits: Limits = DEFAULT_LIMITS) -> ArchiveStore:
    """The archive as it is read where it is, above layers of the same sort (top-most first)."""
    index = Index(build_index(io.BytesIO(archive), "layer", below=below, limits=limits))
    fd = os.memfd_create("archive")
    try:
        os.write(fd, archive)
        blob = Stretch(fd, 0, len(archive))
    finally:
        os.close(fd)
    contents = [
        layer.store._contents[-1] for layer in reversed(below) if isinstance(layer.store, ArchiveStore)
    ]
    trusted = TrustedBlob(blob, digest_of(archive), blob.identity())
    contents.append(PlainContents(digest_of(archive), trusted))
    return ArchiveStore(index, contents, "layer", bytes.fromhex(digest_of(archive).hex)[:16])


def sha256(data: bytes) -> str:
    return "sha256:" + hashlib.sha256(data).hexdigest()


class LayoutBuilder:
    """An OCI layout in a directory: sound, unless a test puts something else into it."""

    def __init__(self, root: Path) -> None:
        self.root = root
        (root / "blobs" / "sha256").mkdir(parents=True)
        self.write("oci-layout", {"imageLayoutVersion": "1.0.0"})
        self.manifests: list[dict[str, Any]] = []

    def write(self, name: str, document: object) -> None:
        (self.root / name).write_bytes(document if isinstance(document, bytes) else _json(document))

    def blob(self, data: bytes, media_type: str) -> dict[str, Any]:
        """Write a blob; its descriptor."""
        self.blob_path(sha256(data)).write_bytes(data)
        return {"mediaType": media_type, "digest": sha256(data), "size": len(data)}

    def blob_path(self, digest: str) -> Path:
        return self.root / "blobs" / Path(*digest.split(":"))

    def document(self, document: object, media_type: str) -> dict[str, Any]:
        return self.blob(_json(document), media_type)

    def layer(self, archive: bytes) -> dict[str, Any]:
        packed = gzip.compress(archive, mtime=0)
        return self.blob(packed, "application/vnd.oci.image.layer.v1.tar+gzip")

    def image(
        self, *archives: bytes, settings: dict[str, Any] | None = None, **manifest: object
    ) -> dict[str, Any]:
        """A manifest, not in the index yet; keywords replace sound fields (`settings` of the config)."""
        layers = [self.layer(archive) for archive in archives]
        diff_ids = [sha256(archive) for archive in archives]
        sound = {"os": "linux", "architecture": "amd64", "rootfs": {"type": "layers", "diff_ids": diff_ids}}
        config_type = "application/vnd.oci.image.config.v1+json"
        fields = {
            "schemaVersion": 2,
            "mediaType": "application/vnd.oci.image.manifest.v1+json",
            "config": self.document(sound | (settings or {}), config_type),
            "layers": layers,
        } | manifest
        return self.document(fields, "application/vnd.oci.image.manifest.v1+json")

    def tag(self, descriptor: dict[str, Any], tag: str | None = "latest") -> None:
        named = {"annotations": {"org.opencontainers.image.ref.name": tag}} if tag else {}
        self.manifests.append(descriptor | named)
        self.write("index.json", {"schemaVersion": 2, "manifests": self.manifests})

    def archive(self, target: Path) -> Path:
        """The layout as a tar, the index last."""
        with tarfile.open(target, "w") as archive:
            for name in ("blobs", "oci-layout", "index.json"):
                archive.add(self.root / name, name)
        return target


def _json(document: object) -> bytes:
    return json.dumps(document).encode()
