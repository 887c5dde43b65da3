"""The bytes of a file with holes: only blocks that were written take room."""

from __future__ import annotations

from collections.abc import Iterator

BLOCK = 4096


class SparseBytes:
    """Bytes of a logical size, kept in blocks; a block that is missing reads as zeros.

    Beyond `size` no block exists and every byte of the last one is zero.
    """

    __slots__ = ("_blocks", "size")

    def __init__(self) -> None:
        self.size = 0
        self._blocks: dict[int, bytearray] = {}

    @property
    def allocated(self) -> int:
        """Bytes of room taken."""
        return len(self._blocks) * BLOCK

    def read(self, size: int, offset: int) -> bytes:
        end = min(offset + size, self.size)
        pieces: list[bytes | bytearray] = []
        for index, start, stop in _spans(offset, end):
            block = self._blocks.get(index)
            pieces.append(bytes(stop - start) if block is None else block[start:stop])
        return b"".join(pieces)

    def write(self, data: memoryview, offset: int) -> None:
        """`data` is of single bytes."""
        end = offset + len(data)
        for index, start, stop in _spans(offset, end):
            if (block := self._blocks.get(index)) is None:
                block = self._blocks[index] = bytearray(BLOCK)
            at = index * BLOCK + start - offset
            block[start:stop] = data[at : at + stop - start]
        self.size = max(self.size, end)

    def resize(self, size: int) -> None:
        if size < self.size:
            self.punch(size, self.size - size)
        self.size = size

    def punch(self, offset: int, length: int) -> None:
        """Turn a range into zeros, and whole blocks of it into holes; the size stays."""
        end = min(offset + length, self.size)
        for index in list(self._blocks):
            start, stop = max(offset - index * BLOCK, 0), min(end - index * BLOCK, BLOCK)
            reaches_end = stop == BLOCK or (stop > 0 and end == self.size)
            if start == 0 and reaches_end:
                del self._blocks[index]
            elif start < stop:
                self._blocks[index][start:stop] = bytes(stop - start)

    def next_data(self, offset: int) -> int | None:
        """The first written byte from `offset` on; None where only a hole follows."""
        if offset // BLOCK in self._blocks:
            return offset if offset < self.size else None
        later = min((index for index in self._blocks if index * BLOCK > offset), default=None)
        return None if later is None else later * BLOCK

    def next_hole(self, offset: int) -> int:
        """The first byte of a hole from `offset` on; the end of the file counts as one."""
        index = offset // BLOCK
        if index not in self._blocks:
            return offset
        while index in self._blocks:
            index += 1
        return min(index * BLOCK, self.size)


def _spans(offset: int, end: int) -> Iterator[tuple[int, int, int]]:
    """Cut a range at block borders: block number, start and stop within the block."""
    while offset < end:
        index, start = divmod(offset, BLOCK)
        stop = min(BLOCK, start + end - offset)
        yield index, start, stop
        offset += stop - start
