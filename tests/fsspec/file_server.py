"""An HTTP server on the loopback that lists directories, sends parts of files and says what it was asked."""

from __future__ import annotations

import http.server
import io
import re
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from http import HTTPStatus
from pathlib import Path

import registries


class FileServer(http.server.ThreadingHTTPServer):
    daemon_threads = True

    def __init__(self, root: Path) -> None:
        super().__init__(("127.0.0.1", 0), partial(_Handler, directory=str(root)))
        self.asked: list[str] = []
        """The requests for files: ``HEAD /name``, ``GET /name 0-1048575``."""
        self.sends_parts = True
        self.says_sizes = True
        self.fails_with: HTTPStatus | None = None
        self.is_stuck_at: str | None = None
        """Requests for what begins so are answered when `go_on` is set."""
        self.is_asked, self.go_on = threading.Event(), threading.Event()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_port}"

    def handle_error(self, request: object, client_address: object) -> None:
        """Who asked may have gone."""


class _Handler(http.server.SimpleHTTPRequestHandler):
    protocol_version = "HTTP/1.0"
    server: FileServer

    def log_message(self, format: str, *arguments: object) -> None:
        pass

    def send_head(self) -> io.BytesIO | None:  # type: ignore[override]
        if self.server.is_stuck_at is not None and self.path.startswith(self.server.is_stuck_at):
            self.server.is_asked.set()
            self.server.go_on.wait(30)
        path = Path(self.translate_path(self.path))
        if self.server.fails_with is not None:
            self.send_error(self.server.fails_with)
            return None
        if not path.is_file():
            return super().send_head()  # type: ignore[return-value]
        part = re.fullmatch(r"bytes=(\d+)-(\d+)", self.headers.get("Range", ""))
        self.server.asked.append(f"{self.command} {self.path}" + (f" {part[1]}-{part[2]}" if part else ""))
        return self._send(path, part if self.server.sends_parts else None)

    def _send(self, path: Path, part: re.Match[str] | None) -> io.BytesIO:
        status = path.stat()
        first, end = (int(part[1]), int(part[2]) + 1) if part else (0, status.st_size)
        with open(path, "rb") as file:
            file.seek(first)
            sent = file.read(end - first) if self.command == "GET" else b""
        self.send_response(HTTPStatus.PARTIAL_CONTENT if part else HTTPStatus.OK)
        self.send_header("Last-Modified", self.date_time_string(status.st_mtime))
        self.send_header("ETag", f'"{status.st_mtime_ns:x}"')
        self.send_header("Connection", "close")
        if self.server.says_sizes:
            self.send_header("Content-Length", str(min(end, status.st_size) - first))
        self.end_headers()
        return io.BytesIO(sent)


@contextmanager
def serving(root: Path) -> Iterator[FileServer]:
    server = FileServer(root)
    with registries.serving(server):
        yield server
