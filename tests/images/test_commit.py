"""A union's changes as a layer and an image: read again by us, by skopeo and by umoci."""

from __future__ import annotations

import io
import json
import os
import shutil
import stat
import subprocess
import tarfile
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from archive_builder import END, LayoutBuilder, directory, file, hardlink, symlink
from trees import facts, facts_on_disk, tree, tree_of, walk

from unionfs.core import capabilities
from unionfs.core.attrs import Changes
from unionfs.core.layer import Layer, UpperLayer
from unionfs.core.node import Node
from unionfs.core.union import Union
from unionfs.dialects.aufs import AufsDialect
from unionfs.dialects.overlay import TRUSTED, OverlayDialect
from unionfs.errors import ImageError, ImageNotFoundError
from unionfs.images.commit import Details, commit
from unionfs.images.image import Image, open_image
from unionfs.images.layer_writer import LayerOptions, write_layer
from unionfs.images.store import memory_layers
from unionfs.layers.memory import MemoryStore
from unionfs.types import RenameFlags

BASE = (
    directory(b"d")
    + file(b"d/one", b"1")
    + file(b"d/two", b"2")
    + directory(b"d/sub")
    + file(b"d/sub/three", b"3")
    + file(b"f", b"old")
    + file(b"gone", b"x")
    + file(b"link-a", b"linked")
    + hardlink(b"link-b", b"link-a")
    + symlink(b"s", b"f")
    + END
)


@pytest.fixture(autouse=True)
def no_epoch(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("SOURCE_DATE_EPOCH", raising=False)


@pytest.fixture
def layout(tmp_path: Path) -> LayoutBuilder:
    made = LayoutBuilder(tmp_path / "layout")
    made.tag(
        made.image(BASE, settings={"history": [{"created_by": "base"}], "config": {"Cmd": ["/sh"]}}), "base"
    )
    return made


@pytest.fixture
def base(layout: LayoutBuilder) -> Iterator[Image]:
    with open_image(f"oci:{layout.root}:base") as image:
        yield image


def writable(lowers: list[Layer]) -> Union:
    store = MemoryStore("upper")
    return Union(lowers, UpperLayer(store, OverlayDialect(TRUSTED), MemoryStore("work", beside=store)))


def put(union: Union, path: bytes, data: bytes, mode: int = 0o644) -> Node:
    parent, _, name = path.rpartition(b"/")
    node, handle = union.create(walk(union, parent), name, mode)
    handle.write(data, 0)
    handle.close()
    union.setattr(node, Changes(mtime_ns=1_000_000_001))
    return node


def replace_a_tree(union: Union) -> None:
    d = walk(union, b"d")
    sub = walk(union, b"d/sub")
    union.unlink(sub, b"three")
    union.rmdir(d, b"sub")
    union.unlink(d, b"one")
    union.unlink(d, b"two")
    union.rmdir(union.root, b"d")
    union.mkdir(union.root, b"d", 0o700)
    put(union, b"d/new", b"n")


def swap_kinds(union: Union) -> None:
    union.unlink(union.root, b"f")
    union.mkdir(union.root, b"f", 0o755)
    put(union, b"f/inside", b"i")
    sub = walk(union, b"d/sub")
    union.unlink(sub, b"three")
    union.rmdir(walk(union, b"d"), b"sub")
    put(union, b"d/sub", b"a file now")


def make_links(union: Union) -> None:
    node = put(union, b"z-first", b"same")
    union.link(node, walk(union, b"d"), b"link")
    union.link(node, union.root, b"a-link")


def change_a_lower_link(union: Union) -> None:
    union.setattr(walk(union, b"link-b"), Changes(mode=0o600))


def set_attributes(union: Union) -> None:
    union.setattr(union.root, Changes(mode=0o711, uid=3))
    node = put(union, b"caps", b"x" * 70_000, 0o4755)
    union.setattr(node, Changes(uid=1 << 31, gid=7, mtime_ns=-5))
    for name, value in (
        (b"user.a", b"\0binary\n="),
        (b"user.empty", b""),
        (b"security.capability", bytes.fromhex("01000002 00200000") + bytes(12)),  # v2: cap_net_raw
        (b"trusted.t", b"t"),
    ):
        union.setxattr(node, name, value)


def odd_names_and_kinds(union: Union) -> None:
    put(union, b"n\xc3\xa4m\xc3\xa9 with space", b"1")
    put(union, b"\xff\xfe\n", b"2")
    put(union, b"n" * 255, b"3")
    union.symlink(union.root, b"long", b"t" * 300)
    union.mknod(union.root, b"fifo", stat.S_IFIFO | 0o600)
    union.mknod(union.root, b"dev", stat.S_IFCHR | 0o600, os.makedev(4, 300))


def rename_a_directory(union: Union) -> None:
    union.rename(union.root, b"d", union.root, b"moved", RenameFlags.NONE)


def remove_things(union: Union) -> None:
    union.unlink(union.root, b"gone")
    union.unlink(walk(union, b"d/sub"), b"three")


CHANGES: dict[str, Callable[[Union], object]] = {
    "nothing": lambda union: None,
    "remove": remove_things,
    "replace a tree": replace_a_tree,
    "swap kinds": swap_kinds,
    "new links": make_links,
    "a lower link": change_a_lower_link,
    "attributes": set_attributes,
    "odd names and kinds": odd_names_and_kinds,
    "rename a directory": rename_a_directory,
}


@pytest.mark.parametrize("change", CHANGES.values(), ids=CHANGES.keys())
def test_commit_and_open_again_changes_nothing(
    base: Image, layout: LayoutBuilder, change: Callable[[Union], object]
) -> None:
    union = writable(memory_layers(base))
    change(union)
    commit(union, base, f"oci:{layout.root}:new")
    with open_image(f"oci:{layout.root}:new") as image:
        assert len(image.layers) == 2
        assert tree(Union(memory_layers(image))) == tree(union)


def layer_of(union: Union, latest: int | None = None) -> list[tarfile.TarInfo]:
    out = io.BytesIO()
    write_layer(union, out, LayerOptions(latest))
    with tarfile.open(fileobj=io.BytesIO(out.getvalue())) as archive:
        return archive.getmembers()


def test_order(base: Image) -> None:
    union = writable(memory_layers(base))
    for path in (b"d/a", b"d/sub/x", b"d-", b"e"):
        put(union, path, b"")
    for name in (b"one", b"two"):
        union.unlink(walk(union, b"d"), name)
    union.unlink(union.root, b"gone")
    names = [member.name for member in layer_of(union)]
    assert names == [".", ".wh.gone", "d", "d/.wh.one", "d/.wh.two", "d/a", "d/sub", "d/sub/x", "d-", "e"]


def test_hard_links_go_to_the_first_name(base: Image) -> None:
    union = writable(memory_layers(base))
    make_links(union)
    links = {member.name: member.linkname for member in layer_of(union) if member.islnk()}
    assert links == {"d/link": "a-link", "z-first": "a-link"}


def test_what_belongs_in_no_layer(base: Image) -> None:
    union = writable(memory_layers(base))
    union.mknod(union.root, b"socket", stat.S_IFSOCK | 0o600)
    union.unlink(union.root, b"gone")
    union.mknod(union.root, b"gone", stat.S_IFSOCK | 0o600)
    node = put(union, b"file", b"")
    for name in (b"user.overlay.opaque", b"trusted.overlay.opaque", b"security.selinux"):
        union.setxattr(node, name, b"y")
    members = {member.name: member for member in layer_of(union)}
    assert members.keys() == {".", ".wh.gone", "file"}
    assert not any("xattr" in key for key in members["file"].pax_headers)


def test_a_name_that_would_be_a_whiteout(base: Image) -> None:
    union = writable(memory_layers(base))
    put(union, b"d/.wh.x", b"")
    with pytest.raises(ImageError, match=r"'d/\.wh\.x': an image layer would take this name for a whiteout"):
        write_layer(union, io.BytesIO())


def test_the_same_bytes_each_time(
    base: Image, layout: LayoutBuilder, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SOURCE_DATE_EPOCH", "1000")
    digests = set()
    for tag in ("first", "second"):
        union = writable(memory_layers(base))
        for change in (remove_things, make_links, set_attributes):
            change(union)
        digests.add(commit(union, base, f"oci:{layout.root}:{tag}").digest)
    assert len(digests) == 1


def test_source_date_epoch(base: Image, layout: LayoutBuilder, monkeypatch: pytest.MonkeyPatch) -> None:
    union = writable(memory_layers(base))
    put(union, b"early", b"")
    union.setattr(walk(union, b"early"), Changes(mtime_ns=5 * 10**9))
    put(union, b"late", b"")
    assert {m.name: m.mtime for m in layer_of(union, 100)} == {".": 100, "early": 5, "late": 1.000000001}
    monkeypatch.setenv("SOURCE_DATE_EPOCH", "100")
    commit(union, base, f"oci:{layout.root}:new")
    with open_image(f"oci:{layout.root}:new") as image:
        assert image.config["created"] == "1970-01-01T00:01:40Z"
    monkeypatch.setenv("SOURCE_DATE_EPOCH", "yesterday")
    with pytest.raises(ImageError, match="SOURCE_DATE_EPOCH is not a number"):
        commit(union, base, f"oci:{layout.root}:newer")


def test_the_new_image(base: Image, layout: LayoutBuilder) -> None:
    union = writable(memory_layers(base))
    put(union, b"new", b"")
    manifest = commit(union, base, f"oci:{layout.root}:new", Details(created_by="a test"))
    index = json.loads((layout.root / "index.json").read_bytes())
    tags = [item["annotations"]["org.opencontainers.image.ref.name"] for item in index["manifests"]]
    assert tags == ["base", "new"]
    with open_image(f"oci:{layout.root}:new") as image:
        assert image.descriptor.digest == manifest.digest
        assert image.layers[0].descriptor == base.layers[0].descriptor
        assert image.config["config"] == {"Cmd": ["/sh"]}
        assert [line["created_by"] for line in image.config["history"]] == ["base", "a test"]
    commit(union, base, f"oci:{layout.root}:new")
    index = json.loads((layout.root / "index.json").read_bytes())
    assert len(index["manifests"]) == 2


def test_a_new_directory_gets_the_base_blobs(base: Image, tmp_path: Path) -> None:
    target = tmp_path / "elsewhere" / "image"
    commit(writable(memory_layers(base)), base, f"oci:{target}:new")
    with open_image(f"oci:{target}") as image:
        assert len(memory_layers(image)) == 2
    assert sorted(path.name for path in target.iterdir()) == ["blobs", "index.json", "oci-layout"]


def test_without_a_base(tmp_path: Path) -> None:
    union = writable([])
    put(union, b"f", b"1")
    commit(union, None, f"oci:{tmp_path}/image:new")
    with open_image(f"oci:{tmp_path}/image:new") as image:
        assert tree(Union(memory_layers(image))) == tree(union)


@pytest.mark.parametrize("destination", ["dir", f"oci:dir@sha256:{'0' * 64}", "docker-archive:file:@0"])
def test_destinations_that_are_none(base: Image, destination: str) -> None:
    with pytest.raises(ImageNotFoundError):
        commit(writable([]), base, destination)


def test_a_failure_changes_nothing(base: Image, layout: LayoutBuilder) -> None:
    union = writable(memory_layers(base))
    put(union, b".wh.x", b"")
    before = sorted(layout.root.rglob("*"))
    with pytest.raises(ImageError):
        commit(union, base, f"oci:{layout.root}:new")
    assert sorted(layout.root.rglob("*")) == before


def test_details(base: Image, layout: LayoutBuilder, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SOURCE_DATE_EPOCH", "100")
    details = Details("make", "me <me@x>", "why", ('CMD ["/new"]', "LABEL a=b"))
    commit(writable(memory_layers(base)), base, f"oci:{layout.root}:new", details)
    with open_image(f"oci:{layout.root}:new") as image:
        assert image.config["author"] == "me <me@x>"
        assert image.config["config"] == {"Cmd": ["/new"], "Labels": {"a": "b"}}
        assert image.config["history"][-1] == {
            "created": "1970-01-01T00:01:40Z",
            "created_by": "make",
            "author": "me <me@x>",
            "comment": "why",
        }


@pytest.mark.parametrize(
    ("squash", "layers"), [("all", 1), ("2..3", 2), ("1..2", 2), ("3..3", 3), ("2..2", 3)]
)
def test_squashed_commits(base: Image, layout: LayoutBuilder, squash: str, layers: int) -> None:
    union = writable(memory_layers(base))
    union.unlink(union.root, b"gone")
    commit(union, base, f"oci:{layout.root}:two")
    with open_image(f"oci:{layout.root}:two") as two:
        union = writable(memory_layers(two))
        for change in (replace_a_tree, make_links, set_attributes):
            change(union)
        commit(union, two, f"oci:{layout.root}:three", Details(squash=squash))
    with open_image(f"oci:{layout.root}:three") as image:
        assert tree_of(image) == tree(union)
        assert len(image.layers) == layers
        assert sum(not line.get("empty_layer") for line in image.config["history"]) == layers


def test_a_squashed_commit_over_other_layers_has_them_too(base: Image, layout: LayoutBuilder) -> None:
    """What is mounted between the image and the upper layer is in the layer that stands for all."""
    between = MemoryStore("between")
    between.create(b"between", 0o644).close()
    union = writable([Layer(between, AufsDialect()), *memory_layers(base)])
    put(union, b"above", b"")
    commit(union, base, f"oci:{layout.root}:all", Details(squash="all"))
    assert tree_of(f"oci:{layout.root}:all") == tree(union)


CAPABILITY_2 = bytes.fromhex("0100000200200000") + bytes(12)
CAPABILITY_3 = bytes.fromhex("0100000300200000") + bytes(12) + (1000).to_bytes(4, "little")


@pytest.mark.parametrize("value", [CAPABILITY_2, CAPABILITY_3, b"no capability", b""])
def test_capabilities_are_those_of_no_namespace(base: Image, value: bytes) -> None:
    expected = CAPABILITY_2 if value == CAPABILITY_3 else value
    assert capabilities.portable(value) == expected


def test_labels_by_choice(base: Image) -> None:
    union = writable(memory_layers(base))
    union.setxattr(put(union, b"file", b""), b"security.selinux", b"label")
    for kept in (True, False):
        out = io.BytesIO()
        write_layer(union, out, LayerOptions(labels=kept))
        assert (b"SCHILY.xattr.security.selinux=label" in out.getvalue()) is kept


def test_sockets_are_told_of(base: Image, caplog: pytest.LogCaptureFixture) -> None:
    union = writable(memory_layers(base))
    union.mknod(union.root, b"socket", stat.S_IFSOCK | 0o600)
    layer_of(union)
    assert caplog.messages == ["left out, as they are sockets: 'socket'"]


@pytest.mark.parametrize("destination", ["oci-archive:x:t", "docker-archive:x:n:t", "dir:x"])
def test_other_destinations(
    base: Image, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, destination: str
) -> None:
    monkeypatch.chdir(tmp_path)
    union = writable(memory_layers(base))
    remove_things(union)
    commit(union, base, destination)
    assert tree_of(destination) == tree(union)


# What other tools make of it


def tool(name: str) -> str:
    found = shutil.which(name)
    if found is None:
        pytest.fail(f"{name} is missing: apt-get install -y {name}")
    return found


@pytest.fixture
def committed(base: Image, layout: LayoutBuilder) -> tuple[Union, str]:
    """An image with every change that another tool can unpack, and the union that it came from."""
    union = writable(memory_layers(base))
    for change in (remove_things, make_links, change_a_lower_link, set_attributes, odd_names_and_kinds):
        change(union)
    commit(union, base, f"oci:{layout.root}:new")
    return union, f"{layout.root}:new"


def test_skopeo_copies_it(committed: tuple[Union, str], tmp_path: Path) -> None:
    union, image = committed
    copy = tmp_path / "copy.tar"
    command = [
        tool("skopeo"),
        "--insecure-policy",
        "copy",
        "-q",
        f"oci:{image}",
        f"oci-archive:{copy}:copied",
    ]
    subprocess.run(command, check=True)
    with open_image(f"oci-archive:{copy}:copied") as copied:
        assert tree(Union(memory_layers(copied))) == tree(union)


def test_umoci_unpacks_the_same_tree(committed: tuple[Union, str], tmp_path: Path) -> None:
    if os.geteuid() != 0:
        pytest.fail("umoci unpacks owners and devices only as root")
    union, image = committed
    bundle = tmp_path / "bundle"
    subprocess.run([tool("umoci"), "unpack", "--image", image, str(bundle)], check=True)
    assert facts_on_disk(bundle / "rootfs") == facts(tree(union))


def test_umoci_repacks_it_and_we_read_that(committed: tuple[Union, str], tmp_path: Path) -> None:
    if os.geteuid() != 0:
        pytest.fail("umoci unpacks owners and devices only as root")
    _union, image = committed
    bundle = tmp_path / "bundle"
    subprocess.run([tool("umoci"), "unpack", "--image", image, str(bundle)], check=True)
    shutil.rmtree(bundle / "rootfs" / "d")
    (bundle / "rootfs" / "f").write_text("umoci")
    layout = image.rpartition(":")[0]
    subprocess.run([tool("umoci"), "repack", "--image", f"{layout}:repacked", str(bundle)], check=True)
    with open_image(f"oci:{layout}:repacked") as repacked:
        found = tree(Union(memory_layers(repacked)))
    assert not any(path == b"d" or path.startswith(b"d/") for path in found)
    assert found[b"f"][1] == b"umoci"


def test_layers_need_no_aufs_upper(base: Image, layout: LayoutBuilder) -> None:
    """The upper's own dialect does not show in the layer."""
    upper = MemoryStore("upper")
    work = MemoryStore("work", beside=upper)
    union = Union(memory_layers(base), UpperLayer(upper, AufsDialect(), work))
    union.unlink(union.root, b"gone")
    swap_kinds(union)
    commit(union, base, f"oci:{layout.root}:new")
    with open_image(f"oci:{layout.root}:new") as image:
        assert tree(Union(memory_layers(image))) == tree(union)
