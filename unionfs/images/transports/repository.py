"""One repository of a registry: requests that are authorised, and tried again where that helps.

OCI distribution-spec. Nothing here knows of images.
"""

from __future__ import annotations

import http.client
import json
import re
from collections.abc import Mapping
from types import MappingProxyType

from unionfs.errors import ImageError
from unionfs.images.transports.authorization import Authorization
from unionfs.images.transports.web import Answer, Request, TransferError, Web, absolute, origin_of, pause

ATTEMPTS = 5

# Where docker.io's images are.
_HOSTS = {"docker.io": "registry-1.docker.io"}

_AGAIN = frozenset({408, 429, 500, 502, 503, 504})
_ERRORS_LIMIT = 64 << 10
_NOTHING: Mapping[str, str] = MappingProxyType({})
_CONTROL = re.compile(r"[^\x20-\x7e]+")


class Repository:
    """`name` is HOST[:PORT]/NAME. `actions` is what it is wanted for: ``pull`` or ``pull,push``."""

    def __init__(self, name: str, actions: str, *, tls_verify: bool) -> None:
        self.name = f"docker://{name}"
        self.host, _, self.path = name.partition("/")
        self._web = Web(tls_verify=tls_verify)
        self.authorization = Authorization(self._web, self.host, self.path, actions)
        self._schemes = ["https"] if tls_verify else ["https", "http"]

    def url(self, path: str) -> str:
        """That of something in the repository."""
        return f"{self._base()}/v2/{self.path}/{path}"

    def _base(self) -> str:
        return f"{self._schemes[0]}://{_HOSTS.get(self.host, self.host)}"

    def ask(
        self, method: str, path: str, headers: Mapping[str, str] = _NOTHING, body: bytes | None = None
    ) -> Answer:
        """The answer to a request that may be repeated. `ImageError` where none can be had."""
        for attempt in range(ATTEMPTS):
            try:
                answer = self.ask_once(Request(method, self.url(path), headers, body=body))
            except TransferError as failure:
                if self._try_unencrypted(failure):
                    return self.ask(method, path, headers, body)
                problem = ImageError(str(failure))
            else:
                if answer.status not in _AGAIN:
                    return answer
                problem = self.refusal(answer)
            if attempt + 1 < ATTEMPTS:
                pause(attempt)
        raise problem

    def ask_once(self, request: Request) -> Answer:
        """The answer to a request to the registry, which is sent again only if it was not authorised."""
        authorised = self._authorised(request)
        answer = self._web.ask(authorised)
        del self._schemes[1:]  # it has answered to the first
        if answer.status == 401 and not isinstance(request.body, (type(None), bytes)):
            return answer  # its body is gone
        if answer.status == 401 and self._is_authorised_now(authorised, answer):
            answer.close()
            answer = self._web.ask(self._authorised(request))
        return answer

    def _is_authorised_now(self, request: Request, answer: Answer) -> bool:
        try:
            challenges = answer.headers.get_all("WWW-Authenticate", [])
            return self.authorization.answer(request, challenges)
        except BaseException:
            answer.close()
            raise

    def location(self, answer: Answer) -> str:
        """Where an answer sends us on to. `ImageError` where it does not."""
        location = answer.headers.get("Location")
        if not location:
            raise ImageError(f"{self.name}: the registry does not say where to upload to")
        return absolute(answer.url, location)

    def read(self, answer: Answer, limit: int) -> bytes:
        """The body of an answer; `ImageError` where it is longer than `limit` bytes, or breaks off."""
        try:
            data = answer.read_at_most(limit)
        except TransferError as failure:
            raise ImageError(str(failure)) from None
        if data is None:
            raise ImageError(f"{self.name}: larger than {limit} bytes: {answer.url}")
        length = answer.headers.get("Content-Length", "")
        if length.isdecimal() and int(length) != len(data):
            raise ImageError(f"{self.name}: breaks off: {answer.url}")
        return data

    def abandon(self, answer: Answer) -> None:
        """End an upload that an answer has begun; the registry would end it some day by itself."""
        try:
            self.ask_once(Request("DELETE", self.location(answer))).close()
        except (TransferError, ImageError):
            pass

    def refusal(self, answer: Answer, what: str | None = None) -> ImageError:
        """What an answer that is no success says, when `what` was asked for; it is closed."""
        with answer:
            try:
                said = _said(answer.read_at_most(_ERRORS_LIMIT) or b"")
            except TransferError:
                said = ""
        said = said or http.client.responses.get(answer.status, "")
        return ImageError(f"{what or self.name}: the registry answers {answer.status}: {said}")

    def interrupt(self) -> None:
        """End what other threads are asking; nothing can be asked any more."""
        self._web.interrupt()

    def close(self) -> None:
        self._web.close()

    def _authorised(self, request: Request) -> Request:
        """With what only the registry itself may see."""
        if origin_of(request.url) != origin_of(self._base()):
            return request
        return request._replace(private=self.authorization.header)

    def _try_unencrypted(self, failure: TransferError) -> bool:
        """Whether a registry that does not speak TLS is to be asked without it."""
        if len(self._schemes) < 2 or not isinstance(failure.__cause__, OSError):
            return False
        if isinstance(failure.__cause__, ConnectionRefusedError):
            return False
        self._schemes.pop(0)
        return True


def _said(body: bytes) -> str:
    """The first error of a body (distribution-spec, "Error Codes"), on one line."""
    try:
        first = json.loads(body)["errors"][0]
        text = f"{first.get('code')}: {first.get('message')}"
    except (ValueError, LookupError, TypeError, AttributeError, RecursionError):
        return ""
    return _CONTROL.sub(" ", text)[:200]
