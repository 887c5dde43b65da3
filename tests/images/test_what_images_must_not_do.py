"""What an image may say of itself, and what may happen to it while it is read, without harm to anybody."""

from __future__ import annotations

import io
import json
import os
import pty
import subprocess
import sys
import threading
from collections.abc import Callable
from pathlib import Path

import pytest
from archive_builder import END, LayoutBuilder, content, directory, file, indexed, pax_raw, record

import unionfs
from unionfs.cli.main import main
from unionfs.core.store import Store
from unionfs.errors import ArchiveError, ImageError, UnionError
from unionfs.images import Details, Limits, memory_layers, open_image
from unionfs.images.digest import digest_of
from unionfs.images.store import LayerStore, open_layers
from unionfs.images.unpack import unpack
from unionfs.layers.host import HostStore
from unionfs.layers.memory import MemoryStore


@pytest.fixture(autouse=True)
def own_store(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("UNIONFS_STORE", str(tmp_path / "store"))
    monkeypatch.chdir(tmp_path)


@pytest.fixture
def layout(tmp_path: Path) -> LayoutBuilder:
    return LayoutBuilder(tmp_path / "layout")


# Attributes that no file can have


def _unpacked(store: MemoryStore | HostStore, archive: bytes) -> Store:
    unpack(io.BytesIO(archive), "layer", store)
    return store


WAYS: dict[str, Callable[[bytes, Path], Store]] = {
    "memory": lambda archive, _root: _unpacked(MemoryStore(), archive),
    "host": lambda archive, root: _unpacked(HostStore(root, writable=True), archive),
    "indexed": lambda archive, _root: indexed(archive),
}

ACL = b"\x02\0\0\0" + b"".join(bytes([tag, 0, 7, 0, 255, 255, 255, 255]) for tag in (1, 4, 32))
NEVER = {
    "empty capability": (b"security.capability", b"", b"f"),
    "short capability": (b"security.capability", b"\x01\0\0\x02", b"f"),
    "capability of a form that there is not": (b"security.capability", b"\0\0\0\x09" + bytes(20), b"f"),
    "ACL of another version": (b"system.posix_acl_access", b"\x03" + ACL[1:], b"f"),
    "ACL that is cut": (b"system.posix_acl_access", ACL[:-1], b"f"),
    "ACL of nonsense": (b"system.posix_acl_default", b"\x02\0\0\0" + b"\xff" * 8, b"d"),
    "huge ACL": (b"system.posix_acl_default", b"\x02\0\0\0" + ACL[4:12] * 3000, b"d"),
    "default ACL of a file": (b"system.posix_acl_default", ACL, b"f"),
    "namespace alone": (b"user.", b"x", b"f"),
    "no namespace": (b"nonsense", b"x", b"f"),
}


@pytest.mark.parametrize("way", WAYS.values(), ids=WAYS.keys())
@pytest.mark.parametrize(("name", "value", "path"), NEVER.values(), ids=NEVER.keys())
def test_attributes_that_no_file_can_have_are_left_out(
    tmp_path: Path, way: Callable[[bytes, Path], Store], name: bytes, value: bytes, path: bytes
) -> None:
    """The same in every way: some can be set, and make a file that cannot be read back."""
    (tmp_path / "root").mkdir()
    entry = directory(b"d") if path == b"d" else file(b"f")
    archive = pax_raw(record(b"SCHILY.xattr." + name, value) + record(b"SCHILY.xattr.user.a", b"v")) + entry
    store = way(archive + END, tmp_path / "root")
    assert store.listxattr(path) == [b"user.a"]
    store.close()


def test_a_default_acl_of_nonsense_is_in_nobodys_way(layout: LayoutBuilder) -> None:
    name, value, _ = NEVER["ACL of nonsense"]
    layout.tag(layout.image(pax_raw(record(b"SCHILY.xattr." + name, value)) + directory(b"d") + END))
    with unionfs.open_image("oci:layout") as fs:
        fs.path("d/new").write_text("x")
        fs.mkdir("d/e")
        unionfs.commit_image(fs, "oci:layout", "oci:committed:1")


# What is written of an image


@pytest.mark.parametrize(
    ("change", "config"),
    [
        ("ENV=A=b", {"Env": 5}),
        ("ENV=A=b", {"Env": [5]}),
        ("ENV=A=b", {"Env": {"A": "b"}}),
        ("LABEL a=b", {"Labels": ["a"]}),
        ("EXPOSE 80", {"ExposedPorts": "80"}),
        ("VOLUME /x", {"Volumes": [1]}),
        ("ONBUILD x", {"OnBuild": "y"}),
    ],
)
def test_settings_of_an_image_that_are_nonsense(
    layout: LayoutBuilder, change: str, config: dict[str, object]
) -> None:
    layout.tag(layout.image(END, settings={"config": config}))
    with (
        unionfs.open_image("oci:layout") as fs,
        pytest.raises(ImageError, match="the image's own") as told,
    ):
        unionfs.commit_image(fs, "oci:layout", "oci:new:1", details=Details(changes=(change,)))
    assert change.split("=")[0].split()[0] in str(told.value)
    assert not Path("new").exists()


@pytest.mark.parametrize("links", ["blobs", "blobs/sha256"])
def test_a_layout_does_not_lead_a_commit_out_of_it(layout: LayoutBuilder, links: str) -> None:
    """Names of blobs would do as names of, say, a cron job."""
    moved = Path("elsewhere")
    (layout.root / links).rename(moved)
    (layout.root / links).symlink_to(moved.resolve())
    (layout.root / "index.json").write_text(json.dumps({"schemaVersion": 2, "manifests": []}))
    before = sorted(moved.rglob("*"))
    with unionfs.UnionFS(MemoryStore()) as fs:
        fs.path("f").write_text("x")
        with pytest.raises(ImageError, match=f"{links}: a symbolic link"):
            unionfs.commit_image(fs, None, "oci:layout:1")
    assert sorted(moved.rglob("*")) == before
    assert not list(layout.root.glob(".unionfs-*"))


def test_a_blob_that_is_a_link_is_written_anew(layout: LayoutBuilder) -> None:
    """As it is no blob for whoever reads the layout."""
    layout.tag(layout.image(file(b"a", b"1") + END))
    os.mkdir("other")
    for each in ("blobs", "blobs/sha256"):
        (Path("other") / each).mkdir()
    blob = layout.blob_path(layout.layer(file(b"a", b"1") + END)["digest"])
    (Path("other/blobs/sha256") / blob.name).symlink_to(blob)
    assert main(["convert", "oci:layout", "oci:other:1"]) == 0
    assert not (Path("other/blobs/sha256") / blob.name).is_symlink()
    with unionfs.open_image("oci:other:1") as fs:
        assert fs.path("a").read_text() == "1"


def test_an_image_without_layers(layout: LayoutBuilder, capsys: pytest.CaptureFixture[str]) -> None:
    """It shows an empty root, whose owner may put something into it."""
    layout.tag(layout.image())
    for command in ("ls", "tree", "layers", "stat"):
        assert main([command, "oci:layout"]) == 0
    with unionfs.open_image("oci:layout") as fs:
        assert fs.listdir("/") == []
        fs.path("f").write_text("x")
        unionfs.commit_image(fs, "oci:layout", "oci:new:1")
        unionfs.commit_image(fs, "oci:layout", "oci:new:2", details=Details(squash="all"))
    for tag in ("1", "2"):
        with unionfs.open_image(f"oci:new:{tag}") as fs:
            assert fs.path("f").read_text() == "x"
        with open_image(f"oci:new:{tag}") as image:
            assert len(image.layers) == 1
    with open_image("oci:layout") as image:
        (layer,) = memory_layers(image)
        assert list(layer.store.scan(b"")) == []
    capsys.readouterr()
    assert main(["convert", "oci:layout", "tar:flat.tar"]) == 1
    assert "no layer" in capsys.readouterr().err


def test_a_layer_of_the_store_is_not_read_as_a_manifest(tmp_path: Path) -> None:
    """However long it is: it may be asked for by its digest."""
    store = LayerStore(tmp_path / "store")
    digest = digest_of(b"")
    path = store.path("blobs", digest)
    path.touch()
    os.truncate(path, 1 << 40)
    with pytest.raises(ImageError, match="larger than 4194304 bytes"):
        store.open_image(f"docker://localhost:1/n@{digest}")


# What is shown of it

NASTY = b"a\x1b[2J\nb\xff"


def on_a_terminal(*arguments: str) -> bytes:
    """What a command shows to somebody who watches."""
    leader, follower = pty.openpty()
    try:
        command = [sys.executable, "-m", "unionfs.cli", *arguments]
        done = subprocess.run(command, stdout=follower, stderr=subprocess.PIPE, timeout=60, check=False)
        os.close(follower)
        shown = b""
        try:
            while data := os.read(leader, 1 << 16):
                shown += data
        except OSError:  # EIO: nobody writes to it any more
            pass
    finally:
        os.close(leader)
    assert done.stderr == b""
    return shown


@pytest.mark.parametrize(
    "arguments", [["ls", "-lR"], ["ls"], ["tree"], ["stat"], ["diff"]], ids=lambda given: " ".join(given)
)
def test_names_do_nothing_to_a_terminal(
    layout: LayoutBuilder, arguments: list[str], capfdbinary: pytest.CaptureFixture[bytes]
) -> None:
    """A program that reads them gets them as they are."""
    layout.tag(layout.image(directory(b"d") + file(b"d/" + NASTY) + END), "1")
    layout.tag(layout.image(directory(b"d") + END), "2")
    images = {
        "diff": ["oci:layout:2", "oci:layout:1"],
        "stat": ["oci:layout:1:/d/" + os.fsdecode(NASTY)],
    }.get(arguments[0], ["oci:layout:1:/d"])
    shown = on_a_terminal(*arguments, *images)
    assert rb"a\x1b[2J\nb\udcff" in shown
    assert b"\x1b" not in shown
    if arguments[0] in ("ls", "diff"):
        assert main([*arguments, *images]) == 0
        assert NASTY in capfdbinary.readouterr().out


def test_an_error_is_one_line_whatever_it_is_about(capsys: pytest.CaptureFixture[str]) -> None:
    assert str(UnionError("a\x1b[2J\nb\udcff")) == r"a\x1b[2J\nb\udcff"
    assert main(["ls", "oci:a\x1b[2J\nb"]) == 1
    assert capsys.readouterr().err.count("\n") == 1
    assert main(["cat", "tar:/dev/null:/a\x1b[2J\nb"]) == 1
    assert "\x1b" not in capsys.readouterr().err


# Time


@pytest.mark.timeout(30)
@pytest.mark.parametrize("last_wins", [False, True])
def test_what_replaces_something_takes_no_longer_in_a_large_layer(last_wins: bool) -> None:
    """Each time the whole layer was looked through."""
    count = 20_000
    if last_wins:
        again = (directory(b"d") + file(b"d/f") + file(b"d") for _ in range(count // 2))
    else:
        again = (file(b"f%d/x" % number) for number in range(count))
    archive = b"".join([*(file(b"f%d" % number) for number in range(count)), *again, END])
    store = indexed(archive, limits=Limits(last_wins=last_wins))
    assert len(list(store.scan(b""))) == count + last_wins


# Races


def test_a_blob_that_changes_while_it_is_unpacked(layout: LayoutBuilder, tmp_path: Path) -> None:
    """The layer is what was announced, or nothing of it is there."""
    data = {b"f%d" % number: os.urandom(50_000) for number in range(40)}
    archive = b"".join(file(name, each) for name, each in data.items()) + END
    layout.tag(layout.image(archive))
    path = layout.blob_path(layout.layer(archive)["digest"])
    sound = path.read_bytes()
    ended = threading.Event()

    def disturb() -> None:
        with open(path, "r+b") as blob:
            while not ended.wait(0.002):
                os.pwrite(blob.fileno(), os.urandom(16), len(sound) // 2)
                ended.wait(0.002)
                os.pwrite(blob.fileno(), sound[len(sound) // 2 :][:16], len(sound) // 2)

    outcomes = set()
    thread = threading.Thread(target=disturb)
    thread.start()
    try:
        for number in range(30):
            store = LayerStore(tmp_path / f"store{number}")
            try:
                image, layers = open_layers("oci:layout", store, unpacked=True)
            except ImageError:
                outcomes.add("refused")
                assert not list(store.root.glob("layers/*/*"))
            else:
                outcomes.add("shown")
                image.close()
                assert {name: content(layers[0].store, name) for name in data} == data
                for layer in layers:
                    layer.store.close()
            assert not list(store.root.glob("layers/*/.*"))
    finally:
        ended.set()
        thread.join()
    assert "refused" in outcomes


def test_a_layout_that_is_swapped_for_another_while_it_is_unpacked(
    layout: LayoutBuilder, tmp_path: Path
) -> None:
    """Its directories become links, back and forth: nothing is read from there, or written."""
    archive = file(b"a", b"1") + END
    layout.tag(layout.image(archive))
    outside = tmp_path / "outside"
    outside.mkdir()
    ended = threading.Event()
    blobs, aside = layout.root / "blobs", layout.root / "aside"

    def swap() -> None:
        while not ended.wait(0.0002):
            blobs.rename(aside)
            blobs.symlink_to(outside)
            blobs.unlink()
            aside.rename(blobs)

    thread = threading.Thread(target=swap)
    thread.start()
    try:
        for number in range(60):
            store = LayerStore(tmp_path / f"store{number}")
            try:
                image, layers = open_layers("oci:layout", store, unpacked=True)
            except ImageError:
                continue
            image.close()
            assert content(layers[0].store, b"a") == b"1"
            layers[0].store.close()
    finally:
        ended.set()
        thread.join()
    assert list(outside.iterdir()) == []


def test_a_store_beneath_which_somebody_puts_links(layout: LayoutBuilder, tmp_path: Path) -> None:
    """What is half unpacked may be swapped for a link, were somebody let in: nothing outside is touched."""
    archive = b"".join(file(b"d%d/f" % number, b"1") for number in range(400)) + END
    layout.tag(layout.image(archive))
    outside = tmp_path / "outside"
    outside.mkdir()
    ended = threading.Event()
    root = tmp_path / "store/layers/sha256"

    def put_links() -> None:
        number = 0
        while not ended.is_set():
            for partial in root.glob(".*"):
                number = (number + 1) % 400
                victim = partial / f"d{number}"
                try:
                    victim.rename(partial / "moved")
                    victim.symlink_to(outside)
                except OSError:
                    pass

    thread = threading.Thread(target=put_links)
    thread.start()
    try:
        for _ in range(5):
            try:
                image, layers = open_layers("oci:layout", LayerStore(tmp_path / "store"), unpacked=True)
            except (ArchiveError, OSError):
                continue
            image.close()
            layers[0].store.close()
    finally:
        ended.set()
        thread.join()
    assert list(outside.iterdir()) == []
