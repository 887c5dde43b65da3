"""The local store: unpacked once, whole or not at all, also with several processes."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
from pathlib import Path

import pytest
from archive_builder import END, LayoutBuilder, directory, file, listing, octal

from unionfs.errors import ArchiveError, DigestError, ImageError
from unionfs.images.image import open_image
from unionfs.images.store import LayerStore, default_root, open_layers

LOWER = file(b"a", b"1") + END
UPPER = file(b"b", b"2") + END


@pytest.fixture
def layout(tmp_path: Path) -> LayoutBuilder:
    return LayoutBuilder(tmp_path / "layout")


@pytest.fixture
def store(tmp_path: Path) -> LayerStore:
    return LayerStore(tmp_path / "store")


def trees(store: LayerStore) -> list[str]:
    """Everything in the store that looks like a layer, or like half of one."""
    return sorted(path.name for path in store.root.glob("layers/*/*"))


def test_layers_are_unpacked_once(layout: LayoutBuilder, store: LayerStore) -> None:
    layout.tag(layout.image(LOWER, UPPER))
    image, layers = open_layers(f"oci:{layout.root}", store, unpacked=True)
    assert [listing(layer.store) for layer in layers] == [{b"b": "f 2"}, {b"a": "f 1"}]
    assert trees(store) == sorted(layer.chain_id.hex for layer in image.layers)
    before = [path.stat().st_ctime_ns for path in store.root.glob("layers/*/*")]
    again, same_layers = open_layers(f"oci:{layout.root}", store, unpacked=True)
    assert [path.stat().st_ctime_ns for path in store.root.glob("layers/*/*")] == before
    for each in (image, again):
        each.close()
    for layer in layers + same_layers:
        layer.store.close()


def test_the_store_is_for_its_owner_alone(layout: LayoutBuilder, store: LayerStore) -> None:
    layout.tag(layout.image(LOWER))
    open_layers(f"oci:{layout.root}", store, unpacked=True)[0].close()
    assert oct(store.root.stat().st_mode) == "0o40700"


def test_one_archive_on_two_others_is_two_layers(layout: LayoutBuilder, store: LayerStore) -> None:
    """What it looks like depends on what is beneath: here, on the directory that it has no entry for."""
    modes = []
    for mode in (0o700, 0o711):
        layout.tag(layout.image(directory(b"d", mode=octal(mode)) + END, file(b"d/f") + END), f"m{mode:o}")
        image, layers = open_layers(f"oci:{layout.root}:m{mode:o}", store, unpacked=True)
        modes.append(oct(layers[0].store.stat(b"d").mode))
        image.close()
    assert modes == ["0o40700", "0o40711"]


@pytest.mark.parametrize(
    ("bad", "kind"),
    [(file(b"a") + file(b"a") + END, ArchiveError), (file(b"x", b"1") + b"\1" * 600, ArchiveError)],
)
def test_nothing_half_unpacked_is_left(
    layout: LayoutBuilder, store: LayerStore, bad: bytes, kind: type[ImageError]
) -> None:
    layout.tag(layout.image(LOWER, bad))
    with pytest.raises(kind):
        open_layers(f"oci:{layout.root}", store, unpacked=True)
    assert len(trees(store)) == 1


def test_a_wrong_diff_id_leaves_nothing(layout: LayoutBuilder, store: LayerStore) -> None:
    rootfs = {"type": "layers", "diff_ids": ["sha256:" + "0" * 64]}
    layout.tag(layout.image(LOWER, settings={"rootfs": rootfs}))
    with pytest.raises(DigestError):
        open_layers(f"oci:{layout.root}", store, unpacked=True)
    assert trees(store) == []


def test_a_broken_image_is_refused_though_its_layers_are_there(
    layout: LayoutBuilder, store: LayerStore
) -> None:
    layout.tag(layout.image(LOWER))
    image, _ = open_layers(f"oci:{layout.root}", store, unpacked=True)
    blob = layout.blob_path(str(image.layers[0].descriptor.digest))
    image.close()
    blob.write_bytes(blob.read_bytes()[:-1] + b"\xff")
    with pytest.raises(DigestError):
        open_layers(f"oci:{layout.root}", store, unpacked=True)
    blob.unlink()
    with pytest.raises(ImageError, match="is missing"):
        open_layers(f"oci:{layout.root}", store, unpacked=True)


_UNPACK = """
import os, sys, unionfs.images.store as store
if sys.argv[3] == "die":
    # Killed with everything written and nothing published.
    store.HostStore.sync = lambda self: os.kill(os.getpid(), 9)
store.open_layers(sys.argv[1], store.LayerStore(sys.argv[2]), unpacked=True)
"""


def start(layout: LayoutBuilder, store: LayerStore, how: str) -> subprocess.Popen[bytes]:
    command = [sys.executable, "-c", _UNPACK, f"oci:{layout.root}", str(store.root), how]
    environment = os.environ | {"PYTHONPATH": str(Path(__file__).parents[2])}
    return subprocess.Popen(command, env=environment)


def test_a_crash_leaves_nothing_in_the_way(layout: LayoutBuilder, store: LayerStore) -> None:
    layout.tag(layout.image(LOWER))
    assert start(layout, store, "die").wait() == -signal.SIGKILL
    (leftover,) = trees(store)
    assert leftover.startswith(".")
    image, layers = open_layers(f"oci:{layout.root}", store, unpacked=True)
    assert listing(layers[0].store) == {b"a": "f 1"}
    assert trees(store) == [leftover[1:]]
    image.close()


def test_processes_and_threads_at_once(layout: LayoutBuilder, store: LayerStore) -> None:
    layout.tag(layout.image(*(file(b"f%d" % number, b"x" * 100_000) + END for number in range(5))))
    processes = [start(layout, store, "live") for _ in range(3)]
    threads = [
        threading.Thread(target=lambda: open_layers(f"oci:{layout.root}", store, unpacked=True))
        for _ in range(3)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert [process.wait() for process in processes] == [0, 0, 0]
    assert len(trees(store)) == 5
    assert not any(name.startswith(".") for name in trees(store))


def test_progress_is_told(layout: LayoutBuilder, store: LayerStore) -> None:
    layout.tag(layout.image(LOWER))
    told: list[tuple[str, int, int]] = []
    image, _ = open_layers(
        f"oci:{layout.root}", store, unpacked=True, progress=lambda *step: told.append(step)
    )
    descriptor = image.layers[0].descriptor
    assert told[-1] == (str(descriptor.digest), descriptor.size, descriptor.size)
    image.close()


def test_where_the_store_is(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_DATA_HOME", "/data")
    monkeypatch.setattr(os, "geteuid", lambda: 0)
    monkeypatch.delenv("UNIONFS_STORE", raising=False)
    assert default_root() == Path("/var/lib/unionfs")
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    assert default_root() == Path("/data/unionfs")
    monkeypatch.setenv("UNIONFS_STORE", "/elsewhere")
    assert default_root() == Path("/elsewhere")


def test_reading_an_image_changes_nothing_of_it(layout: LayoutBuilder, store: LayerStore) -> None:
    layout.tag(layout.image(LOWER))
    before = {path: path.stat().st_mtime_ns for path in layout.root.rglob("*")}
    open_layers(f"oci:{layout.root}", store, unpacked=True)[0].close()
    with open_image(f"oci:{layout.root}") as image:
        assert len(image.layers) == 1
    assert {path: path.stat().st_mtime_ns for path in layout.root.rglob("*")} == before
