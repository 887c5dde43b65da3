"""The ports to where images are kept: one to read an image from, one to write an image to.

A form of keeping images is a module of `transports` that has one or both.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager
from typing import NamedTuple, Protocol, runtime_checkable

from unionfs.images.documents import Descriptor, Form
from unionfs.images.limits import DEFAULT_LIMITS, Limits
from unionfs.images.reference import Reference
from unionfs.images.streams import Source


class Trust(NamedTuple):
    """How far those who keep an image are believed.

    Without `tls_verify` a registry is spoken to over connections that prove nothing,
    unencrypted ones among them.
    """

    limits: Limits = DEFAULT_LIMITS
    tls_verify: bool = True


class Blob(Source, Protocol):
    """The bytes of a blob, from its start."""

    @property
    def size(self) -> int: ...


class ImageSource(Protocol):
    """Where one image is read from, by any number of threads. Nothing of what it gives is verified."""

    @property
    def name(self) -> str:
        """What messages call it."""

    def root(self) -> Descriptor:
        """The manifest or the index that the reference names. `ImageNotFoundError` where there is none."""

    def open(self, descriptor: Descriptor) -> AbstractContextManager[Blob]:
        """A blob, a manifest or an index. `ImageError` where it is missing or of another size."""

    def close(self) -> None: ...


@runtime_checkable
class Remote(Protocol):
    """A source or a destination of which others have to be asked, over a network."""

    def interrupt(self) -> None:
        """Have what other threads wait for end with an `ImageError`; nothing can be asked any more."""


OpenBlob = Callable[[], AbstractContextManager[Blob]]
"""Opens a blob anew: who writes it may have to begin again."""


class WholeImage(NamedTuple):
    """All documents of an image whose blobs are there."""

    manifest: bytes
    descriptor: Descriptor
    config: bytes
    config_descriptor: Descriptor
    layers: tuple[Descriptor, ...]
    """Lowest first."""


class WholeIndex(NamedTuple):
    """An index, and the documents of all that it names; the blobs are there."""

    data: bytes
    descriptor: Descriptor
    images: tuple[WholeImage, ...]
    indexes: tuple[tuple[Descriptor, bytes], ...]
    """Those within it, each after what it names."""


class Destination(Protocol):
    """Where one image is written to. Nobody sees it before `finish` has returned.

    Raises `OSError` or `ImageError`; after `close` without `finish` there is at worst a
    blob that nothing names.
    """

    @property
    def name(self) -> str:
        """What messages call it."""

    @property
    def forms(self) -> frozenset[Form]:
        """The kinds of manifest that can be kept here."""

    @property
    def plain(self) -> bool:
        """Whether layers are kept without compression."""

    @property
    def concurrent(self) -> bool:
        """Whether several threads may `add` layers at once, in any order."""

    def has(self, layer: Descriptor, origin: Reference | None) -> bool:
        """Whether a layer's blob is there already, or can be had without its bytes from `origin`."""

    def add(self, layer: Descriptor, open_blob: OpenBlob) -> None:
        """Write a layer's blob. `DigestError` where it is not the one announced."""

    def finish(self, image: WholeImage) -> None:
        """Write the configuration and, as the last step, the manifest."""

    def close(self) -> None: ...


@runtime_checkable
class IndexDestination(Destination, Protocol):
    """A destination where an index can be kept, with all that it names."""

    def finish_index(self, index: WholeIndex) -> None:
        """As `finish`, for all images at once; the index is the last that is written."""
