"""What the core costs by itself, over layers in memory: ``pytest benchmarks/core`` (pytest-benchmark).

A mount adds the kernel, the protocol and the directories' own file system to this.
"""

from __future__ import annotations

import pytest
from pytest_benchmark.fixture import BenchmarkFixture

from unionfs.core.dialect import NO_MARKS
from unionfs.core.gather import Source
from unionfs.core.layer import Layer, UpperLayer
from unionfs.core.plans import copyup
from unionfs.core.steps import work
from unionfs.core.union import Union
from unionfs.dialects.overlay import TRUSTED, OverlayDialect
from unionfs.layers.memory import MemoryStore
from unionfs.types import Stat

LAYERS = (1, 10, 100, 500)
NAMES = 1_000
_OVERLAY = OverlayDialect(TRUSTED)


def lower_layers(count: int) -> list[Layer]:
    """`NAMES` files in one directory, spread over all layers."""
    names = [f"d/{number}" for number in range(NAMES)]
    return [
        Layer(MemoryStore.of({"d": None, **dict.fromkeys(names[number::count], b"content")}), _OVERLAY)
        for number in range(count)
    ]


def union_over(lowers: list[Layer]) -> Union:
    upper = MemoryStore("upper")
    return Union(lowers, UpperLayer(upper, _OVERLAY, MemoryStore("work", beside=upper)))


@pytest.mark.parametrize("count", LAYERS)
def test_look_up(benchmark: BenchmarkFixture, count: int) -> None:
    union = union_over(lower_layers(count))
    directory = union.lookup(union.root, b"d")
    assert benchmark(union.lookup, directory, b"7").names


@pytest.mark.parametrize("count", LAYERS)
def test_look_up_of_a_missing_name(benchmark: BenchmarkFixture, count: int) -> None:
    union = union_over(lower_layers(count))
    directory = union.lookup(union.root, b"d")

    def look_up() -> None:
        with pytest.raises(FileNotFoundError):
            union.lookup(directory, b"missing")

    benchmark(look_up)


@pytest.mark.parametrize("count", LAYERS)
def test_first_listing_of_a_merged_directory(benchmark: BenchmarkFixture, count: int) -> None:
    lowers = lower_layers(count)

    def list_anew() -> int:
        union = union_over(lowers)
        return sum(1 for _ in union.readdir(union.lookup(union.root, b"d")))

    assert benchmark(list_anew) == NAMES


def test_metadata_copy_up(benchmark: BenchmarkFixture) -> None:
    lowers = lower_layers(1)

    def change_each() -> None:
        union = union_over(lowers)
        directory = union.lookup(union.root, b"d")
        for number in range(NAMES):
            union.setxattr(union.lookup(directory, b"%d" % number), b"user.a", b"1")

    benchmark(change_each)


def test_plan_of_a_copy_up(benchmark: BenchmarkFixture) -> None:
    source = Source(Stat(0o100644, size=10), ((b"user.a", b"1"),))
    assert benchmark(copyup.finish, source, work(b"temp"), NO_MARKS, _OVERLAY)
