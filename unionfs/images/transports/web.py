"""HTTP as registries need it: one request and its answer, over connections that are kept.

Of the standard library, as a registry's protocol is a dozen requests, and what matters
most here (going on where a transfer broke off, who may see a password) no library decides
for us. Whoever calls decides what is tried again.
"""

from __future__ import annotations

import http.client
import socket
import ssl
import threading
import time
from collections.abc import Iterable, Mapping
from contextlib import suppress
from types import MappingProxyType
from typing import NamedTuple
from urllib.parse import urljoin, urlsplit

from unionfs.errors import ImageError

TIMEOUT = 60.0
"""Seconds that the other side may be silent."""

_PORTS = {"http": 80, "https": 443}
_REDIRECTS = frozenset({301, 302, 303, 307, 308})
_REDIRECTS_MAX = 5
_NOTHING: Mapping[str, str] = MappingProxyType({})


class TransferError(Exception):
    """A connection that could not be made, or broke; the text is one line."""


class Origin(NamedTuple):
    """Who is spoken to, and how."""

    scheme: str
    host: str
    port: int

    def __str__(self) -> str:
        return f"{self.scheme}://{self.host}:{self.port}"


class Request(NamedTuple):
    """`headers` are for the origin that is asked, not for where it sends us on to."""

    method: str
    url: str
    headers: Mapping[str, str] = _NOTHING
    private: Mapping[str, str] = _NOTHING
    """As `headers`, but for the one origin alone: another to which a redirect leads does not get them."""
    body: bytes | Iterable[bytes] | None = None


def origin_of(url: str) -> Origin:
    """Raises `ImageError` for what is no URL of the web."""
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError:
        raise ImageError(f"{url!r}: not a URL") from None
    if parts.scheme not in _PORTS or not parts.hostname or parts.username is not None:
        raise ImageError(f"{url!r}: not a URL of the web")
    return Origin(parts.scheme, parts.hostname, port or _PORTS[parts.scheme])


def absolute(base: str, location: str) -> str:
    """Where a ``Location`` header leads. Raises `ImageError` for what is no URL."""
    try:
        return urljoin(base, location)
    except ValueError:
        raise ImageError(f"{origin_of(base)}: sends us to {location!r}: not a URL") from None


class Answer:
    """An answer whose body can be read. Close it."""

    def __init__(self, web: Web, url: str, connection: http.client.HTTPConnection) -> None:
        self.url = url
        self._web = web
        self._connection: http.client.HTTPConnection | None = connection
        self._response = connection.getresponse()
        self.status = self._response.status
        self.headers = self._response.headers

    def read(self, size: int) -> bytes:
        """At most `size` bytes, b"" at the end or where the other side says no more. `TransferError`."""
        try:
            return self._response.read(size)
        except (http.client.HTTPException, OSError) as failure:
            raise _transfer_error(self.url, failure) from None

    def read_at_most(self, limit: int) -> bytes | None:
        """All of the body; None where it is longer than `limit` bytes."""
        parts = []
        left = limit + 1
        while left and (data := self.read(left)):
            parts.append(data)
            left -= len(data)
        return b"".join(parts) if left else None

    def close(self) -> None:
        """A connection whose answer was read to its end can be used again."""
        if self._connection is None:
            return
        whole = self._response.isclosed()
        self._response.close()
        self._web.give_back(origin_of(self.url), self._connection, whole=whole)
        self._connection = None

    def __enter__(self) -> Answer:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


class Web:
    """The connections of one image's transfers, of which each thread has its own."""

    def __init__(self, *, tls_verify: bool) -> None:
        self.tls_verify = tls_verify
        self._idle: dict[Origin, list[http.client.HTTPConnection]] = {}
        self._in_use: dict[http.client.HTTPConnection, socket.socket] = {}
        self._lock = threading.Lock()
        self._interrupted = False

    def ask(self, request: Request) -> Answer:
        """Send a request, and follow where GET and HEAD are sent on to. `TransferError`, `ImageError`."""
        asked = origin_of(request.url)
        for _ in range(_REDIRECTS_MAX + 1):
            answer = self._ask_once(request)
            target = answer.headers.get("Location")
            if request.method not in ("GET", "HEAD") or answer.status not in _REDIRECTS or not target:
                return answer
            answer.read_at_most(1 << 16)
            answer.close()
            url = absolute(request.url, target)
            self._check_redirect(request.url, url)
            private = request.private if origin_of(url) == asked else _NOTHING
            request = request._replace(url=url, private=private)
        raise ImageError(f"{asked}: more than {_REDIRECTS_MAX} redirects")

    def give_back(self, origin: Origin, connection: http.client.HTTPConnection, *, whole: bool) -> None:
        with self._lock:
            self._in_use.pop(connection, None)
            if whole and connection.sock is not None:
                self._idle.setdefault(origin, []).append(connection)
                return
        connection.close()

    def interrupt(self) -> None:
        """Have whatever others are asking or reading end with an error; nothing can be asked any more."""
        with self._lock:
            self._interrupted = True
            for connected in self._in_use.values():
                with suppress(OSError):
                    # Not that of TLS, which would take its state away from a thread that is reading.
                    socket.socket.shutdown(connected, socket.SHUT_RDWR)

    def close(self) -> None:
        with self._lock:
            for connections in self._idle.values():
                for connection in connections:
                    connection.close()
            self._idle.clear()

    def _check_redirect(self, source: str, target: str) -> None:
        if self.tls_verify and origin_of(source).scheme == "https" and origin_of(target).scheme != "https":
            raise ImageError(f"{origin_of(source)}: sends us to {origin_of(target)}, which is not encrypted")

    def _ask_once(self, request: Request) -> Answer:
        origin = origin_of(request.url)
        connection = self._idle_one(origin) or self._connection(origin)
        try:
            self._connect(connection)
            parts = urlsplit(request.url)
            connection.request(
                request.method,
                (parts.path or "/") + (f"?{parts.query}" if parts.query else ""),
                body=request.body,
                headers={"User-Agent": "unionfs", **request.headers, **request.private},
            )
            return Answer(self, request.url, connection)
        except BaseException as failure:
            self.give_back(origin, connection, whole=False)
            if isinstance(failure, (http.client.HTTPException, OSError)):
                raise _transfer_error(request.url, failure) from failure
            if isinstance(failure, ValueError):  # of http.client: a header or a path with a line's end in it
                raise ImageError(f"{origin}: sends us what cannot be asked for") from None
            raise

    def _idle_one(self, origin: Origin) -> http.client.HTTPConnection | None:
        with self._lock:
            idle = self._idle.get(origin)
            return idle.pop() if idle else None

    def _connect(self, connection: http.client.HTTPConnection) -> None:
        """Connect, if need be. `ImageError` where all has been interrupted."""
        if connection.sock is None:
            connection.connect()
        with self._lock:
            if self._interrupted:
                raise ImageError(f"{connection.host}: interrupted")
            self._in_use[connection] = connection.sock

    def _connection(self, origin: Origin) -> http.client.HTTPConnection:
        if origin.scheme == "http":
            return http.client.HTTPConnection(origin.host, origin.port, timeout=TIMEOUT)
        context = ssl.create_default_context()
        if not self.tls_verify:
            context.check_hostname = False
            context.verify_mode = ssl.CERT_NONE
        return http.client.HTTPSConnection(origin.host, origin.port, timeout=TIMEOUT, context=context)


def _transfer_error(url: str, failure: Exception) -> TransferError:
    reason = getattr(failure, "strerror", None) or str(failure) or type(failure).__name__
    return TransferError(f"{origin_of(url)}: {' '.join(str(reason).split())[:200]}")


def pause(attempt: int) -> None:
    """Wait before the next attempt: longer each time, from a tenth of a second to some seconds."""
    time.sleep(min(0.1 * 2**attempt, 5.0))
