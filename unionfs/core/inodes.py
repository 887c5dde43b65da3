"""Inode numbers: one for every file, the same before and after a copy-up and a remount.

A number is made from the store's own device and inode numbers. Devices are counted
in the order of the layers, lowest first, so that a new layer on top changes nothing;
the first device's files keep their own numbers (as overlayfs's xino does).
"""

from __future__ import annotations

from itertools import count

DEVICE_SHIFT = 48


class InodeNumbers:
    def __init__(self) -> None:
        self._devices: dict[int, int] = {}
        self._large: dict[tuple[int, int], int] = {}
        self._next_large = count(1 << 63)

    def register(self, dev: int) -> int:
        """The place of a device in the order in which devices were first seen."""
        return self._devices.setdefault(dev, len(self._devices))

    def number(self, dev: int, ino: int) -> int:
        """The union's number for file `ino` of device `dev`.

        Numbers that leave no room for the device are given out one by one, and are
        stable for the life of the union only.
        """
        if ino >> DEVICE_SHIFT:
            key = dev, ino
            if key not in self._large:
                self._large[key] = next(self._next_large)
            return self._large[key]
        place = self._devices.get(dev)
        return (self.register(dev) if place is None else place) << DEVICE_SHIFT | ino
