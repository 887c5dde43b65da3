"""Image references, as skopeo and podman write them (containers-transports(5))."""

from __future__ import annotations

import re
from enum import Enum
from typing import NamedTuple

from unionfs.errors import ImageError, ImageNotFoundError
from unionfs.images.digest import Digest, parse_digest

_DIGEST_PART = re.compile(r"([^:]+)@(sha(?:256|512):.*)", re.DOTALL)
# OCI image-spec, annotations.md, "org.opencontainers.image.ref.name".
_TAG = re.compile(r"[A-Za-z0-9]+(?:(?:--|[-._:@+/])[A-Za-z0-9]+|_+[A-Za-z0-9]+)*")


class Transport(Enum):
    """In which form an image is kept."""

    OCI = "oci"
    OCI_ARCHIVE = "oci-archive"


class Reference(NamedTuple):
    """Where an image is: `path` is a directory or a file of this host."""

    transport: Transport
    path: str
    tag: str | None = None
    digest: Digest | None = None

    def __str__(self) -> str:
        tag = f":{self.tag}" if self.tag else ""
        digest = f"@{self.digest}" if self.digest else ""
        return f"{self.transport.value}:{self.path}{tag}{digest}"


def parse_reference(text: str) -> Reference:
    """``oci:DIR[:TAG|@DIGEST]`` or ``oci-archive:FILE[:TAG|@DIGEST]``; the path holds no colon.

    Raises `ImageNotFoundError` for anything else.
    """
    word, colon, rest = text.partition(":")
    known = {transport.value: transport for transport in Transport}
    if not colon or word not in known:
        raise ImageNotFoundError(f"{text!r}: an image is named as {':…, '.join(known)}:…")
    path, tag, digest = _split(text, rest)
    if not path or "\0" in path:
        raise ImageNotFoundError(f"{text!r}: names no path")
    if tag is not None and not _TAG.fullmatch(tag):
        raise ImageNotFoundError(f"{text!r}: {tag!r} is not a tag")
    return Reference(known[word], path, tag, digest)


def _split(text: str, rest: str) -> tuple[str, str | None, Digest | None]:
    path, colon, tag = rest.partition(":")
    by_digest = _DIGEST_PART.fullmatch(rest)
    if by_digest:
        try:
            return by_digest[1], None, parse_digest(by_digest[2])
        except ImageError as error:
            raise ImageNotFoundError(f"{text!r}: {error}") from None
    return path, tag if colon else None, None


def is_reference(text: str) -> bool:
    """Whether `text` begins as a reference does (it may still be a bad one)."""
    return text.partition(":")[0] in {transport.value for transport in Transport} and ":" in text
