"""``docker://HOST/NAME``: an image in a registry, read and written (OCI distribution-spec)."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from unionfs.errors import DigestError, ImageNotFoundError
from unionfs.images import documents
from unionfs.images.blobs import MadeDocuments, MadeFile
from unionfs.images.digest import digest_of, parse_digest
from unionfs.images.documents import Descriptor, Form
from unionfs.images.reference import Reference, Transport
from unionfs.images.transport import Blob, OpenBlob, Trust, WholeImage, WholeIndex
from unionfs.images.transports.download import Download
from unionfs.images.transports.repository import Repository
from unionfs.images.transports.upload import upload
from unionfs.images.transports.web import Answer

_ACCEPTED = sorted(documents.MANIFEST_TYPES | documents.INDEX_TYPES)


def open_source(reference: Reference, trust: Trust) -> RegistrySource:
    return RegistrySource(reference, trust)


def open_destination(reference: Reference, trust: Trust) -> RegistryDestination:
    return RegistryDestination(reference, trust)


class RegistrySource:
    """Manifests are read when they are asked for, blobs as they are used."""

    def __init__(self, reference: Reference, trust: Trust) -> None:
        self._reference = reference
        self._limits = trust.limits
        self._repository = Repository(reference.path, "pull", tls_verify=trust.tls_verify)
        self._documents = MadeDocuments()
        self.name = self._repository.name

    def root(self) -> Descriptor:
        digest = self._reference.digest
        chosen = str(digest) if digest else self._reference.tag or ""
        data, answer = self._manifest(chosen)
        what = f"{self.name}: manifest {chosen}"
        named = answer.headers.get("Docker-Content-Digest")
        announced = digest or (parse_digest(named) if named else None)
        found = digest_of(data, announced.algorithm) if announced else digest_of(data)
        if announced not in (None, found):
            raise DigestError(f"{what}: its digest is {found}, announced as {announced}")
        media_type = answer.headers.get_content_type()
        if media_type not in _ACCEPTED:  # an old registry may say no more than that it is JSON
            media_type = documents.media_type_of(documents.parse(data, what), what)
        return self._documents.keep(media_type, data, found)

    @contextmanager
    def open(self, descriptor: Descriptor) -> Iterator[Blob]:
        kept = self._documents.find(descriptor.digest)
        if kept is not None:
            yield kept
        elif descriptor.media_type in _ACCEPTED:
            yield MadeFile(self._manifest(str(descriptor.digest))[0])
        else:
            with Download(self._repository, descriptor) as blob:
                yield blob

    def interrupt(self) -> None:
        self._repository.interrupt()

    def close(self) -> None:
        self._repository.close()

    def _manifest(self, name: str) -> tuple[bytes, Answer]:
        """A manifest or an index, by tag or digest."""
        answer = self._repository.ask("GET", f"manifests/{name}", {"Accept": ", ".join(_ACCEPTED)})
        if answer.status == 404:
            answer.close()
            raise ImageNotFoundError(f"{self._reference}: no such image")
        if answer.status != 200:
            raise self._repository.refusal(answer)
        with answer:
            data = self._repository.read(answer, self._limits.document)
        return data, answer


class RegistryDestination:
    """A tag of a repository. Blobs that the registry has elsewhere are not sent again."""

    forms = frozenset(Form)
    plain = False
    concurrent = True

    def __init__(self, reference: Reference, trust: Trust) -> None:
        self._tag = reference.tag
        self._repository = Repository(reference.path, "pull,push", tls_verify=trust.tls_verify)
        self.name = self._repository.name

    def has(self, layer: Descriptor, origin: Reference | None) -> bool:
        return self._is_here(layer) or (origin is not None and self._mount(layer, origin))

    def add(self, layer: Descriptor, open_blob: OpenBlob) -> None:
        upload(self._repository, layer, open_blob)

    def finish(self, image: WholeImage) -> None:
        self._send_config(image)
        self._put(f"{self._tag}", image.descriptor, image.manifest)

    def finish_index(self, index: WholeIndex) -> None:
        for image in index.images:
            self._send_config(image)
            self._put(f"{image.descriptor.digest}", image.descriptor, image.manifest)
        for descriptor, data in index.indexes:
            self._put(f"{descriptor.digest}", descriptor, data)
        self._put(f"{self._tag}", index.descriptor, index.data)

    def _send_config(self, image: WholeImage) -> None:
        if not self._is_here(image.config_descriptor):
            upload(self._repository, image.config_descriptor, lambda: _document(image.config))

    def _put(self, name: str, descriptor: Descriptor, data: bytes) -> None:
        """A manifest or an index, under a tag or its digest."""
        headers = {"Content-Type": descriptor.media_type}
        answer = self._repository.ask("PUT", f"manifests/{name}", headers, data)
        if answer.status not in (200, 201):
            raise self._repository.refusal(answer, f"{self.name}: manifest {name}")
        with answer:
            taken = answer.headers.get("Docker-Content-Digest")
        if taken is not None and taken != str(descriptor.digest):
            raise DigestError(f"{self.name}: sent {descriptor.digest}, the registry has {taken}")

    def interrupt(self) -> None:
        self._repository.interrupt()

    def close(self) -> None:
        self._repository.close()

    def _is_here(self, blob: Descriptor) -> bool:
        with self._repository.ask("HEAD", f"blobs/{blob.digest}") as answer:
            if answer.status not in (200, 404):
                raise self._repository.refusal(answer)
            return answer.status == 200

    def _mount(self, layer: Descriptor, origin: Reference) -> bool:
        """Whether the registry takes the layer over from another of its repositories."""
        host, _, path = origin.path.partition("/")
        if origin.transport is not Transport.REGISTRY or host != self._repository.host:
            return False
        self._repository.authorization.ask_to_read(path)
        query = f"mount={layer.digest}&from={path}"
        with self._repository.ask("POST", f"blobs/uploads/?{query}", {"Content-Length": "0"}) as answer:
            if answer.status == 202:  # it begins an upload instead: not to be left behind
                self._repository.abandon(answer)
            return answer.status == 201


@contextmanager
def _document(data: bytes) -> Iterator[Blob]:
    yield MadeFile(data)
