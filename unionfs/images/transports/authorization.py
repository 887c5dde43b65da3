"""What a registry asks for before it answers: a password, or a token that another server gives for one.

HTTP's challenges (RFC 9110, "Authentication"), and docker's "Token Authentication" for tokens.
"""

from __future__ import annotations

import json
import re
import threading
from collections.abc import Iterable, Mapping
from typing import NamedTuple
from urllib.parse import urlencode

from unionfs.errors import ImageError
from unionfs.images.transports import credentials
from unionfs.images.transports.credentials import Credentials
from unionfs.images.transports.web import Request, Web, origin_of

_SCHEME = re.compile(r"\s*([A-Za-z]+)(?:\s+(.*))?", re.DOTALL)
_PARAMETER = re.compile(r'(?<![A-Za-z_])([A-Za-z_]++)\s*+=\s*+(?:"((?:[^"\\]|\\.)*+)"|([^\s,"]++))')
_CHALLENGE_LIMIT = 16 << 10
"""Bytes of a header; looking for parameters in one that is made for it takes the square of its length."""
_TOKEN_LIMIT = 1 << 20
_CLIENT = "unionfs"


class Challenge(NamedTuple):
    scheme: str
    parameters: Mapping[str, str]


def parse_challenges(headers: Iterable[str]) -> dict[str, Challenge]:
    """What the ``WWW-Authenticate`` headers ask for, by scheme in lower case."""
    found = {}
    for header in headers:
        match = _SCHEME.fullmatch(header[:_CHALLENGE_LIMIT])
        if match:
            parameters = {
                key.lower(): re.sub(r"\\(.)", r"\1", quoted) or plain
                for key, quoted, plain in _PARAMETER.findall(match[2] or "")
            }
            found[match[1].lower()] = Challenge(match[1].lower(), parameters)
    return found


class Authorization:
    """How requests to one repository are authorised: at first not at all, then as the registry asks."""

    def __init__(self, web: Web, host: str, repository: str, actions: str) -> None:
        self._web = web
        self._host = host
        self._repository = repository
        self._scopes = [f"repository:{repository}:{actions}"]
        self._value: str | None = None
        self._lock = threading.Lock()

    @property
    def header(self) -> Mapping[str, str]:
        return {} if self._value is None else {"Authorization": self._value}

    def ask_to_read(self, repository: str) -> None:
        """From now on a token is to let us read another repository too."""
        scope = f"repository:{repository}:pull"
        if scope not in self._scopes:
            self._scopes.append(scope)
            self._value = None

    def answer(self, refused: Request, headers: Iterable[str]) -> bool:
        """Whether a request that was refused with these headers is worth another try.

        Raises `ImageError` where a token cannot be had.
        """
        with self._lock:
            if self._value not in (None, refused.private.get("Authorization")):
                return True  # another thread has asked meanwhile
            return self._authorise(refused.url, parse_challenges(headers))

    def _authorise(self, registry: str, challenges: Mapping[str, Challenge]) -> bool:
        known = credentials.find(self._host, self._repository)
        if "bearer" in challenges:
            self._value = f"Bearer {self._token(registry, challenges['bearer'].parameters, known)}"
        elif "basic" in challenges and known is not None and known.basic() != self._value:
            self._value = known.basic()
        else:
            return False
        return True

    def _token(self, registry: str, parameters: Mapping[str, str], known: Credentials | None) -> str:
        realm = parameters.get("realm", "")
        origin = origin_of(realm)
        if self._web.tls_verify and origin.scheme != "https" and origin_of(registry).scheme == "https":
            raise ImageError(f"{self._host}: its tokens come from {origin}, which is not encrypted")
        with self._web.ask(self._request(realm, parameters.get("service", ""), known)) as answer:
            said = answer.read_at_most(_TOKEN_LIMIT)
        if answer.status != 200:
            raise ImageError(f"{self._host}: no token: {origin} answers {answer.status}")
        try:
            document = json.loads(said or b"")
            token = document.get("token") or document.get("access_token")
        except (ValueError, AttributeError, RecursionError):
            token = None
        if not isinstance(token, str) or not token.isascii() or not token.isprintable():
            raise ImageError(f"{self._host}: no token: {origin} answers with none")
        return token

    def _request(self, realm: str, service: str, known: Credentials | None) -> Request:
        if known is not None and known.identity_token:
            fields = {
                "grant_type": "refresh_token",
                "service": service,
                "client_id": _CLIENT,
                "scope": " ".join(self._scopes),
                "refresh_token": known.identity_token,
            }
            form = {"Content-Type": "application/x-www-form-urlencoded"}
            return Request("POST", realm, form, body=urlencode(fields).encode())
        query = [("service", service), *(("scope", scope) for scope in self._scopes)]
        if known is not None:
            query.insert(0, ("account", known.user))
        separator = "&" if "?" in realm else "?"
        private = {"Authorization": known.basic()} if known is not None else {}
        return Request("GET", realm + separator + urlencode(query), private=private)
