"""The corpus of `hostile_archives`: unpacked into memory and into a directory, and read where it is."""

from __future__ import annotations

import io
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from archive_builder import END, indexed, listing
from hostile_archives import REFUSED, UNPACKED, Tree
from hypothesis import given, settings
from hypothesis import strategies as st

from unionfs.core.store import Store, WritableStore
from unionfs.errors import ArchiveError
from unionfs.images.tar_reader import TarReader
from unionfs.images.treesum import tree_sum
from unionfs.images.unpack import unpack
from unionfs.layers.host import HostStore
from unionfs.layers.memory import MemoryStore


def _unpacked(store: WritableStore, archive: bytes) -> Store:
    unpack(io.BytesIO(archive), "layer", store)
    return store


Way = Callable[[bytes, Path], Store]

WAYS: dict[str, Way] = {
    "memory": lambda archive, _root: _unpacked(MemoryStore(), archive),
    "host": lambda archive, root: _unpacked(HostStore(root, writable=True), archive),
    "indexed": lambda archive, _root: indexed(archive),
}


@pytest.fixture
def root(tmp_path: Path) -> Iterator[Path]:
    """An empty directory; nothing outside of it may change."""
    root = tmp_path / "outside" / "root"
    root.mkdir(parents=True)
    yield root
    assert [path.name for path in (tmp_path / "outside").iterdir()] == ["root"]
    assert not Path("/tmp/escape").exists()


@pytest.mark.parametrize("way", WAYS.values(), ids=WAYS.keys())
@pytest.mark.parametrize(("archive", "message"), REFUSED.values(), ids=REFUSED.keys())
def test_refused(root: Path, way: Way, archive: bytes, message: str) -> None:
    with pytest.raises(ArchiveError) as caught:
        way(archive, root)
    text = str(caught.value)
    assert message in text
    assert text.startswith("layer: ")
    assert "\n" not in text


@pytest.mark.parametrize("way", WAYS.values(), ids=WAYS.keys())
@pytest.mark.parametrize(("archive", "tree"), UNPACKED.values(), ids=UNPACKED.keys())
def test_unpacked(root: Path, way: Way, archive: bytes, tree: Tree) -> None:
    store = way(archive, root)
    assert listing(store) == tree
    store.close()


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


def outcome(way: Way, archive: bytes) -> bytes | str:
    """A hash of the tree that comes of an archive, or the error."""
    try:
        store = way(archive, Path())
    except ArchiveError as refusal:
        return str(refusal)
    try:
        return tree_sum(store)
    finally:
        store.close()


def assert_ways_agree(archive: bytes) -> None:
    """One verdict and one tree, whether the archive is unpacked or read where it is."""
    assert outcome(WAYS["indexed"], archive) == outcome(WAYS["memory"], archive)


@settings(deadline=None)  # the machine may be busy
@given(
    st.sampled_from(_ALL),
    st.lists(st.tuples(st.integers(0, 4095), st.integers(0, 7)), min_size=1, max_size=4),
)
def test_flipped_bits(archive: bytes, flips: list[tuple[int, int]]) -> None:
    flipped = bytearray(archive or b"\0")
    for position, bit in flips:
        flipped[position % len(flipped)] ^= 1 << bit
    assert_ways_agree(bytes(flipped))


@settings(deadline=None)  # the machine may be busy
@given(st.sampled_from(_ALL), st.integers(0, 7), st.binary(min_size=1, max_size=12), st.integers(0, 499))
def test_lying_fields(archive: bytes, number: int, lie: bytes, at: int) -> None:
    """As bit flips, but with the checksum put right, so that they get past it."""
    start = number * 512
    block = bytearray(archive[start : start + 512].ljust(512, b"\0"))
    block[at : at + len(lie)] = lie
    assert_ways_agree(archive[:start] + _with_checksum(block[:512]) + archive[start + 512 :])


def _with_checksum(block: bytearray) -> bytes:
    block[148:156] = b" " * 8
    block[148:156] = b"%06o\0 " % sum(block)
    return bytes(block)


_ENTRIES = [archive.removesuffix(END) for archive, _ in UNPACKED.values()]


@settings(deadline=None)  # the machine may be busy
@given(st.lists(st.sampled_from(_ENTRIES), min_size=2, max_size=5))
def test_archives_in_a_row(archives: list[bytes]) -> None:
    """What is sound by itself may be a duplicate, a link to something else, or in the way of another."""
    assert_ways_agree(b"".join(archives) + END)


_BLOCKS = st.tuples(st.sampled_from(_ALL), st.integers(0, 7)).map(
    lambda pick: pick[0][pick[1] * 512 : (pick[1] + 1) * 512]
)


@settings(deadline=None)  # the machine may be busy
@given(st.lists(_BLOCKS, max_size=8))
def test_blocks_in_any_order(blocks: list[bytes]) -> None:
    assert_ways_agree(b"".join(blocks))
