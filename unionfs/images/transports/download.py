"""A blob as it comes from a registry: where the transfer breaks off it goes on (RFC 9110, "Range")."""

from __future__ import annotations

import re

from unionfs.errors import DigestError, ImageError
from unionfs.images.documents import Descriptor
from unionfs.images.streams import CHUNK
from unionfs.images.transports.repository import ATTEMPTS, Repository
from unionfs.images.transports.web import Answer, TransferError, pause

_CONTENT_RANGE = re.compile(r"bytes (\d{1,19})-\d{1,19}/(?:\d{1,19}|\*)")

_PROGRESS = 1 << 20
"""Bytes after which a transfer that breaks off again has as many attempts as at first."""


class Download:
    """The bytes of one blob, never more than were announced. Close it."""

    def __init__(self, repository: Repository, blob: Descriptor) -> None:
        self._repository = repository
        self._blob = blob
        self._position = 0
        self._answer: Answer | None = None
        self._failures = 0
        self._safe_until = _PROGRESS
        self.size = blob.size
        self._what = f"{repository.name}: blob {blob.digest}"

    def read(self, size: int, /) -> bytes:
        """Raises `ImageError` where the registry does not give it, `DigestError` where it is longer."""
        if not size or self._position == self.size:
            return b""
        while True:
            try:
                data = self._read(min(size, self.size - self._position))
            except TransferError as failure:
                self._give_up_or_wait(failure)
            else:
                self._position += len(data)
                if self._position == self.size:
                    self._expect_end()
                return data

    def _read(self, size: int) -> bytes:
        if self._answer is None:
            self._answer = self._ask()
        data = self._answer.read(size)
        if not data:
            raise TransferError(f"{self._what}: breaks off after {self._position} of {self.size} bytes")
        return data

    def _ask(self) -> Answer:
        headers = {"Accept-Encoding": "identity"}
        if self._position:
            headers["Range"] = f"bytes={self._position}-"
        answer = self._repository.ask("GET", f"blobs/{self._blob.digest}", headers)
        try:
            self._check(answer)
        except BaseException:
            answer.close()
            raise
        return answer

    def _check(self, answer: Answer) -> None:
        """See that the answer begins where we are, and is as long as it must be."""
        if answer.status == 404:
            raise ImageError(f"{self._what} is missing")
        if answer.status == 206 and self._position:
            match = _CONTENT_RANGE.fullmatch(answer.headers.get("Content-Range", ""))
            if match is None or int(match[1]) != self._position:
                raise ImageError(f"{self._what}: the registry sends another part than it was asked for")
        elif answer.status == 200:
            length = answer.headers.get("Content-Length", "")
            if length.isdecimal() and int(length) != self.size:
                raise DigestError(f"{self._what} is {length} bytes long, announced as {self.size}")
            self._pass_over(answer, self._position)
        else:
            raise self._repository.refusal(answer, self._what)

    def _pass_over(self, answer: Answer, size: int) -> None:
        """A registry that knows no ranges sends everything again."""
        while size:
            data = answer.read(min(size, CHUNK))
            if not data:
                raise TransferError(f"{self._what}: breaks off again")
            size -= len(data)

    def _expect_end(self) -> None:
        """Raise where there is more: it is not read, however long it is."""
        assert self._answer is not None
        try:
            more = self._answer.read(1)
        except TransferError:
            more = b""  # all that was announced is there
        if more:
            raise DigestError(f"{self._what}: longer than the {self.size} bytes announced")

    def _give_up_or_wait(self, failure: TransferError) -> None:
        self._drop()
        if self._position >= self._safe_until:
            self._failures = 0
            self._safe_until = self._position + _PROGRESS
        self._failures += 1
        if self._failures == ATTEMPTS:
            raise ImageError(str(failure))
        pause(self._failures - 1)

    def _drop(self) -> None:
        if self._answer is not None:
            self._answer.close()
            self._answer = None

    def __enter__(self) -> Download:
        return self

    def __exit__(self, *_: object) -> None:
        self._drop()
