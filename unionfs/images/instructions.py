"""What ``--change`` asks for: a configuration with other settings. Pure.

The instructions are those of podman-commit(1), in a Dockerfile's words or with ``=`` behind
the word: ``CMD ["/bin/sh"]``, ``ENV=PATH=/bin``. They change the fields of the image
configuration's ``config`` (OCI image-spec, config.md, "Properties").
"""

from __future__ import annotations

import json
import re
import shlex
from collections.abc import Callable, Mapping
from typing import Any

from unionfs.errors import ImageError

_Settings = dict[str, Any]

_WORD = re.compile(r"\s*([A-Za-z]+)(?:=|\s)\s*(.*?)\s*", re.DOTALL)
_PORT = re.compile(r"[0-9]{1,5}(?:-[0-9]{1,5})?(?:/(?:tcp|udp|sctp))?")
_SHELL = ("/bin/sh", "-c")


def changed(settings: Mapping[str, Any], instruction: str) -> dict[str, Any]:
    """The settings after one instruction. Raises `ImageError` where it is none."""
    match = _WORD.fullmatch(instruction)
    change = _CHANGES.get(match[1].upper()) if match else None
    if match is None or change is None:
        known = ", ".join(_CHANGES)
        raise ImageError(f"--change {instruction!r}: not an instruction; there is: {known}")
    new = dict(settings)
    try:
        change(new, match[2])
    except ValueError as rule:
        raise ImageError(f"--change {instruction!r}: {rule}") from None
    return new


def _command(key: str) -> Callable[[_Settings, str], None]:
    def change(settings: _Settings, value: str) -> None:
        words = _json_words(value)
        if words is None:
            words = [*_SHELL, value] if value else None
        settings[key] = words

    return change


def _text(key: str) -> Callable[[_Settings, str], None]:
    def change(settings: _Settings, value: str) -> None:
        settings[key] = value

    return change


def _directory(settings: _Settings, value: str) -> None:
    if not value.startswith("/"):
        raise ValueError("not an absolute path")
    settings["WorkingDir"] = value


def _environment(settings: _Settings, value: str) -> None:
    pairs = _pairs(value)
    kept = [line for line in _words(settings, "Env") if line.partition("=")[0] not in pairs]
    settings["Env"] = [*kept, *(f"{name}={text}" for name, text in pairs.items())]


def _labels(settings: _Settings, value: str) -> None:
    settings["Labels"] = _table(settings, "Labels") | _pairs(value)


def _ports(settings: _Settings, value: str) -> None:
    ports = value.split()
    if not ports or not all(map(_PORT.fullmatch, ports)):
        raise ValueError("not a list of ports")
    named: dict[str, Any] = {port if "/" in port else f"{port}/tcp": {} for port in ports}
    settings["ExposedPorts"] = _table(settings, "ExposedPorts") | named


def _volumes(settings: _Settings, value: str) -> None:
    paths = _json_words(value) or value.split()
    if not paths:
        raise ValueError("names no path")
    settings["Volumes"] = _table(settings, "Volumes") | {path: {} for path in paths}


def _on_build(settings: _Settings, value: str) -> None:
    settings["OnBuild"] = [*_words(settings, "OnBuild"), value]


def _words(settings: _Settings, key: str) -> list[str]:
    """What the image has there already; ValueError where that is not what it should be."""
    words = settings.get(key) or []
    if not isinstance(words, list) or not all(isinstance(word, str) for word in words):
        raise ValueError(f"the image's own {key} is no list of words")
    return words


def _table(settings: _Settings, key: str) -> dict[str, Any]:
    table = settings.get(key) or {}
    if not isinstance(table, dict):
        raise ValueError(f"the image's own {key} is no JSON object")
    return table


def _pairs(value: str) -> dict[str, str]:
    """``NAME=VALUE`` any number of times, quoted as in a shell; or ``NAME VALUE`` once."""
    words = shlex.split(value)
    if words and "=" not in words[0]:
        name, space, text = value.partition(" ")
        if not space:
            raise ValueError("not NAME=VALUE")
        return {name: text.strip()}
    if not words or not all(word.partition("=")[0] and "=" in word for word in words):
        raise ValueError("not NAME=VALUE")
    return {name: text for name, _, text in (word.partition("=") for word in words)}


def _json_words(value: str) -> list[str] | None:
    """The words of a JSON list; None where it is no list."""
    if not value.startswith("["):
        return None
    words = json.loads(value)
    if not isinstance(words, list) or not all(isinstance(word, str) for word in words):
        raise ValueError("not a JSON list of words")
    return words


_CHANGES: dict[str, Callable[[_Settings, str], None]] = {
    "CMD": _command("Cmd"),
    "ENTRYPOINT": _command("Entrypoint"),
    "ENV": _environment,
    "EXPOSE": _ports,
    "LABEL": _labels,
    "ONBUILD": _on_build,
    "STOPSIGNAL": _text("StopSignal"),
    "USER": _text("User"),
    "VOLUME": _volumes,
    "WORKDIR": _directory,
}
