"""An image's configuration with other layers: what it says of them, and its history. Pure.

A history that is there has a line for every layer, and any number of lines that made none,
marked ``empty_layer`` (OCI image-spec, config.md).
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from unionfs.images import documents, instructions
from unionfs.images.digest import Digest
from unionfs.images.documents import Json, Platform

Line = dict[str, Any]
"""A line of the history."""


def new(platform: Platform) -> Json:
    """The configuration of an image without layers."""
    return {"architecture": platform.architecture, "os": platform.os}


def line(created: str, created_by: str, *, author: str = "", comment: str = "") -> Line:
    fields = {"created": created, "created_by": created_by, "author": author, "comment": comment}
    return {key: value for key, value in fields.items() if value}


def with_layers(config: Json, diff_ids: Iterable[Digest]) -> dict[str, Any]:
    return dict(config) | {"rootfs": {"type": "layers", "diff_ids": [str(each) for each in diff_ids]}}


def with_history(config: Json, history: Sequence[Line] | None) -> dict[str, Any]:
    changed = {key: value for key, value in config.items() if key != "history"}
    return changed | ({"history": list(history)} if history else {})


def history_of(config: Json, layers: int) -> list[Line] | None:
    """The history of an image with so many layers; None where it has none that fits them."""
    lines: list[Line] = documents.field(config, "history", list, "configuration", [])
    if not all(isinstance(each, dict) for each in lines):
        return None
    return lines if sum(not _is_empty(each) for each in lines) == layers else None


def squashed(history: Sequence[Line], first: int, last: int, line: Line | None) -> list[Line]:
    """The history where the layers from `first` to before `last`, counted from 0, have made none.

    `line` follows on the last of them: what stands for them all, unless it comes later.
    """
    lines: list[Line] = []
    layer = 0
    for each in history:
        in_run = not _is_empty(each) and first <= layer < last
        lines.append({**each, "empty_layer": True} if in_run else each)
        layer += not _is_empty(each)
        if in_run and layer == last and line is not None:
            lines.append(line)
    return lines


def with_changes(config: Json, changes: Iterable[str]) -> dict[str, Any]:
    """The configuration after instructions as ``--change`` takes them. Raises `ImageError`."""
    settings: dict[str, Any] = documents.field(config, "config", dict, "configuration", {})
    for each in changes:
        settings = instructions.changed(settings, each)
    return dict(config) | ({"config": settings} if settings else {})


def _is_empty(each: Line) -> bool:
    return bool(each.get("empty_layer"))
