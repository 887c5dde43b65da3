"""What the store keeps of a layer is held against the limits of whoever uses it, not of who had it made."""

from __future__ import annotations

import gzip
from pathlib import Path

import pytest
from archive_builder import END, LayoutBuilder, content, directory, file, pax, sha256, symlink

from unionfs.cli.main import main
from unionfs.core.layer import Layer
from unionfs.errors import ArchiveError
from unionfs.images import DEFAULT_LIMITS, Limits, housekeeping, kept, readers
from unionfs.images import store as store_module
from unionfs.images.store import LayerStore, open_layers

TAR = "application/vnd.oci.image.layer.v1.tar"
DEEP = b"/".join([b"d"] * 20)
ARCHIVE = (
    directory(b"d")
    + pax(comment=b"x" * 5000, path=DEEP + b"/" + b"n" * 200)
    + file(b"-", b"1")
    + file(b"zeros", bytes(400_000))
    + END
)

STRICTER = {
    "entries": (Limits(entries=2), "'zeros': more than 2 entries"),
    "metadata": (Limits(metadata=200), "more than 200 bytes of names and attributes"),
    "depth": (Limits(depth=20), "deeper than 20 directories"),
    "path": (Limits(path=200), "name too long"),
    "extended header": (Limits(extended_header=5000), "extended header of 52"),
    "total": (Limits(total=405_000), "more than 405000 bytes"),
    "ratio": (Limits(ratio=20, ratio_from=0), "compressed more than 20 times"),
}


@pytest.fixture
def layout(tmp_path: Path) -> LayoutBuilder:
    layout = LayoutBuilder(tmp_path / "layout")
    layout.tag(layout.image(ARCHIVE))
    return layout


@pytest.fixture
def store(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> LayerStore:
    monkeypatch.setenv("UNIONFS_STORE", str(tmp_path / "store"))
    return LayerStore(tmp_path / "store")


def use(layout: LayoutBuilder, store: LayerStore, limits: Limits, *, unpacked: bool) -> None:
    image, layers = open_layers(f"oci:{layout.root}", store, limits, unpacked=unpacked)
    image.close()
    close(layers)


def close(layers: list[Layer]) -> None:
    for layer in layers:
        layer.store.close()


def made(store: LayerStore) -> dict[str, tuple[int, bytes]]:
    """What is kept of the layer; another inode number where it was made anew."""
    found = [*store.root.glob("index/*/*"), *store.root.glob("sums/*/*"), *store.root.glob("known/*/*")]
    return {f"{path}": (path.stat().st_ino, path.read_bytes()) for path in found}


@pytest.mark.parametrize("unpacked", [False, True], ids=["indexed", "unpacked"])
@pytest.mark.parametrize(("limits", "words"), STRICTER.values(), ids=STRICTER.keys())
def test_stricter_ones(
    layout: LayoutBuilder, store: LayerStore, limits: Limits, words: str, unpacked: bool
) -> None:
    """The same error as if nothing had been kept; and for the limits of before nothing is made anew."""
    with pytest.raises(ArchiveError) as fresh:
        use(layout, LayerStore(store.root.with_name("fresh")), limits, unpacked=unpacked)
    assert words in str(fresh.value)
    use(layout, store, DEFAULT_LIMITS, unpacked=unpacked)
    before = made(store)
    for _ in range(2):
        with pytest.raises(ArchiveError) as refused:
            use(layout, store, limits, unpacked=unpacked)
        assert str(refused.value) == str(fresh.value)
    assert made(store) == before
    use(layout, store, DEFAULT_LIMITS, unpacked=unpacked)
    assert made(store) == before


@pytest.mark.parametrize("unpacked", [False, True], ids=["indexed", "unpacked"])
def test_a_path_that_only_a_symbolic_link_makes_long(
    layout: LayoutBuilder, store: LayerStore, unpacked: bool
) -> None:
    layout.manifests.clear()
    layout.tag(layout.image(symlink(b"a", DEEP) + END, file(b"a/b", b"1") + END))
    use(layout, store, DEFAULT_LIMITS, unpacked=unpacked)
    with pytest.raises(ArchiveError, match="'a/b': leads to a name that is too long"):
        use(layout, store, Limits(depth=10), unpacked=unpacked)


def test_the_ratio_belongs_to_a_blob(layout: LayoutBuilder, store: LayerStore) -> None:
    """Two blobs of one archive have one index."""
    settings = {"rootfs": {"type": "layers", "diff_ids": [sha256(ARCHIVE)]}}
    plain = layout.blob(gzip.compress(ARCHIVE, 0), f"{TAR}+gzip")
    packed = layout.blob(gzip.compress(ARCHIVE, 9), f"{TAR}+gzip")
    limits = Limits(ratio=20, ratio_from=0)
    references = []
    for tag, blob in (("plain", plain), ("packed", packed)):
        layout.tag(layout.image(settings=settings, layers=[blob]), tag)
        references.append(f"oci:{layout.root}:{tag}")
    for reference in references[::-1]:
        image, layers = open_layers(reference, store)
        image.close()
        close(layers)
    image, layers = open_layers(references[0], store, limits)
    image.close()
    close(layers)
    with pytest.raises(ArchiveError, match="compressed more than 20 times"):
        open_layers(references[1], store, limits)


def test_on_the_command_line(
    layout: LayoutBuilder, store: LayerStore, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["ls", f"oci:{layout.root}"]) == 0
    assert main(["ls", f"oci:{layout.root}", "--max-entries", "2"]) == 1
    assert "more than 2 entries" in capsys.readouterr().err


def test_an_index_of_before_there_were_tallies(layout: LayoutBuilder, store: LayerStore) -> None:
    use(layout, store, DEFAULT_LIMITS, unpacked=False)
    before = made(store)
    (path,) = store.root.glob("index/*/*")
    data = kept.read(path)
    assert data is not None
    kept.write(path, bytes(data[data.obj.find(b"unionfs index") - 16 :]))
    assert [problem for _, problem in housekeeping.verify(store)] == ["not an index of this version"]
    use(layout, store, DEFAULT_LIMITS, unpacked=False)
    assert {name: data for name, (_, data) in made(store).items()} == {
        name: data for name, (_, data) in before.items()
    }
    assert list(housekeeping.verify(store)) == []


def test_an_unpacked_layer_of_before_there_were_tallies(layout: LayoutBuilder, store: LayerStore) -> None:
    """It may be in use, so it stays; its archive is read once more."""
    use(layout, store, DEFAULT_LIMITS, unpacked=True)
    (path,) = store.root.glob("sums/*/*")
    whole = path.read_bytes()
    data = kept.read(path)
    assert data is not None
    kept.write(path, bytes(data[-16:]))
    assert list(housekeeping.verify(store)) == []
    with pytest.raises(ArchiveError):
        use(layout, store, Limits(entries=1), unpacked=True)
    use(layout, store, DEFAULT_LIMITS, unpacked=True)
    assert path.read_bytes() == whole
    assert list(housekeeping.verify(store)) == []


def test_generous_limits_hold_when_files_are_read(
    layout: LayoutBuilder, store: LayerStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What was verified is decompressed again without any."""
    monkeypatch.setattr(readers, "_FRAME_MAX", 0)
    monkeypatch.setattr(readers, "find_spec", lambda _name: None)
    for module in (readers, store_module):
        monkeypatch.setattr(module, "DEFAULT_LIMITS", Limits(total=1), raising=False)
    image, layers = open_layers(f"oci:{layout.root}", store, Limits())
    image.close()
    assert content(layers[0].store, b"zeros") == bytes(400_000)
    close(layers)
