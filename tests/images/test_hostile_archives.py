"""The corpus of `hostile_archives`, unpacked into memory and into a directory of the host."""

from __future__ import annotations

import io
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from archive_builder import listing
from hostile_archives import REFUSED, UNPACKED, Tree
from hypothesis import given, settings
from hypothesis import strategies as st

from unionfs.core.store import WritableStore
from unionfs.errors import ArchiveError
from unionfs.images.tar_reader import TarReader
from unionfs.images.unpack import unpack
from unionfs.layers.host import HostStore
from unionfs.layers.memory import MemoryStore

MakeStore = Callable[[Path], WritableStore]


def _host_store(directory: Path) -> HostStore:
    return HostStore(directory, writable=True)


STORES: dict[str, MakeStore] = {"memory": lambda _directory: MemoryStore(), "host": _host_store}


@pytest.fixture(params=list(STORES.values()), ids=list(STORES))
def store(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[WritableStore]:
    """An empty store; nothing outside of its directory may change."""
    root = tmp_path / "outside" / "root"
    root.mkdir(parents=True)
    made: WritableStore = request.param(root)
    yield made
    made.close()
    assert [path.name for path in (tmp_path / "outside").iterdir()] == ["root"]
    assert not Path("/tmp/escape").exists()


@pytest.mark.parametrize(("archive", "message"), REFUSED.values(), ids=REFUSED.keys())
def test_refused(store: WritableStore, archive: bytes, message: str) -> None:
    with pytest.raises(ArchiveError) as caught:
        unpack(io.BytesIO(archive), "layer", store)
    text = str(caught.value)
    assert message in text
    assert text.startswith("layer: ")
    assert "\n" not in text


@pytest.mark.parametrize(("archive", "tree"), UNPACKED.values(), ids=UNPACKED.keys())
def test_unpacked(store: WritableStore, archive: bytes, tree: Tree) -> None:
    unpack(io.BytesIO(archive), "layer", store)
    assert listing(store) == tree


_ALL = [archive for archive, _ in [*REFUSED.values(), *UNPACKED.values()]]


@settings(deadline=None)  # the machine may be busy
@given(st.sampled_from(_ALL), st.data())
def test_cut_anywhere_is_an_error_or_a_prefix(archive: bytes, data: st.DataObject) -> None:
    def names(part: bytes) -> list[bytes]:
        found = []
        try:
            for entry, _content in TarReader(io.BytesIO(part), "layer"):
                found.append(entry.name)
        except ArchiveError:
            pass
        return found

    cut = data.draw(st.integers(0, len(archive)))
    whole, part = names(archive), names(archive[:cut])
    assert part == whole[: len(part)]


@settings(deadline=None)  # the machine may be busy
@given(
    st.sampled_from(_ALL),
    st.lists(st.tuples(st.integers(0, 4095), st.integers(0, 7)), min_size=1, max_size=4),
)
def test_flipped_bits_break_only_what_they_may(archive: bytes, flips: list[tuple[int, int]]) -> None:
    flipped = bytearray(archive or b"\0")
    for position, bit in flips:
        flipped[position % len(flipped)] ^= 1 << bit
    try:
        unpack(io.BytesIO(flipped), "layer", MemoryStore())
    except ArchiveError:
        pass


@settings(deadline=None)  # the machine may be busy
@given(st.sampled_from(_ALL), st.integers(0, 7), st.binary(min_size=1, max_size=12), st.integers(0, 499))
def test_lying_fields_break_only_what_they_may(archive: bytes, number: int, lie: bytes, at: int) -> None:
    """As bit flips, but with the checksum put right, so that they get past it."""
    start = number * 512
    block = bytearray(archive[start : start + 512].ljust(512, b"\0"))
    block[at : at + len(lie)] = lie
    block[148:156] = b" " * 8
    block[148:156] = b"%06o\0 " % sum(block[:512])
    changed = archive[:start] + bytes(block[:512]) + archive[start + 512 :]
    try:
        unpack(io.BytesIO(changed), "layer", MemoryStore())
    except ArchiveError:
        pass
