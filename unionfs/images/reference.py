"""Image references, as skopeo and podman write them (containers-transports(5))."""

from __future__ import annotations

import os
import re
from enum import Enum
from typing import NamedTuple

from unionfs.errors import ImageError, ImageNotFoundError
from unionfs.images.digest import Digest, parse_digest

# OCI image-spec, annotations.md, "org.opencontainers.image.ref.name".
_LAYOUT_TAG = re.compile(r"[A-Za-z0-9]+(?:(?:--|[-._:@+/])[A-Za-z0-9]+|_+[A-Za-z0-9]+)*")
_DIGEST_PART = re.compile(r"([^:]+)@(sha(?:256|512):.*)", re.DOTALL)
_POSITION = re.compile(r"@([0-9]{1,6})")

# OCI distribution-spec, "Pulling manifests"; a host as in distribution/reference, without user or scheme.
_REPOSITORY = re.compile(r"[a-z0-9]+(?:(?:[._]|__|-+)[a-z0-9]+)*(?:/[a-z0-9]+(?:(?:[._]|__|-+)[a-z0-9]+)*)*")
_REGISTRY_TAG = re.compile(r"[A-Za-z0-9_][A-Za-z0-9._-]{0,127}")
_LABEL = r"[A-Za-z0-9](?:[A-Za-z0-9-]*[A-Za-z0-9])?"
_HOST = re.compile(rf"(?:{_LABEL}(?:\.{_LABEL})*|\[[0-9a-fA-F:]+\])(?::[0-9]{{1,5}})?")
_NAME_LIMIT = 255

_DEFAULT_HOST = "docker.io"
_DEFAULT_NAMESPACE = "library"
_DEFAULT_TAG = "latest"


class Transport(Enum):
    """In which form an image is kept."""

    OCI = "oci"
    OCI_ARCHIVE = "oci-archive"
    DOCKER_ARCHIVE = "docker-archive"
    DIR = "dir"
    TAR = "tar"
    REGISTRY = "docker"


class Reference(NamedTuple):
    """Where an image is.

    `path` is a directory or a file of this host; for a registry, HOST[:PORT]/NAME in full.
    `tag` is, in a docker-archive, a name and tag in full. `position` counts the images of
    a docker-archive from 0.
    """

    transport: Transport
    path: str
    tag: str | None = None
    digest: Digest | None = None
    position: int | None = None

    def __str__(self) -> str:
        slashes = "//" if self.transport is Transport.REGISTRY else ""
        tag = f":{self.tag}" if self.tag else ""
        digest = f"@{self.digest}" if self.digest else ""
        position = "" if self.position is None else f":@{self.position}"
        return f"{self.transport.value}:{slashes}{self.path}{tag}{digest}{position}"

    def pinned(self, manifest: Digest) -> Reference:
        """One that means the same from any directory and, where the form can say so, at any time."""
        if self.transport is Transport.REGISTRY:
            return self._replace(tag=None, digest=manifest)
        absolute = self._replace(path=os.path.abspath(self.path))
        if self.transport in _BY_DIGEST:
            return absolute._replace(tag=None, digest=manifest)
        return absolute


_BY_DIGEST = {Transport.OCI, Transport.OCI_ARCHIVE}
_WORDS = {transport.value: transport for transport in Transport}


def parse_reference(text: str) -> Reference:
    """A reference in one of these forms; a path holds no colon.

    ``oci:DIR[:TAG|@DIGEST]``, ``oci-archive:FILE[:TAG|@DIGEST]``, ``docker-archive:FILE[:NAME[:TAG]|:@N]``,
    ``dir:DIR``, ``tar:FILE``, ``docker://[HOST[:PORT]/]NAME[:TAG|@DIGEST]``.

    Names of a registry's images are completed as docker does it: ``alpine`` is
    ``docker.io/library/alpine:latest``. Raises `ImageNotFoundError` for anything else.
    """
    word, colon, rest = text.partition(":")
    if not colon or word not in _WORDS:
        raise ImageNotFoundError(f"{text!r}: an image is named as {':…, '.join(_WORDS)}:…")
    transport = _WORDS[word]
    try:
        reference = _PARSERS[transport](transport, rest)
    except ValueError as rule:
        raise ImageNotFoundError(f"{text!r}: {rule}") from None
    if not reference.path or "\0" in reference.path:
        raise ImageNotFoundError(f"{text!r}: names no path")
    return reference


def is_reference(text: str) -> bool:
    """Whether `text` begins as a reference does (it may still be a bad one)."""
    return text.partition(":")[0] in _WORDS and ":" in text


def complete_name(name: str) -> tuple[str, str | None]:
    """HOST[:PORT]/NAME in full, and the tag if one is given. Raises ValueError for what is no such name."""
    repository, tag = _split_tag(name)
    host, slash, path = repository.partition("/")
    # As docker tells them apart: a first part that cannot be a host is a part of the name.
    if not slash or not ("." in host or ":" in host or host == "localhost"):
        host, path = _DEFAULT_HOST, repository
    if host == _DEFAULT_HOST and "/" not in path:
        path = f"{_DEFAULT_NAMESPACE}/{path}"
    if not _HOST.fullmatch(host) or not _REPOSITORY.fullmatch(path) or len(path) > _NAME_LIMIT:
        raise ValueError(f"{name!r} is not the name of an image")
    if tag is not None and not _REGISTRY_TAG.fullmatch(tag):
        raise ValueError(f"{tag!r} is not a tag")
    return f"{host}/{path}", tag


def _split_tag(name: str) -> tuple[str, str | None]:
    repository, colon, tag = name.rpartition(":")
    return (repository, tag) if colon and "/" not in tag else (name, None)


def _layout(transport: Transport, rest: str) -> Reference:
    by_digest = _DIGEST_PART.fullmatch(rest)
    if by_digest:
        return Reference(transport, by_digest[1], digest=_digest(by_digest[2]))
    path, colon, tag = rest.partition(":")
    if colon and not _LAYOUT_TAG.fullmatch(tag):
        raise ValueError(f"{tag!r} is not a tag")
    return Reference(transport, path, tag if colon else None)


def _docker_archive(transport: Transport, rest: str) -> Reference:
    path, colon, chosen = rest.partition(":")
    if not colon:
        return Reference(transport, path)
    position = _POSITION.fullmatch(chosen)
    if position:
        return Reference(transport, path, position=int(position[1]))
    name, tag = complete_name(chosen)
    return Reference(transport, path, f"{name}:{tag or _DEFAULT_TAG}")


def _whole_path(transport: Transport, rest: str) -> Reference:
    if ":" in rest:
        raise ValueError(f"{transport.value}: takes a path and nothing else")
    return Reference(transport, rest)


def _registry(transport: Transport, rest: str) -> Reference:
    if not rest.startswith("//"):
        raise ValueError("an image in a registry is named as docker://HOST/NAME")
    name, at, digest = rest[2:].partition("@")
    path, tag = complete_name(name)
    if at and tag:
        raise ValueError("a tag and a digest at once")
    if at:
        return Reference(transport, path, digest=_digest(digest))
    return Reference(transport, path, tag or _DEFAULT_TAG)


def _digest(text: str) -> Digest:
    try:
        return parse_digest(text)
    except ImageError as error:
        raise ValueError(error) from None


_PARSERS = {
    Transport.OCI: _layout,
    Transport.OCI_ARCHIVE: _layout,
    Transport.DOCKER_ARCHIVE: _docker_archive,
    Transport.DIR: _whole_path,
    Transport.TAR: _whole_path,
    Transport.REGISTRY: _registry,
}
