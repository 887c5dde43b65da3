"""The table of results by size and peer."""

from __future__ import annotations

from rows import PEERS, copyup_rows

from unionfs.bench import copyup, matrix
from unionfs.bench.results import spread


def test_every_median_is_there_in_80_columns() -> None:
    rows = copyup_rows()
    lines = list(matrix.lines(rows, PEERS))
    assert max(map(len, lines)) <= matrix.WIDTH
    assert {row.title for row in rows} <= {line.partition("; ")[0] for line in lines}
    first = lines.index("first write: open, one byte in the middle, close; milliseconds")
    assert lines[first + 1].split() == list(PEERS[:4])
    assert lines[first + 2].split() == ["4", "KiB", "0.004", "0.008", "0.012", "0.016"]
    assert lines[first + 5].split() == ["another"]
    assert lines[first + 6].split() == ["4", "KiB", "0.020"]


def test_how_far_the_repeats_are_apart() -> None:
    (row, *_) = copyup_rows()
    row.spreads = {"unionfs": spread([0.8, 1.0, 1.5])}
    assert "1,000 ±50%" in list(matrix.lines([row], ["unionfs"]))[-1]


def test_who_failed_is_told_once_with_the_reason() -> None:
    rows = [row for row in copyup_rows() if row.title in {copyup.FIRST_WRITE.title, copyup.COMPLETE.title}]
    for row in rows[:2]:
        row.failures = {"overlayfs": "No space left on device"}
    lines = list(matrix.lines(rows, PEERS))
    assert sum(line.split().count("failed") for line in lines[:-1]) == 2
    assert lines[-2:] == ["", "overlayfs failed at write, 4 KiB: No space left on device"]
