"""Where passwords are found, and which of them is shown to whom."""

from __future__ import annotations

import base64
import json
import os
from pathlib import Path

import pytest

from unionfs.errors import ImageError
from unionfs.images.transports.credentials import Credentials, find


def auth(user: str, password: str = "p") -> dict[str, str]:
    return {"auth": base64.b64encode(f"{user}:{password}".encode()).decode()}


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    for name in ("REGISTRY_AUTH_FILE", "DOCKER_CONFIG", "XDG_CONFIG_HOME"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(tmp_path / "run"))
    return tmp_path


def write(path: Path, **document: object) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(document))


def user(host: str = "h.example", repository: str = "a/b") -> str | None:
    found = find(host, repository)
    return found.user if found else None


def test_the_files_in_their_order(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert user() is None
    write(home / ".docker/config.json", auths={"h.example": auth("docker")})
    assert user() == "docker"
    write(home / ".config/containers/auth.json", auths={"other": auth("x")})
    assert user() == "docker"
    write(home / ".config/containers/auth.json", auths={"h.example": auth("config")})
    assert user() == "config"
    write(home / "run/containers/auth.json", auths={"h.example": auth("run")})
    assert user() == "run"
    write(home / "chosen", auths={"other": auth("x")})
    monkeypatch.setenv("REGISTRY_AUTH_FILE", str(home / "chosen"))
    assert user() is None, "a file that is chosen is the only one"


@pytest.mark.parametrize(
    ("keys", "found"),
    [
        (["h.example"], "h.example"),
        (["h.example", "h.example/a"], "h.example/a"),
        (["h.example/a", "h.example/a/b"], "h.example/a/b"),
        (["https://h.example/v2/"], "https://h.example/v2/"),
        (["h.example/other", "example", "a.h.example", "h.example:443"], None),
    ],
)
def test_the_most_specific_entry(home: Path, keys: list[str], found: str | None) -> None:
    write(home / "run/containers/auth.json", auths={key: auth(key.replace(":", "%")) for key in keys})
    assert user() == (found and found.replace(":", "%"))


def test_docker_hub_has_a_name_of_its_own(home: Path) -> None:
    write(home / ".docker/config.json", auths={"https://index.docker.io/v1/": auth("hub")})
    assert user("docker.io", "library/alpine") == "hub"
    assert user("h.example") is None


def helper(home: Path, monkeypatch: pytest.MonkeyPatch, script: str) -> None:
    program = home / "bin" / "docker-credential-test"
    program.parent.mkdir(exist_ok=True)
    program.write_text(f"#!/bin/sh\n{script}\n")
    program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{program.parent}:{os.environ['PATH']}")


def test_a_helper_is_asked(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write(home / ".docker/config.json", credHelpers={"h.example": "test"})
    helper(home, monkeypatch, 'printf \'{"Username": "%s", "Secret": "s:%s"}\' "$1" "$(cat)"')
    assert find("h.example", "a") == Credentials("get", "s:h.example")
    assert find("other.example", "a") is None
    helper(home, monkeypatch, 'echo \'{"Username": "<token>", "Secret": "I"}\'')
    assert find("h.example", "a") == Credentials(identity_token="I")
    helper(home, monkeypatch, "echo credentials not found; exit 1")
    assert find("h.example", "a") is None
    write(home / ".docker/config.json", credsStore="test")
    helper(home, monkeypatch, 'echo \'{"Username": "u", "Secret": "s"}\'')
    assert find("any.example", "a") == Credentials("u", "s")


@pytest.mark.parametrize(
    ("document", "words"),
    [
        ("no JSON", "not JSON"),
        ("[]", "not a JSON object"),
        ('{"auths": {"h.example": {"auth": "%%%"}}}', "'auth' is not base64"),
        ('{"credHelpers": {"h.example": "missing"}}', "docker-credential-missing: not installed"),
        ('{"credHelpers": {"h.example": "../../bin/sh"}}', "not installed"),
        ('{"credHelpers": {"h.example": "test"}}', "says what is no answer"),
    ],
)
def test_what_is_broken(home: Path, monkeypatch: pytest.MonkeyPatch, document: str, words: str) -> None:
    helper(home, monkeypatch, "echo hello")
    (home / "run/containers").mkdir(parents=True)
    (home / "run/containers/auth.json").write_text(document)
    with pytest.raises(ImageError, match=words):
        find("h.example", "a/b")
