"""A blob on its way to a registry: in one piece, and from where it broke off if it does.

OCI distribution-spec, "Pushing a blob in chunks": a session is begun, its URL changes with
each answer, and it says how much has arrived. A registry that has lost the session gets
the blob from the start.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from urllib.parse import urlencode

from unionfs.errors import DigestError, ImageError
from unionfs.images.documents import Descriptor
from unionfs.images.streams import HashedSource, chunks
from unionfs.images.transport import Blob, OpenBlob
from unionfs.images.transports.repository import ATTEMPTS, Repository
from unionfs.images.transports.web import Request, TransferError, pause

_RANGE = re.compile(r"(?:bytes=)?0-(\d{1,19})")


def upload(repository: Repository, blob: Descriptor, open_blob: OpenBlob) -> None:
    """Send a blob. `DigestError` where it is not the one announced, `ImageError` where it is not taken."""
    _Upload(repository, blob, open_blob).run()


class _LostError(Exception):
    """The registry knows nothing of the session any more."""


class _Upload:
    def __init__(self, repository: Repository, blob: Descriptor, open_blob: OpenBlob) -> None:
        self._repository = repository
        self._blob = blob
        self._open_blob = open_blob
        self._what = f"{repository.name}: blob {blob.digest}"

    def run(self) -> None:
        url, position = self._begin(), 0
        for attempt in range(ATTEMPTS):
            try:
                self._finish(self._send(url, position))
            except TransferError as failure:
                problem = ImageError(str(failure))
                pause(attempt)
                url, position = self._resume(url)
            except _LostError:
                problem = ImageError(f"{self._what}: the registry drops the upload again and again")
                url, position = self._begin(), 0
            else:
                return
        raise problem

    def _begin(self) -> str:
        """The URL of a new session."""
        answer = self._repository.ask("POST", "blobs/uploads/", {"Content-Length": "0"})
        if answer.status != 202:
            raise self._repository.refusal(answer, self._what)
        with answer:
            return self._repository.location(answer)

    def _resume(self, url: str) -> tuple[str, int]:
        """The URL to go on with, and how many bytes have arrived; a new session where this one is lost."""
        try:
            answer = self._repository.ask_once(Request("GET", url))
        except TransferError:
            return self._begin(), 0
        with answer:
            arrived = _RANGE.fullmatch(answer.headers.get("Range", ""))
            # "0-0" may be one byte or, as docker's registry says it, none.
            if answer.status != 204 or arrived is None or arrived[1] == "0":
                return self._begin(), 0
            return self._repository.location(answer), int(arrived[1]) + 1

    def _send(self, url: str, position: int) -> str:
        """Send all from `position` on; the URL to finish with."""
        if position > self._blob.size:
            raise _LostError
        length = self._blob.size - position
        with self._open_blob() as blob:
            headers = {
                "Content-Type": "application/octet-stream",
                "Content-Length": str(length),
                "Content-Range": f"{position}-{max(position, self._blob.size - 1)}",
            }
            body = self._checked(blob, position)
            answer = self._repository.ask_once(Request("PATCH", url, headers, body=body))
        if answer.status in (400, 401, 404, 416) or answer.status >= 500:
            answer.close()
            raise _LostError
        if answer.status not in (202, 204):
            raise self._repository.refusal(answer, self._what)
        with answer:
            return self._repository.location(answer)

    def _checked(self, blob: Blob, position: int) -> Iterator[bytes]:
        """The bytes from `position` on; those before are hashed too, so that nothing wrong is finished."""
        source = HashedSource(blob, self._blob.digest.algorithm)
        passed = 0
        for data in chunks(source):
            if source.size > self._blob.size:
                raise DigestError(f"{self._what}: longer than the {self._blob.size} bytes announced")
            yield data[max(0, position - passed) :]
            passed += len(data)
        source.verify(self._what, self._blob.digest, self._blob.size)

    def _finish(self, url: str) -> None:
        separator = "&" if "?" in url else "?"
        url += separator + urlencode({"digest": str(self._blob.digest)})
        answer = self._repository.ask_once(Request("PUT", url, {"Content-Length": "0"}))
        if answer.status == 404 or answer.status >= 500:
            answer.close()
            raise _LostError
        if answer.status not in (201, 204):
            raise self._repository.refusal(answer, self._what)
        answer.close()
