"""Stacks and histories as Python code, short enough to read and ready to be pasted into a test."""

from __future__ import annotations

from collections.abc import Mapping
from enum import Enum


def as_code(value: object, indent: str = "") -> str:
    """An expression that gives `value`: named tuples without their defaults, one element a line."""
    inner = indent + "    "
    if isinstance(value, Enum):
        return f"{type(value).__name__}({value.value})"
    if isinstance(value, Mapping):
        return _lines("{}", [f"{key!r}: {as_code(item, inner)}" for key, item in value.items()], indent)
    if isinstance(value, tuple) and hasattr(value, "_fields"):
        return _call(value, indent)
    if isinstance(value, list):
        return _lines("[]", [as_code(item, inner) for item in value], indent)
    if isinstance(value, tuple) and value and hasattr(value[0], "_fields"):
        return _lines("()", [as_code(item, inner) for item in value], indent)
    return repr(value)


def _call(value: tuple[object, ...], indent: str) -> str:
    defaults: Mapping[str, object] = getattr(value, "_field_defaults", {})
    names: tuple[str, ...] = getattr(value, "_fields", ())
    given = [
        f"{name}=" * (name in defaults) + _field(name, item, indent)
        for name, item in zip(names, value, strict=True)
        if name not in defaults or item != defaults[name]
    ]
    return f"{type(value).__name__}({', '.join(given)})"


def _field(name: str, value: object, indent: str) -> str:
    return oct(value) if name == "mode" and isinstance(value, int) else as_code(value, indent)


def _lines(brackets: str, items: list[str], indent: str) -> str:
    if not items:
        return brackets
    told = "".join(f"{indent}    {item},\n" for item in items)
    return f"{brackets[0]}\n{told}{indent}{brackets[1]}"
