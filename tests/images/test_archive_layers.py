"""Layers that are read where they are: every compression, what is kept of them, and what is believed."""

from __future__ import annotations

import gzip
import os
import random
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from archive_builder import END, LayoutBuilder, directory, file, hardlink, listing, sha256, symlink

from unionfs.core.layer import Layer
from unionfs.core.union import Union
from unionfs.errors import DigestError
from unionfs.images import contents, kept, readers
from unionfs.images.store import LayerStore, open_layers
from unionfs.layers.archive import ArchiveStore
from unionfs.layers.read_only import ReadOnlyFile
from unionfs.types import File

if sys.version_info >= (3, 14):
    from compression import zstd
else:
    from backports import zstd

TAR = "application/vnd.oci.image.layer.v1.tar"
RANDOM = random.Random(6)
FILES = {
    b"f%d" % n: RANDOM.randbytes(size) for n, size in enumerate((0, 1, 5000, 700_000, 5_000_000, 12_345))
}
ARCHIVE = b"".join(file(name, data) for name, data in FILES.items()) + END


GZIPPED = gzip.compress(ARCHIVE, 1)


def in_pieces(compress: Callable[[bytes], bytes]) -> Callable[[bytes], bytes]:
    """As eStargz, zstd:chunked and the seekable formats do: something to begin at every so often."""
    return lambda data: b"".join(compress(data[at : at + 500_000]) for at in range(0, len(data), 500_000))


PACKINGS: dict[str, tuple[str, Callable[[bytes], bytes], str]] = {
    "plain": (TAR, bytes, "PlainContents"),
    "gzip": (f"{TAR}+gzip", lambda _archive: GZIPPED, "GzipReader"),
    "gzip members": (f"{TAR}+gzip", in_pieces(gzip.compress), "FramesReader"),
    "zstd": (f"{TAR}+zstd", zstd.compress, "Stretch"),
    "zstd frames": (f"{TAR}+zstd", in_pieces(zstd.compress), "FramesReader"),
}


@pytest.fixture
def layout(tmp_path: Path) -> LayoutBuilder:
    return LayoutBuilder(tmp_path / "layout")


@pytest.fixture
def store(tmp_path: Path) -> LayerStore:
    return LayerStore(tmp_path / "store")


def packed(layout: LayoutBuilder, media_type: str, *blobs: bytes, archives: tuple[bytes, ...]) -> list[Path]:
    """An image of these blobs, which hold these archives; where the blobs are."""
    layers = [layout.blob(blob, media_type) for blob in blobs]
    diff_ids = [sha256(archive) for archive in archives]
    settings = {"rootfs": {"type": "layers", "diff_ids": diff_ids}}
    layout.tag(layout.image(settings=settings, layers=layers))
    return [layout.blob_path(layer["digest"]) for layer in layers]


def opened(layout: LayoutBuilder, store: LayerStore) -> list[Layer]:
    image, layers = open_layers(f"oci:{layout.root}", store)
    image.close()
    return layers


def close(layers: list[Layer]) -> None:
    for layer in layers:
        layer.store.close()


def kinds_kept(store: LayerStore) -> set[str]:
    return {path.name for path in store.root.iterdir() if any(path.glob("*/*"))}


def how_it_is_read(layer: Layer) -> str:
    assert isinstance(layer.store, ArchiveStore)
    found: Any = layer.store._contents[-1]
    if isinstance(found, contents.PackedContents):
        found = found._reader
    if isinstance(found, readers.LazyReader):
        found = found._reader
    return type(found).__name__


@pytest.mark.parametrize(("media_type", "pack", "how"), PACKINGS.values(), ids=PACKINGS.keys())
def test_every_compression_is_read_anywhere(
    layout: LayoutBuilder, store: LayerStore, media_type: str, pack: Callable[[bytes], bytes], how: str
) -> None:
    packed(layout, media_type, pack(ARCHIVE), archives=(ARCHIVE,))
    for _ in range(2):  # the second time out of what was kept
        layers = opened(layout, store)
        for name in [b"f5", b"f3", b"f4", b"f0", b"f2", b"f1"]:
            data = FILES[name]
            opened_file = layers[0].store.open(name)
            for size, offset in ((10, 0), (100_000, len(data) // 2), (50, len(data) - 7), (9, len(data) + 5)):
                assert opened_file.pread(size, max(0, offset)) == data[max(0, offset) :][:size]
            assert opened_file.stat().size == len(data)
            opened_file.close()
        if media_type != TAR:
            with_descriptor = layers[0].store.open(b"f4")
            with_descriptor.pread(1, 0)
            descriptor = with_descriptor.fileno()
            assert descriptor is not None
            assert os.pread(descriptor, 9, 1) == FILES[b"f4"][1:10]
            with_descriptor.close()
        if _ == 0:
            assert how_it_is_read(layers[0]) == how
        close(layers)


def test_without_indexed_gzip_the_layer_is_decompressed_once(
    layout: LayoutBuilder, store: LayerStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(readers, "find_spec", lambda _name: None)
    packed(layout, f"{TAR}+gzip", GZIPPED, archives=(ARCHIVE,))
    layers = opened(layout, store)
    assert "plain" not in kinds_kept(store)  # nobody has read anything
    assert listing_of(layers[0]) == FILES
    assert "plain" in kinds_kept(store)
    close(layers)


def listing_of(layer: Layer) -> dict[bytes, bytes]:
    found = {}
    for name, _kind in layer.store.scan(b""):
        opened_file = layer.store.open(name)
        found[name] = opened_file.pread(1 << 30, 0)
        opened_file.close()
    return found


def test_large_files_are_not_made_whole(
    layout: LayoutBuilder, store: LayerStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(contents, "WHOLE_MAX", 1_000_000)
    packed(layout, f"{TAR}+gzip", GZIPPED, archives=(ARCHIVE,))
    layers = opened(layout, store)
    assert listing_of(layers[0]) == FILES
    sizes = {path.stat().st_size for path in store.root.glob("files/*/*/*")}
    assert sizes == {len(data) for data in FILES.values() if 0 < len(data) <= 1_000_000}
    close(layers)


def test_a_damaged_whole_file_is_made_again(layout: LayoutBuilder, store: LayerStore) -> None:
    packed(layout, f"{TAR}+gzip", GZIPPED, archives=(ARCHIVE,))
    for damage in (lambda data: data[:-1] + b"!", lambda data: data[:-1], lambda data: b""):
        layers = opened(layout, store)
        assert listing_of(layers[0]) == FILES
        close(layers)
        for path in store.root.glob("files/*/*/*"):
            path.write_bytes(damage(path.read_bytes()))
    layers = opened(layout, store)
    assert listing_of(layers[0]) == FILES
    close(layers)


@pytest.mark.parametrize("packing", ["plain", "gzip"])
def test_what_is_in_memory_is_read_without_waiting(
    layout: LayoutBuilder, store: LayerStore, packing: str
) -> None:
    media_type, pack, _how = PACKINGS[packing]
    packed(layout, media_type, pack(ARCHIVE), archives=(ARCHIVE,))
    layers = opened(layout, store)
    assert listing_of(layers[0]) == FILES
    close(layers)
    layers = opened(layout, store)
    for name, data in FILES.items():
        file = layers[0].store.open(name)
        assert read_now(file, len(data) + 1, 0) == data
        assert read_now(file, 10, len(data) // 2) == data[len(data) // 2 :][:10]
        assert read_now(file, 10, len(data) + 5) == b""
        file.close()
    close(layers)


def test_what_has_to_be_decompressed_or_compared_is_waited_for(
    layout: LayoutBuilder, store: LayerStore
) -> None:
    packed(layout, f"{TAR}+gzip", GZIPPED, archives=(ARCHIVE,))
    layers = opened(layout, store)
    file = layers[0].store.open(b"f3")
    assert read_now(file, 10, 0) is None  # nobody has decompressed it yet
    file.close()
    assert listing_of(layers[0]) == FILES
    close(layers)
    for path in store.root.glob("files/*/*/*"):
        path.write_bytes(path.read_bytes()[:-1] + b"!")
    layers = opened(layout, store)
    for name, data in FILES.items():
        if len(data) > 1:
            file = layers[0].store.open(name)
            assert read_now(file, len(data) - 1, 0) is None  # a part cannot tell
            assert read_now(file, len(data) + 1, 0) is None  # and the whole tells that it is damaged
            assert file.fileno() is None
            assert file.pread(len(data) + 1, 0) == data
            assert read_now(file, len(data) + 1, 0) == data
            assert file.fileno() is not None
            file.close()
    close(layers)


def read_now(file: File, size: int, offset: int) -> bytes | None:
    """What a thread that must not wait gets to read; None where it has to wait."""
    assert isinstance(file, ReadOnlyFile)
    buffer = bytearray(size)
    try:
        read = file.readinto_now(memoryview(buffer), offset)
    except BlockingIOError:
        return None
    return bytes(buffer[:read])


def test_a_store_that_is_full_can_be_read_from(
    layout: LayoutBuilder, store: LayerStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    packed(layout, f"{TAR}+gzip", GZIPPED, archives=(ARCHIVE,))
    layers = opened(layout, store)

    def full(_path: Path) -> object:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(kept, "aside", full)
    assert listing_of(layers[0]) == FILES
    close(layers)
    assert kinds_kept(store) == {"index", "known"}


def estargz() -> tuple[bytes, bytes]:
    """As stargz-snapshotter's estargz.md has it: a member for every header and file, a TOC, a footer."""
    toc = file(b"stargz.index.json", b'{"version":1,"entries":[{"name":"f1","type":"symlink"}]}')
    parts = [file(name, data) for name, data in FILES.items()] + [toc, END]
    members = [gzip.compress(half, 1) for part in parts for half in (part[:512], part[512:]) if half]
    footer = (
        b"\x1f\x8b\x08\x04" + bytes(5) + b"\xff\x1a\x00SG\x16\x00" + b"%016xSTARGZ" % len(b"".join(members))
    )
    return b"".join(members) + footer + b"\x01\x00\x00\xff\xff" + bytes(8), b"".join(parts)


def zstd_chunked() -> tuple[bytes, bytes]:
    """As containers/storage writes it: a frame for every file, the TOC and a footer in skippable frames."""
    frames = [zstd.compress(file(name, data)) for name, data in FILES.items()]
    skippable = [
        b"\x50\x2a\x4d\x18" + len(data).to_bytes(4, "little") + data for data in (b"{TOC}" * 9, bytes(64))
    ]
    return b"".join([*frames, zstd.compress(END), *skippable]), ARCHIVE


@pytest.mark.parametrize(
    ("media_type", "make"),
    [(f"{TAR}+gzip", estargz), (f"{TAR}+zstd", zstd_chunked)],
    ids=["estargz", "zstd:chunked"],
)
def test_tables_of_contents_are_not_believed_but_their_frames_are_used(
    layout: LayoutBuilder,
    store: LayerStore,
    media_type: str,
    make: Callable[[], tuple[bytes, bytes]],
) -> None:
    blob, archive = make()
    packed(layout, media_type, blob, archives=(archive,))
    layers = opened(layout, store)
    found = listing_of(layers[0])
    found.pop(b"stargz.index.json", None)
    assert found == FILES
    assert how_it_is_read(layers[0]) == "FramesReader"
    close(layers)


# Trust


def test_a_blob_that_changes_beneath_a_mount_is_not_read(layout: LayoutBuilder, store: LayerStore) -> None:
    (blob,) = packed(layout, TAR, ARCHIVE, archives=(ARCHIVE,))
    layers = opened(layout, store)
    open_already = layers[0].store.open(b"f2")
    with open(blob, "r+b") as writing:
        writing.seek(512)
        writing.write(b"evil")
    with pytest.raises(OSError, match="Input/output error"):
        open_already.pread(1, 0)
    with pytest.raises(OSError, match="Input/output error"):
        layers[0].store.open(b"f2")
    close(layers)
    with pytest.raises(DigestError):
        opened(layout, store)


def test_a_blob_that_is_removed_or_replaced_beneath_a_mount_is_read_on(
    layout: LayoutBuilder, store: LayerStore
) -> None:
    (blob,) = packed(layout, f"{TAR}+gzip", GZIPPED, archives=(ARCHIVE,))
    layers = opened(layout, store)
    blob.unlink()
    blob.write_bytes(b"something else")
    assert listing_of(layers[0]) == FILES
    close(layers)


def test_a_copy_of_a_known_blob_is_verified_before_it_is_shown(
    layout: LayoutBuilder, store: LayerStore
) -> None:
    (blob,) = packed(layout, TAR, ARCHIVE, archives=(ARCHIVE,))
    close(opened(layout, store))
    data = blob.read_bytes()
    blob.unlink()
    blob.write_bytes(data)
    close(opened(layout, store))
    blob.unlink()
    blob.write_bytes(data[:600] + b"evil" + data[604:])
    with pytest.raises(DigestError):
        opened(layout, store)


def test_an_index_is_of_use_for_the_same_layer_in_another_compression(
    layout: LayoutBuilder, store: LayerStore
) -> None:
    packed(layout, TAR, ARCHIVE, archives=(ARCHIVE,))
    close(opened(layout, store))
    layout.manifests.clear()
    packed(layout, f"{TAR}+gzip", GZIPPED, archives=(ARCHIVE,))
    layers = opened(layout, store)
    assert listing_of(layers[0]) == FILES
    assert len(list(store.root.glob("index/*/*"))) == 1
    close(layers)


@pytest.mark.parametrize("kind", ["index", "known", "points"])
@pytest.mark.parametrize(
    "damage", [lambda data: b"", lambda data: data[:-1] + b"\xff", lambda data: data[:99]]
)
def test_what_is_damaged_is_made_again(
    layout: LayoutBuilder, store: LayerStore, kind: str, damage: Callable[[bytes], bytes]
) -> None:
    packed(layout, f"{TAR}+gzip", GZIPPED, archives=(ARCHIVE,))
    layers = opened(layout, store)
    assert listing_of(layers[0]) == FILES
    close(layers)
    (path,) = store.root.glob(f"{kind}/*/*")
    before = path.read_bytes()
    path.write_bytes(damage(before))
    for whole in store.root.glob("files/*/*/*"):
        whole.unlink()
    layers = opened(layout, store)
    assert listing_of(layers[0]) == FILES
    close(layers)
    assert path.read_bytes() == before


# Layers on layers


def test_a_link_to_a_file_beneath_is_read_from_the_blob_beneath(
    layout: LayoutBuilder, store: LayerStore
) -> None:
    lower = directory(b"d") + file(b"d/f", b"data" * 3000) + symlink(b"s", b"d") + END
    upper = hardlink(b"one", b"s/f") + hardlink(b"two", b"one") + file(b"own", b"2") + END
    top = hardlink(b"three", b"one") + END
    blobs = [gzip.compress(archive) for archive in (lower, upper, top)]
    packed(layout, f"{TAR}+gzip", *blobs, archives=(lower, upper, top))
    for _ in range(2):
        layers = opened(layout, store)
        content = "f " + "data" * 3000
        assert listing(layers[0].store) == {b"three": content}
        assert listing(layers[1].store) == {b"one": content, b"two": content, b"own": "f 2"}
        assert layers[1].store.stat(b"two").nlink == 2
        close(layers)


def test_numbers_and_handles_outlast_the_store(layout: LayoutBuilder, store: LayerStore) -> None:
    """What an upper layer remembers of lower files is found again, also when the index is made anew."""
    archive = b"".join(file(b"f%d" % n) for n in range(9)) + hardlink(b"l", b"f3") + END
    packed(layout, TAR, archive, archives=(archive,))
    seen = []
    for _ in range(2):
        layers = opened(layout, store)
        top = layers[0].store
        handles = [top.handle(name) for name, _kind in sorted(top.scan(b""))]
        seen.append((handles, [top.stat(b"f%d" % n).ino for n in range(9)], top.hard_links()))
        handle = handles[3]
        assert handle is not None
        assert top.find(handle) == (top.stat(b"f3").dev, top.stat(b"f3").ino)
        assert top.find(handle[:-1] + b"\xff") != top.find(handle)
        close(layers)
        for path in store.root.glob("index/*/*"):
            path.unlink()
    assert seen[0] == seen[1]


def test_a_union_over_indexed_layers(layout: LayoutBuilder, store: LayerStore) -> None:
    lower = directory(b"d") + file(b"d/old", b"1") + file(b"gone", b"1") + END
    upper = file(b"d/.wh..wh..opq") + file(b"d/new", b"2") + file(b".wh.gone") + END
    packed(layout, TAR, lower, upper, archives=(lower, upper))
    union = Union(opened(layout, store))
    assert [entry.name for entry in union.readdir(union.root)] == [b"d"]
    node = union.lookup(union.root, b"d")
    assert [entry.name for entry in union.readdir(node)] == [b"new"]
    union.close()
