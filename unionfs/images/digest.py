"""Digests: what content is called (OCI image-spec, descriptor.md, "Digests")."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable, Iterator
from itertools import accumulate
from typing import TYPE_CHECKING, NamedTuple

from unionfs.errors import ImageError

if TYPE_CHECKING:
    from hashlib import _Hash

# The registered algorithms. The pattern also keeps a digest from being a path: it is used as a file name.
_DIGEST = re.compile(r"(sha256):([0-9a-f]{64})|(sha512):([0-9a-f]{128})")


class Digest(NamedTuple):
    """An algorithm (``sha256`` or ``sha512``) and its value in lower-case hexadecimal."""

    algorithm: str
    hex: str

    def __str__(self) -> str:
        return f"{self.algorithm}:{self.hex}"


def parse_digest(text: object) -> Digest:
    """Raises `ImageError` for anything but a well-formed digest."""
    match = _DIGEST.fullmatch(text) if isinstance(text, str) else None
    if match is None:
        raise ImageError(f"not a sha256 or sha512 digest: {str(text)[:160]!r}")
    algorithm, value = (group for group in match.groups() if group is not None)
    return Digest(algorithm, value)


def new_hash(algorithm: str) -> _Hash:
    # usedforsecurity: it is, and says so where a FIPS build asks.
    return hashlib.new(algorithm, usedforsecurity=True)


def digest_of(data: bytes, algorithm: str = "sha256") -> Digest:
    hashed = new_hash(algorithm)
    hashed.update(data)
    return Digest(algorithm, hashed.hexdigest())


def chain_ids(diff_ids: Iterable[Digest]) -> Iterator[Digest]:
    """What the stacks up to and including each layer are called, lowest first.

    OCI image-spec, config.md, "Layer ChainID".
    """
    return accumulate(diff_ids, lambda below, diff_id: digest_of(f"{below} {diff_id}".encode()))
