"""Places that are found out about as they are asked for."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from unionfs.core.places import Place, Places, has

ALL = [Place(layer, b"d") for layer in range(4)]


class Layers:
    """Counts how many places have been looked at; fails once at `broken`."""

    def __init__(self, broken: int | None = None) -> None:
        self.asked = 0
        self._broken = broken

    def find(self) -> Iterator[Place]:
        for number, place in enumerate(ALL):
            if number == self._broken:
                self._broken = None
                raise TimeoutError
            self.asked = max(self.asked, number + 1)
            yield place


def test_no_more_is_asked_than_needed() -> None:
    layers = Layers()
    places = Places(layers.find)
    assert layers.asked == 0
    assert places
    assert places[0] == ALL[0]
    assert layers.asked == 1
    assert has(places, 2)
    assert layers.asked == 2
    assert list(places) == ALL
    assert len(places) == 4
    assert places[-1] == ALL[-1]
    assert not has(places, 5)


def test_nothing_is_lost_by_a_failure() -> None:
    places = Places(Layers(broken=2).find)
    with pytest.raises(TimeoutError):
        len(places)
    assert list(places) == ALL
    assert list(places) == ALL
