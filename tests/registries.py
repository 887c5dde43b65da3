"""Registries on loopback for the tests: docker's own, and one that behaves as badly as it is told to."""

from __future__ import annotations

import base64
import http.client
import json
import os
import shutil
import socket
import ssl
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from socketserver import BaseServer

import pytest

_PATIENCE = 20
# "user" with the password "secret", as htpasswd -B makes it.
_HTPASSWD = "user:$2y$05$igSkh0Ms2qSPGvVqRRDb4eg1PUIhpW1I5mQqchL7Et/E5o9q3RBYa\n"


@contextmanager
def docker_registry(directory: Path, *, password: bool = False) -> Iterator[str]:
    """Debian's docker-registry over `directory` for the time of the block: its HOST:PORT."""
    program = shutil.which("docker-registry")
    if program is None:
        pytest.fail("docker-registry is missing: apt-get install -y docker-registry")
    directory.mkdir(parents=True, exist_ok=True)
    address = f"127.0.0.1:{_free_port()}"
    settings = {
        "version": "0.1",
        "log": {"level": "error"},
        "storage": {"filesystem": {"rootdirectory": str(directory / "data")}, "delete": {"enabled": True}},
        "http": {"addr": address},
    }
    if password:
        (directory / "htpasswd").write_text(_HTPASSWD)
        settings["auth"] = {"htpasswd": {"realm": "tests", "path": str(directory / "htpasswd")}}
    config = directory / "config.json"
    config.write_text(json.dumps(settings))  # which is YAML, too
    # It would take REGISTRY_AUTH_FILE for a setting of its own.
    environment = {key: value for key, value in os.environ.items() if not key.startswith("REGISTRY_")}
    with open(directory / "log", "wb") as log:
        command = [program, "serve", str(config)]
        server = subprocess.Popen(command, stdout=log, stderr=log, env=environment)
    try:
        _await(server, address)
        yield address
    finally:
        server.kill()
        server.wait(_PATIENCE)


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def _await(server: subprocess.Popen[bytes], address: str) -> None:
    deadline = time.monotonic() + _PATIENCE
    while time.monotonic() < deadline and server.poll() is None:
        connection = http.client.HTTPConnection(address, timeout=5)
        try:
            connection.request("GET", "/v2/")
            connection.getresponse().read()
            return
        except OSError:
            time.sleep(0.02)
        finally:
            connection.close()
    pytest.fail("docker-registry does not answer")


class Handler(BaseHTTPRequestHandler):
    """One request, given to the server's script."""

    protocol_version = "HTTP/1.1"
    server: ScriptedServer

    def _handle(self) -> None:
        self.server.requests.append(f"{self.command} {self.path}")
        self.server.seen.append(dict(self.headers.items()))
        self.server.script(self)

    do_GET = do_HEAD = do_POST = do_PATCH = do_PUT = do_DELETE = _handle  # noqa: N815 - their names are given

    def body(self) -> bytes:
        return self.rfile.read(int(self.headers.get("Content-Length", "0")))

    def answer(self, status: int, body: bytes = b"", **headers: str) -> None:
        """A whole answer; an underscore in a header's name stands for a hyphen."""
        self.begin(status, **({"Content_Length": str(len(body))} | headers))
        if self.command != "HEAD":
            self.wfile.write(body)

    def begin(self, status: int, **headers: str) -> None:
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name.replace("_", "-"), value)
        self.end_headers()

    def hang_up(self) -> None:
        """Break the connection off."""
        self.wfile.flush()
        self.close_connection = True
        self.connection.shutdown(socket.SHUT_RDWR)

    def log_message(self, format: str, *args: object) -> None:
        pass


class ScriptedServer(ThreadingHTTPServer):
    daemon_threads = True

    def __init__(self, script: Callable[[Handler], None]) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.script = script
        self.requests: list[str] = []
        self.seen: list[dict[str, str]] = []
        self.address = f"127.0.0.1:{self.server_address[1]}"

    def handle_error(self, request: object, client_address: object) -> None:
        pass  # clients hang up in the middle, and are meant to


CERTIFICATE = Path(__file__).with_name("loopback.pem")
"""For 127.0.0.1 from 2020 to 2120, signed by itself, with its key."""


@contextmanager
def scripted(script: Callable[[Handler], None], *, tls: bool = False) -> Iterator[ScriptedServer]:
    """A server that answers as `script` does, for the time of the block."""
    server = ScriptedServer(script)
    if tls:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(CERTIFICATE)
        server.socket = context.wrap_socket(server.socket, server_side=True, do_handshake_on_connect=False)
    with serving(server):
        yield server


@contextmanager
def serving(server: BaseServer) -> Iterator[None]:
    """It answers from a thread of its own, for the time of the block."""
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        yield
    finally:
        server.shutdown()
        thread.join(_PATIENCE)
        server.server_close()


def auth_file(path: Path, host: str, user: str = "user", password: str = "secret") -> Path:
    auth = base64.b64encode(f"{user}:{password}".encode()).decode()
    path.write_text(json.dumps({"auths": {host: {"auth": auth}}}))
    os.chmod(path, 0o600)
    return path
