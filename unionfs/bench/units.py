"""What figures are counted in, and where on an axis they were taken."""

from __future__ import annotations

import enum
from typing import NamedTuple

MIB = 1 << 20


class Unit(enum.Enum):
    """Of a figure's values as they are kept."""

    SECONDS = "seconds"
    BYTES = "bytes"
    REQUESTS = "requests"
    MIB_PER_SECOND = "MiB/s"

    @property
    def shown(self) -> str:
        """The unit that people are shown."""
        return _SHOWN[self][0] if self in _SHOWN else self.value

    def text(self, value: float) -> str:
        """`value` in the unit that is shown, with three digits or more."""
        if self is Unit.REQUESTS:
            return f"{value:,.0f}"
        value = value * _SHOWN[self][1] if self in _SHOWN else value
        return f"{value:,.{3 if value < 1 else 2 if value < 10 else 1 if value < 100 else 0}f}"


_SHOWN = {Unit.SECONDS: ("milliseconds", 1000.0), Unit.BYTES: ("kB", 0.001)}


class Axis(enum.Enum):
    """What a figure grows with."""

    BYTES = "bytes"
    LAYERS = "layers"
    FILES = "files"


class Point(NamedTuple):
    """Where on an axis a figure was taken."""

    axis: Axis
    value: int

    def __str__(self) -> str:
        if self.axis is Axis.BYTES:
            return size_text(self.value)
        return f"{self.value:,} {self.axis.value if self.value != 1 else self.axis.value.rstrip('s')}"


_SUFFIXES = ("", "K", "M", "G", "T")


def size_text(size: int) -> str:
    """A number of bytes in the largest binary unit that keeps it whole: ``4 KiB``, ``1000 B``."""
    power = 0
    while size and size % 1024 == 0 and power + 1 < len(_SUFFIXES):
        size, power = size // 1024, power + 1
    return f"{size} {_SUFFIXES[power]}{'iB' if power else 'B'}"


def parse_size(text: str) -> int:
    """The bytes of ``512``, ``4K``, ``16MiB`` or ``1g``. `ValueError` if it is none of these, or 0."""
    number = text.upper().removesuffix("B").removesuffix("I")
    power = max(_SUFFIXES.index(number[-1:]), 0) if number[-1:] in _SUFFIXES else 0
    digits = number[:-1] if power else number
    if not digits.isdecimal() or not int(digits):
        raise ValueError(f"not a size: {text}")
    return int(digits) << 10 * power
