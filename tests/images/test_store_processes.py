"""The local store, used by several processes at once, by some that are killed, and looked after meanwhile."""

from __future__ import annotations

import json
import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from archive_builder import END, LayoutBuilder, file

from unionfs.cli.main import main
from unionfs.images import housekeeping
from unionfs.images.store import LayerStore, open_layers

RANDOM = random.Random(1)
FILES = {b"f%d" % n: RANDOM.randbytes(40_000) for n in range(40)}
ARCHIVES = [
    b"".join(file(name, data) for name, data in list(FILES.items())[part::4]) + END for part in range(4)
]

_READ = """
import sys
from unionfs.images.store import LayerStore, open_layers
image, layers = open_layers(sys.argv[1], LayerStore(sys.argv[2]), unpacked=sys.argv[3] == "unpacked")
total = 0
for layer in layers:
    for name, _kind in layer.store.scan(b""):
        file = layer.store.open(name)
        total += len(file.pread(1 << 20, 0))
        file.close()
print(total, flush=True)
if sys.argv[4] == "stay":
    sys.stdin.read()
for layer in layers:
    layer.store.close()
"""


@pytest.fixture
def layout(tmp_path: Path) -> LayoutBuilder:
    layout = LayoutBuilder(tmp_path / "layout")
    layout.tag(layout.image(*ARCHIVES))
    return layout


@pytest.fixture
def store(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> LayerStore:
    monkeypatch.setenv("UNIONFS_STORE", str(tmp_path / "store"))
    return LayerStore(tmp_path / "store")


def start(layout: LayoutBuilder, store: LayerStore, how: str, then: str = "go") -> subprocess.Popen[str]:
    command = [sys.executable, "-c", _READ, f"oci:{layout.root}", str(store.root), how, then]
    pipe = subprocess.PIPE
    return subprocess.Popen(
        command,
        stdin=pipe,
        stdout=pipe,
        text=True,
        env=os.environ | {"PYTHONPATH": str(Path(__file__).parents[2])},
    )


def ended(process: subprocess.Popen[str]) -> tuple[int, str]:
    said, _ = process.communicate(timeout=60)
    return process.returncode, said.strip()


TOTAL = str(sum(map(len, FILES.values())))


@pytest.mark.parametrize("how", ["indexed", "unpacked"])
def test_several_at_once(layout: LayoutBuilder, store: LayerStore, how: str) -> None:
    processes = [start(layout, store, how) for _ in range(4)]
    assert [ended(process) for process in processes] == [(0, TOTAL)] * 4
    assert list(housekeeping.verify(store)) == []
    assert left_aside(store) == []


@pytest.mark.parametrize("how", ["indexed", "unpacked"])
def test_killed_at_any_moment(layout: LayoutBuilder, store: LayerStore, how: str) -> None:
    """Whatever is left, the next one gets on, and shows what it should."""
    for number in range(8):
        process = start(layout, store, how)
        time.sleep(0.05 + 0.03 * number)
        process.send_signal(signal.SIGKILL)
        ended(process)
        assert list(housekeeping.verify(store)) == []
    assert ended(start(layout, store, how)) == (0, TOTAL)
    assert list(housekeeping.verify(store)) == []


def left_aside(store: LayerStore) -> list[str]:
    return [str(path) for path in store.root.rglob(".*")]


def test_what_a_crash_left_goes_with_time(layout: LayoutBuilder, store: LayerStore) -> None:
    assert ended(start(layout, store, "indexed")) == (0, TOTAL)
    leftovers = [
        next(store.root.glob("index/*")) / ".new-abc",
        next(store.root.glob("files/*/*")) / ".new-abc",
    ]
    for path in leftovers:
        path.write_bytes(b"half")
    list(housekeeping.prune(store, unused_for=3600))
    assert all(path.exists() for path in leftovers)  # somebody may be writing it
    housekeeping._remove_abandoned(store, time.time() + 7200)
    assert left_aside(store) == []


@pytest.mark.parametrize("how", ["indexed", "unpacked"])
def test_what_is_in_use_is_not_pruned(layout: LayoutBuilder, store: LayerStore, how: str) -> None:
    process = start(layout, store, how, "stay")
    assert process.stdout is not None
    assert process.stdout.readline().strip() == TOTAL
    assert all(item.in_use for item in housekeeping.items(store))
    assert list(housekeeping.prune(store)) == []
    assert ended(process)[0] == 0
    assert not any(item.in_use for item in housekeeping.items(store))
    assert list(housekeeping.prune(store, unused_for=3600)) == []
    assert len(list(housekeeping.prune(store))) >= 8
    assert list(housekeeping.items(store)) == []
    assert ended(start(layout, store, how)) == (0, TOTAL)


def test_a_killed_user_does_not_keep_anything(layout: LayoutBuilder, store: LayerStore) -> None:
    process = start(layout, store, "indexed", "stay")
    assert process.stdout is not None
    process.stdout.readline()
    process.send_signal(signal.SIGKILL)
    ended(process)
    assert len(list(housekeeping.prune(store))) >= 8


def use(layout: LayoutBuilder, store: LayerStore) -> None:
    """Everything of the image, both ways."""
    for unpacked in (False, True):
        image, layers = open_layers(f"oci:{layout.root}", store, unpacked=unpacked)
        image.close()
        found = {}
        for layer in layers:
            for name, _kind in layer.store.scan(b""):
                opened = layer.store.open(name)
                found[name] = opened.pread(1 << 20, 0)
                opened.close()
            layer.store.close()
        assert found == FILES


@pytest.mark.parametrize("kind", ["layers", "sums", "index", "known", "files"])
def test_what_is_damaged_is_found_and_repaired(
    layout: LayoutBuilder, store: LayerStore, capsys: pytest.CaptureFixture[str], kind: str
) -> None:
    use(layout, store)
    assert main(["store", "verify"]) == 0
    (item, *_) = [item for item in housekeeping.items(store) if item.kind == kind]
    path = item.path if item.path.is_file() else next(item.path.iterdir())
    before = path.read_bytes()
    path.write_bytes(before[:-1] + bytes([before[-1] ^ 1]))
    assert main(["store", "verify"]) == 1
    assert str(item.path) in capsys.readouterr().out
    assert main(["store", "verify", "--repair"]) == 1
    assert main(["store", "verify"]) == 0
    use(layout, store)
    assert main(["store", "verify"]) == 0


def test_decompressed_copies_and_fetched_blobs_are_verified_too(
    layout: LayoutBuilder, store: LayerStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    from unionfs.images import readers
    from unionfs.images import store as store_module

    monkeypatch.setattr(readers, "_FRAME_MAX", 0)
    monkeypatch.setattr(readers, "find_spec", lambda _name: None)
    monkeypatch.setattr(store_module, "FileSource", type(None))  # as if it came over the network
    image, layers = open_layers(f"oci:{layout.root}", store)
    image.close()
    assert layers[0].store.open(b"f3").pread(9, 0) == FILES[b"f3"][:9]
    for layer in layers:
        layer.store.close()
    assert list(housekeeping.verify(store)) == []
    for kind in ("plain", "blobs"):
        path = next(store.root.glob(f"{kind}/*/*"))
        before = path.read_bytes()
        path.write_bytes(b"\xff" + before[1:])
        assert [(item.kind, item.path) for item, _ in housekeeping.verify(store)] == [(kind, path)]
        path.write_bytes(before)


def test_the_store_is_listed(
    layout: LayoutBuilder, store: LayerStore, capsys: pytest.CaptureFixture[str]
) -> None:
    image, layers = open_layers(f"oci:{layout.root}", store)
    assert main(["store", "ls"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].split() == ["KIND", "DIGEST", "SIZE", "USED"]
    assert len(lines) == 9
    assert all(line.endswith("in use") for line in lines[1:])
    digest = str(image.layers[0].descriptor.digest)
    assert f"known   {digest[:19]} " in "\n".join(lines)
    assert main(["store", "ls", "--json"]) == 0
    rows = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert len(rows) == 8
    assert ("known", digest, True) in [(row["kind"], row["digest"], row["in_use"]) for row in rows]
    for layer in layers:
        layer.store.close()
    image.close()
    assert main(["store", "prune", "--unused-for", "1"]) == 0
    assert capsys.readouterr().out == "0 B freed\n"
    assert main(["store", "prune"]) == 0
    assert len(capsys.readouterr().out.splitlines()) == 9
    assert main(["store", "ls", "--json"]) == 0
    assert capsys.readouterr().out == ""
