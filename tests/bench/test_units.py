"""Sizes and values as people write and read them."""

from __future__ import annotations

import pytest

from unionfs.bench.units import Axis, Point, Unit, parse_size, size_text


@pytest.mark.parametrize(
    ("text", "size"),
    [
        ("1", 1),
        ("512", 512),
        ("4K", 4096),
        ("4k", 4096),
        ("16MiB", 16 << 20),
        ("1gb", 1 << 30),
        ("2T", 2 << 40),
    ],
)
def test_sizes_are_read(text: str, size: int) -> None:
    assert parse_size(text) == size


@pytest.mark.parametrize("text", ["", "0", "0K", "K", "-1", "1.5M", "4X", "4KK", "iB", "4 K", "²"])
def test_what_is_no_size(text: str) -> None:
    with pytest.raises(ValueError, match="not a size: "):
        parse_size(text)


@pytest.mark.parametrize("size", [1, 1000, 1023, 4096, 1536, 1 << 20, 3 << 30, 1 << 50])
def test_what_is_shown_is_read_back(size: int) -> None:
    assert parse_size(size_text(size).replace(" ", "")) == size


def test_values_keep_three_digits() -> None:
    assert Unit.SECONDS.shown == "milliseconds"
    shown = [Unit.SECONDS.text(value) for value in (0.0000421, 0.00421, 0.0421, 0.421, 42.1)]
    assert shown == ["0.042", "4.21", "42.1", "421", "42,100"]
    assert Unit.REQUESTS.text(20_000.0) == "20,000"
    assert (Unit.BYTES.text(1_120), Unit.BYTES.shown) == ("1.12", "kB")


def test_points() -> None:
    points = [Point(Axis.BYTES, 4096), Point(Axis.LAYERS, 1), Point(Axis.FILES, 100_000)]
    assert [str(point) for point in points] == ["4 KiB", "1 layer", "100,000 files"]
