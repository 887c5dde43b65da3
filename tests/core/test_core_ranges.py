"""Ranges are sets of numbers, whatever is done to them."""

from __future__ import annotations

from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from unionfs.core.ranges import Ranges

NUMBER = st.integers(0, 40)
STEPS = st.lists(st.one_of(st.tuples(st.just("add"), NUMBER, NUMBER), st.tuples(st.just("cut"), NUMBER)))


def grown(steps: list[tuple[object, ...]]) -> tuple[Ranges, set[int]]:
    ranges, model = Ranges(), set[int]()
    for step in steps:
        match step:
            case ("add", int(start), int(end)):
                ranges.add(start, end)
                model |= set(range(start, end))
            case ("cut", int(end)):
                ranges.cut(end)
                model = {number for number in model if number < end}
    return ranges, model


@given(STEPS)
def test_they_hold_what_was_put_in(steps: list[tuple[object, ...]]) -> None:
    ranges, model = grown(steps)
    assert {number for start, end in ranges for number in range(start, end)} == model
    assert ranges.size() == len(model)


@given(STEPS)
def test_there_are_as_few_as_can_be(steps: list[tuple[object, ...]]) -> None:
    ranges, _ = grown(steps)
    borders = [border for both in ranges for border in both]
    assert borders == sorted(set(borders))
    assert len(ranges) * 2 == len(borders)


@given(STEPS, NUMBER, NUMBER)
def test_pieces_make_up_the_range_and_tell_what_is_in_it(
    steps: list[tuple[object, ...]], start: int, end: int
) -> None:
    ranges, model = grown(steps)
    pieces = list(ranges.pieces(start, end))
    assert [number for first, last, _ in pieces for number in range(first, last)] == list(range(start, end))
    for first, last, is_there in pieces:
        assert first < last
        assert all((number in model) == is_there for number in range(first, last))
    kinds = [is_there for _, _, is_there in pieces]
    assert all(one != other for one, other in pairwise(kinds))


@given(STEPS, NUMBER, NUMBER)
def test_covers_and_gap(steps: list[tuple[object, ...]], start: int, end: int) -> None:
    ranges, model = grown(steps)
    missing = [number for number in range(start, end) if number not in model]
    assert ranges.covers(start, end) == (not missing)
    gap = ranges.gap(start, end)
    assert (gap[0] if gap else None) == (missing[0] if missing else None)
