"""The forms in which images are kept, a module each; each is loaded when it is first needed."""

from __future__ import annotations

from importlib import import_module
from typing import Any

from unionfs.errors import ImageNotFoundError
from unionfs.images.reference import Reference, Transport
from unionfs.images.transport import Destination, ImageSource, Trust

_HOMES = {
    Transport.OCI: "oci",
    Transport.OCI_ARCHIVE: "oci_archive",
    Transport.DOCKER_ARCHIVE: "docker_archive",
    Transport.DIR: "directory",
    Transport.TAR: "plain_tar",
    Transport.REGISTRY: "registry",
}


def open_source(reference: Reference, trust: Trust) -> ImageSource:
    """Where the image is read from. `ImageNotFoundError` where there is nothing of that form."""
    source: ImageSource = _home(reference).open_source(reference, trust)
    return source


def open_destination(reference: Reference, trust: Trust) -> Destination:
    """Where an image is written to. `ImageNotFoundError` for a reference that nothing can be written to."""
    if reference.digest is not None or reference.position is not None:
        raise ImageNotFoundError(f"{reference}: an image is written to a tag")
    destination: Destination = _home(reference).open_destination(reference, trust)
    return destination


def _home(reference: Reference) -> Any:
    return import_module(f"unionfs.images.transports.{_HOMES[reference.transport]}")
