"""How much a layer was seen to have of everything that there are limits of."""

from __future__ import annotations

import struct

from unionfs.images.entry import Entry
from unionfs.images.limits import DEFAULT_LIMITS, Limits

_HEADER = struct.Struct("<16s8Q")
_MAGIC = b"unionfs tally 1\n"
_LATE = DEFAULT_LIMITS.ratio_from


class Tally:
    """The most of each. Sizes are bytes, ratios rounded up.

    It is kept with what was made of a layer, so that who has stricter limits than whoever
    had it made does not take it for granted.
    """

    def __init__(
        self,
        entries: int = 0,
        metadata: int = 0,
        depth: int = 0,
        path: int = 0,
        extended_header: int = 0,
        total: int = 0,
        ratio: int = 0,
        late_ratio: int = 0,
    ) -> None:
        self.entries = entries
        self.metadata = metadata
        """Of all names, targets and extended attributes together."""
        self.depth = depth
        self.path = path
        self.extended_header = extended_header
        self.total = total
        self.ratio = ratio
        """Of what had come out to what had been read, at any time."""
        self.late_ratio = late_ratio
        """The same, from where on it is looked at if nobody says otherwise."""

    def add_entry(self, entry: Entry) -> None:
        self.entries += 1
        self.add_path(entry.name)
        self.metadata += len(entry.name) + len(entry.target) + len(entry.hardlink or b"")
        self.metadata += sum(len(name) + len(value) for name, value in entry.xattrs.items())
        self.path = max(self.path, len(entry.target))
        if entry.hardlink is not None:
            self.add_path(entry.hardlink)

    def add_path(self, path: bytes) -> None:
        """One that is written down, or that a symbolic link leads to."""
        self.depth = max(self.depth, path.count(b"/") + 1)
        self.path = max(self.path, len(path))

    def add_extended_header(self, size: int) -> None:
        self.extended_header = max(self.extended_header, size)

    def add_decompressed(self, size: int, packed: int) -> None:
        """So much has come out so far, of so much that was read."""
        self.total = size
        ratio = -(-size // packed) if packed else 0
        self.ratio = max(self.ratio, ratio)
        if size > _LATE:
            self.late_ratio = max(self.late_ratio, ratio)

    def is_within(self, limits: Limits) -> bool:
        """Whether `limits` have been kept; False also where that cannot be said of the ratio."""
        ratio = self.late_ratio if limits.ratio_from >= _LATE else self.ratio
        return (
            self.entries <= limits.entries
            and self.metadata <= limits.metadata
            and self.depth <= limits.depth
            and self.path <= limits.path
            and self.extended_header <= limits.extended_header
            and self.total <= limits.total
            and (self.total <= limits.ratio_from or ratio <= limits.ratio)
        )

    def counts(self) -> tuple[int, ...]:
        """All of it, in the order of the arguments."""
        names = self.entries, self.metadata, self.depth, self.path, self.extended_header
        return (*names, self.total, self.ratio, self.late_ratio)

    def in_front_of(self, content: bytes) -> bytes:
        """Bytes that `found_in` takes apart."""
        return _HEADER.pack(_MAGIC, *self.counts()) + content


def found_in(data: memoryview) -> tuple[Tally, memoryview] | None:
    """The tally and what it is in front of; None where there is none."""
    if len(data) < _HEADER.size or data[: len(_MAGIC)] != _MAGIC:
        return None
    _, *counts = _HEADER.unpack_from(data)
    return Tally(*counts), data[_HEADER.size :]
