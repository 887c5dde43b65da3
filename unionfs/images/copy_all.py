"""An index with the images of all platforms, from one form into another, byte for byte."""

from __future__ import annotations

from contextlib import closing

from unionfs.errors import ImageError
from unionfs.images import documents, transports
from unionfs.images.assembly import Output
from unionfs.images.convert import convert
from unionfs.images.copies import Copies
from unionfs.images.digest import Digest
from unionfs.images.documents import Descriptor, Platform
from unionfs.images.image import (
    INDEX_DEPTH,
    Manifest,
    image_from,
    image_of,
    named,
    read_blob,
    read_manifest,
)
from unionfs.images.limits import DEFAULT_LIMITS, Limits
from unionfs.images.progress import Progress, silent
from unionfs.images.reference import Reference, parse_reference
from unionfs.images.transport import (
    Destination,
    ImageSource,
    IndexDestination,
    Trust,
    WholeImage,
    WholeIndex,
)

_NO_MACHINE = Platform("unknown", "unknown")
"""What attestations in an index are said to be for (BuildKit, "Image Attestation Storage")."""


def convert_all(
    reference: str,
    destination: str,
    limits: Limits = DEFAULT_LIMITS,
    *,
    tls_verify: bool = True,
    progress: Progress = silent,
) -> Descriptor:
    """Write all that `reference` names to `destination`: an index with every image and whatever else it has.

    Every byte stays the same, and so do all digests. What is no index is one image, as for
    `convert`. Raises `ImageError` for whatever is wrong with any of them, and for a destination
    that cannot keep an index of this form; `OSError` where it cannot be written. It then has
    the images that it had.
    """
    parsed = parse_reference(reference)
    with closing(transports.open_source(parsed, Trust(limits, tls_verify))) as source:
        root = source.root()
        if root.media_type in documents.INDEX_TYPES:
            gathered = _Gathered(parsed, source, limits)
            index = gathered.add_index(root, INDEX_DEPTH - 1)
            with closing(_destination(destination, tls_verify)) as target:
                return _copy(gathered, root, index, target, progress)
        image = image_of(parsed, source, limits, root)
        return convert(image, destination, output=Output(tls_verify=tls_verify), progress=progress)


def _destination(destination: str, tls_verify: bool) -> Destination:
    return transports.open_destination(parse_reference(destination), Trust(tls_verify=tls_verify))


class _Gathered:
    """All that an index names, its documents verified."""

    def __init__(self, reference: Reference, source: ImageSource, limits: Limits) -> None:
        self.reference = reference
        self.source = source
        self._limits = limits
        self._seen: set[tuple[str, Digest, int]] = set()
        self.manifests: list[Manifest] = []
        self.indexes: list[tuple[Descriptor, bytes]] = []

    def add_index(self, index: Descriptor, depth: int) -> bytes:
        """Gather what an index names, nothing twice; the index itself."""
        what = named(self.source, "index", index)
        data = read_blob(self.source, index, self._limits, what)
        for member in documents.parse_index(documents.parse(data, what), what):
            announced = member.media_type, member.digest, member.size
            if announced not in self._seen:
                self._seen.add(announced)
                self._add(member, depth - 1)
        return data

    def _add(self, member: Descriptor, depth: int) -> None:
        if member.media_type in documents.MANIFEST_TYPES:
            self.manifests.append(self._manifest(member))
        elif member.media_type not in documents.INDEX_TYPES:
            raise ImageError(f"{self.source.name}: {member.digest} is no image: {member.media_type!r}")
        elif not depth:
            raise ImageError(f"{self.source.name}: indexes within indexes")
        else:
            self.indexes.append((member, self.add_index(member, depth)))

    def _manifest(self, member: Descriptor) -> Manifest:
        """What is an image has to be a sound one; what says that it is something else, to be whole."""
        manifest = read_manifest(self.source, self._limits, member)
        if member.platform != _NO_MACHINE and documents.is_config(manifest.config_descriptor.media_type):
            image_from(self.reference, self.source, self._limits, manifest)
        return manifest


def _copy(
    gathered: _Gathered, root: Descriptor, index: bytes, target: Destination, progress: Progress
) -> Descriptor:
    if not isinstance(target, IndexDestination):
        raise ImageError(f"{target.name}: cannot keep an index; without --all it gets one image")
    described = [
        root,
        *(each.descriptor for each in gathered.manifests),
        *(each for each, _ in gathered.indexes),
    ]
    for form in {documents.form_of(each.media_type) for each in described} - target.forms:
        raise ImageError(f"{target.name}: cannot keep an index of the form {form.value!r} as it is")
    with Copies(target, progress) as copies:
        for manifest in gathered.manifests:
            for layer in manifest.layers:
                copies.add(gathered.source, gathered.reference, layer, layer)
        copies.finish()
    images = tuple(_whole(manifest) for manifest in gathered.manifests)
    target.finish_index(WholeIndex(index, root, images, tuple(gathered.indexes)))
    return root


def _whole(manifest: Manifest) -> WholeImage:
    return WholeImage(
        manifest.data, manifest.descriptor, manifest.config_data, manifest.config_descriptor, manifest.layers
    )
