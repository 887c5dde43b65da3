"""The JSON documents of an image, checked field by field as they are read.

Every function raises `ImageError` naming the document and the field.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from enum import Enum
from types import MappingProxyType
from typing import Any, NamedTuple, TypeVar

from unionfs.errors import ImageError
from unionfs.images.compression import Compression
from unionfs.images.digest import Digest, parse_digest

OCI_INDEX = "application/vnd.oci.image.index.v1+json"
OCI_MANIFEST = "application/vnd.oci.image.manifest.v1+json"
OCI_CONFIG = "application/vnd.oci.image.config.v1+json"
OCI_LAYER = "application/vnd.oci.image.layer.v1.tar"
DOCKER_INDEX = "application/vnd.docker.distribution.manifest.list.v2+json"
DOCKER_MANIFEST = "application/vnd.docker.distribution.manifest.v2+json"
DOCKER_CONFIG = "application/vnd.docker.container.image.v1+json"
DOCKER_LAYER = "application/vnd.docker.image.rootfs.diff.tar"
INDEX_TYPES = frozenset({OCI_INDEX, DOCKER_INDEX})
MANIFEST_TYPES = frozenset({OCI_MANIFEST, DOCKER_MANIFEST})

_LISTED_MAX, _SHOWN_MAX = 20, 200

REF_NAME = "org.opencontainers.image.ref.name"


class Form(Enum):
    """Whose media types a manifest and what it names have."""

    OCI = "oci"
    DOCKER = "docker"


_MANIFESTS = {Form.OCI: OCI_MANIFEST, Form.DOCKER: DOCKER_MANIFEST}
_CONFIGS = {Form.OCI: OCI_CONFIG, Form.DOCKER: DOCKER_CONFIG}
_LAYERS = {
    Form.OCI: {Compression.NONE: "", Compression.GZIP: "+gzip", Compression.ZSTD: "+zstd"},
    Form.DOCKER: {Compression.NONE: "", Compression.GZIP: ".gzip", Compression.ZSTD: ".zstd"},
}
_LAYER = {Form.OCI: OCI_LAYER, Form.DOCKER: DOCKER_LAYER}
_LAYER_TYPES = {
    _LAYER[form] + suffix: packed for form in Form for packed, suffix in _LAYERS[form].items()
} | {
    "application/vnd.oci.image.layer.nondistributable.v1.tar" + suffix: packed
    for packed, suffix in _LAYERS[Form.OCI].items()
}
_LAYER_TYPES["application/vnd.docker.image.rootfs.foreign.diff.tar.gzip"] = Compression.GZIP

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
    annotations: Mapping[str, str] = MappingProxyType({})

    def to_json(self) -> dict[str, Any]:
        """What the blob is, and what is noted beside it."""
        fields = {"mediaType": self.media_type, "digest": str(self.digest), "size": self.size}
        return fields | ({"annotations": dict(self.annotations)} if self.annotations else {})


def parse_any(data: bytes, what: str) -> object:
    """JSON as everybody reads it: not UTF-16, no NaN and no key twice, all of which `json` would take."""
    try:
        # UTF-8 and nothing else (RFC 8259).
        return json.loads(data.decode(), object_pairs_hook=_unambiguous, parse_constant=_no_constant)
    except _AmbiguousError as key:
        raise ImageError(f"{what}: {key} comes more than once") from None
    except (ValueError, RecursionError):
        raise ImageError(f"{what}: not JSON") from None


def parse(data: bytes, what: str) -> Json:
    """As `parse_any`, where it must be an object."""
    document = parse_any(data, what)
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


def listed(names: Sequence[str]) -> str:
    """What there is to choose from, for a message: not more of it than anybody would read."""
    more = len(names) - _LISTED_MAX
    shown = ", ".join(name[:_SHOWN_MAX] for name in names[:_LISTED_MAX]) or "nothing"
    return f"{shown} and {more} more" if more > 0 else shown


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
    for key in annotations:
        field(annotations, key, str, what)
    return Descriptor(
        media_type=field(document, "mediaType", str, what),
        digest=digest,
        size=size,
        tag=field(annotations, REF_NAME, str, what, "") or None,
        platform=_platform(document, what),
        annotations=annotations,
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


def media_type_of(document: Json, what: str) -> str:
    """What a manifest or an index calls itself, or looks like."""
    default = OCI_INDEX if "manifests" in document else OCI_MANIFEST
    return field(document, "mediaType", str, what, default)


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


def layer_compression(media_type: str) -> Compression | None:
    """How a layer of this type is compressed; None for what is no layer's type."""
    return _LAYER_TYPES.get(media_type)


def layer_type(form: Form, compression: Compression) -> str:
    return _LAYER[form] + _LAYERS[form][compression]


def config_type(form: Form) -> str:
    return _CONFIGS[form]


def manifest_type(form: Form) -> str:
    return _MANIFESTS[form]


def is_config(media_type: str) -> bool:
    """Whether it is that of an image's configuration, not of something else that is kept as images are."""
    return media_type in _CONFIGS.values()


def form_of(media_type: str) -> Form:
    """The form of a manifest or an index of this media type."""
    return Form.DOCKER if media_type in (DOCKER_MANIFEST, DOCKER_INDEX) else Form.OCI


def in_form(layer: Descriptor, form: Form) -> Descriptor:
    """A layer's descriptor with the media type that its manifest's form has for it."""
    compression = layer_compression(layer.media_type)
    assert compression is not None
    return layer._replace(media_type=layer_type(form, compression))


def encode_manifest(
    form: Form, config: Descriptor, layers: Iterable[Descriptor], annotations: Mapping[str, str]
) -> bytes:
    noted = {"annotations": dict(annotations)} if annotations and form is Form.OCI else {}
    document = {
        "schemaVersion": 2,
        "mediaType": manifest_type(form),
        "config": config.to_json(),
        "layers": [layer.to_json() for layer in layers],
    }
    return encode(document | noted)
