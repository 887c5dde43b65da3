"""Hostile images by every way in: indexed, unpacked, on the command line. Nothing half-done after any."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path

import hostile_archives
import pytest
from archive_builder import LayoutBuilder
from hostile_images import REFUSED, SHOWN, Build, layers

import unionfs
from unionfs.cli.main import main
from unionfs.core.union import Union
from unionfs.errors import ImageError
from unionfs.images.store import LayerStore, open_layers


def _root_names(tree: hostile_archives.Tree) -> set[str]:
    """What a reader of the union sees in the root of a layer that is alone."""
    names = {path.partition(b"/")[0] for path in tree}
    return {name.decode(errors="surrogateescape") for name in names if not name.startswith(b".wh.")}


_REFUSED = REFUSED | {
    f"layer: {name}": (layers(archive), re.escape(words))
    for name, (archive, words) in hostile_archives.REFUSED.items()
}
_SHOWN = SHOWN | {
    f"layer: {name}": (layers(archive), _root_names(tree))
    for name, (archive, tree) in hostile_archives.UNPACKED.items()
}


def _names_by_python(reference: str, store: Path) -> set[str]:
    with unionfs.open_image(reference, store=store) as fs:
        return set(fs.listdir("/"))


def _names_unpacked(reference: str, store: Path) -> set[str]:
    image, unpacked = open_layers(reference, LayerStore(store), unpacked=True)
    image.close()
    union = Union(unpacked)
    try:
        return {entry.name.decode(errors="surrogateescape") for entry in union.readdir(union.root)}
    finally:
        union.close()


WAYS: dict[str, Callable[[str, Path], set[str]]] = {"indexed": _names_by_python, "unpacked": _names_unpacked}


@pytest.fixture
def layout(tmp_path: Path) -> LayoutBuilder:
    return LayoutBuilder(tmp_path / "outside" / "layout")


def everything(root: Path) -> dict[Path, tuple[int, int, bytes]]:
    """All that must not change: what is not in the local store."""
    found = {}
    for path in root.rglob("*"):
        status = path.lstat()
        found[path] = (status.st_mode, status.st_mtime_ns, beginning(path))
    return found


def beginning(path: Path) -> bytes:
    """Of a file, as much as any test writes to one that is not only holes."""
    if not path.is_file():
        return b""
    with path.open("rb") as opened:
        return opened.read(1 << 22)


def left(store: Path) -> list[str]:
    """What a store holds that is not whole."""
    found = [*store.glob("*/*/.*"), *store.glob("files/*/*/.*"), *store.glob("locks/.*")]
    return [str(path) for path in found]


@pytest.mark.parametrize("way", WAYS.values(), ids=WAYS.keys())
@pytest.mark.parametrize(("build", "words"), _REFUSED.values(), ids=_REFUSED.keys())
def test_refused(
    tmp_path: Path, layout: LayoutBuilder, way: Callable[[str, Path], set[str]], build: Build, words: str
) -> None:
    build(layout)
    before = everything(tmp_path)
    for _ in range(2):  # what the first left in the store convinces nobody
        with pytest.raises(ImageError, match=words) as caught:
            way(f"oci:{layout.root}", tmp_path / "store")
        assert "\n" not in str(caught.value)
        assert str(layout.root) in str(caught.value)
    assert left(tmp_path / "store") == []
    assert not Path("/tmp/escape").exists()
    after = everything(tmp_path)
    assert {path: after[path] for path in before} == before


@pytest.mark.parametrize(("build", "words"), _REFUSED.values(), ids=_REFUSED.keys())
def test_refused_on_the_command_line(
    tmp_path: Path,
    layout: LayoutBuilder,
    build: Build,
    words: str,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setenv("UNIONFS_STORE", str(tmp_path / "store"))
    build(layout)
    for arguments in (["ls", "-lR"], ["mount", "--upper=/nowhere", "--work=/nowhere"]):
        mountpoint = [str(tmp_path)] if arguments[0] == "mount" else []
        assert main([*arguments, f"oci:{layout.root}", *mountpoint]) == 1
        said = capsys.readouterr()
        assert said.out == ""
        assert said.err.startswith(f"unionfs {arguments[0]}: ")
        assert said.err.count("\n") == 1
        assert re.search(words, said.err)


@pytest.mark.parametrize("way", WAYS.values(), ids=WAYS.keys())
@pytest.mark.parametrize(("build", "names"), _SHOWN.values(), ids=_SHOWN.keys())
def test_shown(
    tmp_path: Path, layout: LayoutBuilder, way: Callable[[str, Path], set[str]], build: Build, names: set[str]
) -> None:
    build(layout)
    before = everything(tmp_path)
    for _ in range(2):
        assert way(f"oci:{layout.root}", tmp_path / "store") == names
    assert left(tmp_path / "store") == []
    assert not Path("/tmp/escape").exists()
    after = everything(tmp_path)
    assert {path: after[path] for path in before} == before
