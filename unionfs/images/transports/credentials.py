"""Who one is to a registry: the files in which podman and docker keep it (containers-auth.json(5))."""

from __future__ import annotations

import base64
import binascii
import json
import os
import shutil
import subprocess
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, NamedTuple

from unionfs.errors import ImageError

_DOCKER_HUB = "docker.io"
_DOCKER_HUB_KEY = "https://index.docker.io/v1/"
_TOKEN_USER = "<token>"
_HELPER_TIMEOUT = 60


class Credentials(NamedTuple):
    """A user and a password; or an identity token, for which a registry gives tokens."""

    user: str = ""
    password: str = ""
    identity_token: str = ""

    def basic(self) -> str:
        """The value of an Authorization header (RFC 7617)."""
        return "Basic " + base64.b64encode(f"{self.user}:{self.password}".encode()).decode()


def find(host: str, repository: str) -> Credentials | None:
    """The credentials for a repository of a registry; None where there are none.

    The first file that has some counts. Raises `ImageError` where a file or a helper is broken.
    """
    for path in _files():
        found = _in_file(path, host, repository)
        if found is not None:
            return found
    return None


def _files() -> Iterator[Path]:
    chosen = os.environ.get("REGISTRY_AUTH_FILE")
    if chosen:
        yield Path(chosen)
        return
    home = Path(os.environ.get("HOME") or "/")
    runtime = os.environ.get("XDG_RUNTIME_DIR") or f"/run/user/{os.geteuid()}"
    yield Path(runtime) / "containers" / "auth.json"
    if not os.environ.get("XDG_RUNTIME_DIR"):
        yield Path(f"/run/containers/{os.geteuid()}/auth.json")
    yield Path(os.environ.get("XDG_CONFIG_HOME") or home / ".config") / "containers" / "auth.json"
    yield Path(os.environ.get("DOCKER_CONFIG") or home / ".docker") / "config.json"


def _in_file(path: Path, host: str, repository: str) -> Credentials | None:
    try:
        document = json.loads(path.read_bytes())
    except (FileNotFoundError, NotADirectoryError):
        return None
    except (ValueError, RecursionError):
        raise ImageError(f"{path}: not JSON") from None
    if not isinstance(document, dict):
        raise ImageError(f"{path}: not a JSON object")
    helper = _table(document, "credHelpers").get(host)
    if helper is not None:
        return _from_helper(str(helper), host)
    entries = _table(document, "auths")
    for key in _keys(host, repository):
        if isinstance(entries.get(key), dict) and entries[key]:
            return _decode(entries[key], f"{path}: {key}")
    everybodys = document.get("credsStore")
    return _from_helper(str(everybodys), host) if everybodys else None


def _table(document: Mapping[str, Any], key: str) -> Mapping[str, Any]:
    table = document.get(key)
    return table if isinstance(table, dict) else {}


def _keys(host: str, repository: str) -> Iterator[str]:
    """The most specific first: a repository, the namespaces that it is in, the registry."""
    name = f"{host}/{repository}"
    while "/" in name:
        yield name
        name = name.rpartition("/")[0]
    yield host
    for scheme in ("https", "http"):
        for suffix in ("", "/", "/v1/", "/v2/"):
            yield f"{scheme}://{host}{suffix}"
    if host == _DOCKER_HUB:
        yield _DOCKER_HUB_KEY


def _decode(entry: Mapping[str, Any], what: str) -> Credentials | None:
    token = str(entry.get("identitytoken") or "")
    auth = str(entry.get("auth") or "")
    try:
        user, colon, password = base64.b64decode(auth, validate=True).decode().partition(":")
    except (binascii.Error, UnicodeDecodeError):
        raise ImageError(f"{what}: 'auth' is not base64") from None
    if not token and not colon:
        return None
    return Credentials(user, password.rstrip("\0"), token)


def _from_helper(name: str, host: str) -> Credentials | None:
    """What a credential helper says (docker-credential-helpers, "Development")."""
    program = shutil.which(f"docker-credential-{name}") if "/" not in name else None
    if program is None:
        raise ImageError(f"docker-credential-{name}: not installed, and it keeps the password for {host}")
    server = _DOCKER_HUB_KEY if host == _DOCKER_HUB else host
    done = subprocess.run(
        [program, "get"], input=server, capture_output=True, text=True, check=False, timeout=_HELPER_TIMEOUT
    )
    if done.returncode:
        return None  # its way to say that it has none
    try:
        said = json.loads(done.stdout)
        user, secret = str(said["Username"]), str(said["Secret"])
    except (ValueError, KeyError, TypeError):
        raise ImageError(f"docker-credential-{name}: says what is no answer") from None
    return Credentials(identity_token=secret) if user == _TOKEN_USER else Credentials(user, secret)
