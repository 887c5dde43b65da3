"""The JSON documents of an image, checked field by field as they are read.

Every function raises `ImageError` naming the document and the field.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any, NamedTuple, TypeVar

from unionfs.errors import ImageError
from unionfs.images.digest import Digest, parse_digest

OCI_INDEX = "application/vnd.oci.image.index.v1+json"
OCI_MANIFEST = "application/vnd.oci.image.manifest.v1+json"
OCI_CONFIG = "application/vnd.oci.image.config.v1+json"
OCI_LAYER = "application/vnd.oci.image.layer.v1.tar"
INDEX_TYPES = frozenset({OCI_INDEX, "application/vnd.docker.distribution.manifest.list.v2+json"})
MANIFEST_TYPES = frozenset({OCI_MANIFEST, "application/vnd.docker.distribution.manifest.v2+json"})

REF_NAME = "org.opencontainers.image.ref.name"

Json = Mapping[str, Any]
_T = TypeVar("_T")


class Platform(NamedTuple):
    """GOOS, GOARCH and the variant ("" where there is none)."""

    os: str
    architecture: str
    variant: str = ""

    def __str__(self) -> str:
        return "/".join(part for part in self if part)


class Descriptor(NamedTuple):
    """What one document says about a blob (OCI image-spec, descriptor.md)."""

    media_type: str
    digest: Digest
    size: int
    tag: str | None = None
    platform: Platform | None = None

    def to_json(self) -> dict[str, Any]:
        """The three fields that say what the blob is."""
        return {"mediaType": self.media_type, "digest": str(self.digest), "size": self.size}


def parse(data: bytes, what: str) -> Json:
    try:
        # UTF-8 and nothing else (RFC 8259): json would also take UTF-16, NaN and the last of two equal keys.
        document = json.loads(data.decode(), object_pairs_hook=_unambiguous, parse_constant=_no_constant)
    except _AmbiguousError as key:
        raise ImageError(f"{what}: {key} comes more than once") from None
    except (ValueError, RecursionError):
        raise ImageError(f"{what}: not JSON") from None
    if not isinstance(document, dict):
        raise ImageError(f"{what}: not a JSON object")
    return document


class _AmbiguousError(Exception):
    """A key that an object has twice: two readers may take two values for it."""


def _unambiguous(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for key, value in pairs:
        if key in found:
            raise _AmbiguousError(repr(key[:80]))
        found[key] = value
    return found


def _no_constant(name: str) -> None:
    raise ValueError(name)


def encode(document: Json) -> bytes:
    return json.dumps(document, separators=(",", ":")).encode()


def field(document: Json, key: str, kind: type[_T], what: str, default: _T | None = None) -> _T:
    """The field `key`; null counts as missing, `default` None means that it must be there."""
    value = document.get(key)
    if value is None and default is not None:
        return default
    # bool is a subclass of int, but no size.
    if not isinstance(value, kind) or isinstance(value, bool):
        raise ImageError(f"{what}: {key!r} is missing or no {kind.__name__}")
    return value


def parse_descriptor(document: object, what: str) -> Descriptor:
    if not isinstance(document, dict):
        raise ImageError(f"{what}: a descriptor is not a JSON object")
    size = field(document, "size", int, what)
    if size < 0:
        raise ImageError(f"{what}: negative size")
    try:
        digest = parse_digest(document.get("digest"))
    except ImageError as error:
        raise ImageError(f"{what}: {error}") from None
    annotations: dict[str, Any] = field(document, "annotations", dict, what, {})
    return Descriptor(
        media_type=field(document, "mediaType", str, what),
        digest=digest,
        size=size,
        tag=field(annotations, REF_NAME, str, what, "") or None,
        platform=_platform(document, what),
    )


def _platform(document: Json, what: str) -> Platform | None:
    platform: dict[str, Any] = field(document, "platform", dict, what, {})
    if not platform:
        return None
    os, architecture = (field(platform, key, str, what) for key in ("os", "architecture"))
    return Platform(os, architecture, field(platform, "variant", str, what, ""))


def parse_index(document: Json, what: str) -> tuple[Descriptor, ...]:
    """The descriptors of an image index."""
    _check_type(document, INDEX_TYPES, {"config", "layers"}, what)
    return tuple(parse_descriptor(item, what) for item in field(document, "manifests", list, what))


def parse_manifest(document: Json, what: str) -> tuple[Descriptor, tuple[Descriptor, ...]]:
    """The descriptors of an image's configuration and of its layers, lowest first."""
    _check_type(document, MANIFEST_TYPES, {"manifests"}, what)
    layers = field(document, "layers", list, what)
    config = parse_descriptor(document.get("config"), what)
    return config, tuple(parse_descriptor(layer, what) for layer in layers)


def _check_type(document: Json, types: frozenset[str], foreign: set[str], what: str) -> None:
    """A document that can be read as a manifest and as an index is refused (CVE-2021-41190)."""
    if field(document, "schemaVersion", int, what) != 2:
        raise ImageError(f"{what}: unknown schemaVersion")
    media_type = field(document, "mediaType", str, what, "")
    if media_type and media_type not in types:
        raise ImageError(f"{what}: calls itself {media_type!r}")
    if foreign & document.keys():
        raise ImageError(f"{what}: a manifest and an index at once")


def parse_diff_ids(config: Json, what: str) -> tuple[Digest, ...]:
    """The digests of the uncompressed layers, lowest first."""
    rootfs: dict[str, Any] = field(config, "rootfs", dict, what)
    if rootfs.get("type") != "layers":
        raise ImageError(f"{what}: rootfs is not of type 'layers'")
    try:
        return tuple(parse_digest(item) for item in field(rootfs, "diff_ids", list, what))
    except ImageError as error:
        raise ImageError(f"{what}: {error}") from None
