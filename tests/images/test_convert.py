"""From every form of keeping an image into every other, by us and by skopeo: the same tree each time."""

from __future__ import annotations

import itertools
import json
import os
import shutil
import subprocess
import tarfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from archive_builder import END, LayoutBuilder, directory, file, hardlink, pax, symlink
from registries import docker_registry
from trees import tree, tree_of

from unionfs.core.union import Union
from unionfs.errors import DigestError, ImageError, ImageNotFoundError
from unionfs.images import convert_squashed, memory_layers, open_image
from unionfs.images.assembly import Output
from unionfs.images.compression import Compression
from unionfs.images.convert import convert
from unionfs.images.documents import Form
from unionfs.images.squash import parse_run

PLAIN = Output(tls_verify=False)
FORMS = ("oci", "oci-archive", "docker-archive", "dir", "docker")
LAYERS = (
    directory(b"./")
    + directory(b"d")
    + file(b"d/one", b"1")
    + file(b"d/two", b"2")
    + directory(b"e")
    + file(b"e/x", b"x")
    + hardlink(b"link", b"d/one")
    + END,
    directory(b"d") + file(b"d/.wh.two") + file(b"d/three", b"3") + symlink(b"s", b"d") + END,
    directory(b"e") + file(b"e/.wh..wh..opq") + file(b"e/y", b"y") + END,
    pax(**{"SCHILY.xattr.user.a": b"v"}) + file(b"f", b"f") + file(b".wh.s") + END,
)


@pytest.fixture(scope="module")
def registry(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with docker_registry(tmp_path_factory.mktemp("registry")) as address:
        yield address


@pytest.fixture(autouse=True)
def own_store(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("UNIONFS_STORE", str(tmp_path / "layout" / "store"))


@pytest.fixture
def layout(tmp_path: Path) -> LayoutBuilder:
    made = LayoutBuilder(tmp_path / "layout")
    history = [{"created_by": f"layer {number}"} for number in range(len(LAYERS))]
    settings = {"config": {"Cmd": ["/x"]}, "history": history, "created": "2020-01-01T00:00:00Z"}
    made.tag(made.image(*LAYERS, settings=settings, annotations={"a": "b"}), "x")
    return made


def place(form: str, tmp_path: Path, registry: str) -> str:
    tag = {"oci": ":t", "oci-archive": ":t", "docker-archive": ":localhost/n:t", "dir": ""}
    if form == "docker":
        return f"docker://{registry}/{tmp_path.name.replace('_', '-').lower()}:t"
    return f"{form}:{tmp_path}/{form}{tag[form]}"


def converted(source: str, destination: str, output: Output = PLAIN) -> str:
    with open_image(source, tls_verify=False) as image:
        return str(convert(image, destination, output=output).digest)


@pytest.mark.parametrize(("first", "second"), list(itertools.product(FORMS, repeat=2)))
def test_from_any_form_into_any_other(
    layout: LayoutBuilder, tmp_path: Path, registry: str, first: str, second: str
) -> None:
    expected = tree_of(f"oci:{layout.root}:x")
    (tmp_path / "2").mkdir()
    one, other = place(first, tmp_path, registry), place(second, tmp_path / "2", registry)
    converted(f"oci:{layout.root}:x", one)
    converted(one, other)
    assert tree_of(one) == expected
    assert tree_of(other) == expected
    with open_image(other, tls_verify=False) as image:
        assert image.config["config"] == {"Cmd": ["/x"]}
        assert image.config["created"] == "2020-01-01T00:00:00Z"


@pytest.mark.parametrize("form", FORMS)
def test_skopeo_reads_what_we_write_and_we_what_it_writes(
    layout: LayoutBuilder, tmp_path: Path, registry: str, form: str
) -> None:
    ours = place(form, tmp_path, registry)
    converted(f"oci:{layout.root}:x", ours)
    (tmp_path / "theirs").mkdir()
    theirs = place(form, tmp_path / "theirs", registry)
    assert shutil.which("skopeo"), "skopeo is missing: apt-get install -y skopeo"
    flags = ["--src-tls-verify=false", "--dest-tls-verify=false"]
    command = ["skopeo", "--insecure-policy", "copy", "-q", *flags, ours, theirs]
    subprocess.run(command, check=True, timeout=60)
    assert tree_of(theirs) == tree_of(f"oci:{layout.root}:x")


def test_the_manifest_is_the_same_where_it_can_be(layout: LayoutBuilder, tmp_path: Path) -> None:
    with open_image(f"oci:{layout.root}:x") as image:
        digest = str(image.descriptor.digest)
    assert converted(f"oci:{layout.root}:x", f"oci-archive:{tmp_path}/a") == digest
    assert converted(f"oci:{layout.root}:x", f"dir:{tmp_path}/d") == digest
    assert converted(f"oci:{layout.root}:x", f"dir:{tmp_path}/d", Output(format=Form.DOCKER)) != digest


def test_the_same_archive_each_time(layout: LayoutBuilder, tmp_path: Path) -> None:
    for form in ("oci-archive", "docker-archive"):
        for name in ("one", "two"):
            converted(f"oci:{layout.root}:x", f"{form}:{tmp_path}/{form}-{name}")
        assert (tmp_path / f"{form}-one").read_bytes() == (tmp_path / f"{form}-two").read_bytes()


@pytest.mark.parametrize("compression", Compression)
def test_compression(layout: LayoutBuilder, tmp_path: Path, compression: Compression) -> None:
    converted(f"oci:{layout.root}:x", f"oci:{tmp_path}/o:t", Output(compression=compression))
    assert tree_of(f"oci:{tmp_path}/o:t") == tree_of(f"oci:{layout.root}:x")
    with open_image(f"oci:{tmp_path}/o:t") as image:
        ends = {layer.descriptor.media_type.rpartition("tar")[2].strip("+") for layer in image.layers}
        assert ends == {compression.value}
        assert json.loads(image.manifest)["annotations"] == {"a": "b"}


def test_what_a_layer_notes_stays(layout: LayoutBuilder, tmp_path: Path) -> None:
    layer = layout.layer(LAYERS[0]) | {"annotations": {"toc": "sha256:x"}}
    layout.tag(layout.image(LAYERS[0], layers=[layer]), "noted")
    converted(f"oci:{layout.root}:noted", f"dir:{tmp_path}/d", Output(format=Form.DOCKER))
    with open_image(f"dir:{tmp_path}/d") as image:
        assert image.layers[0].descriptor.annotations == {"toc": "sha256:x"}


def test_a_tar_is_an_image_of_one_layer(layout: LayoutBuilder, tmp_path: Path) -> None:
    (tmp_path / "one.tar").write_bytes(LAYERS[0])
    converted(f"tar:{tmp_path}/one.tar", f"oci:{tmp_path}/o:t")
    assert tree_of(f"oci:{tmp_path}/o:t") == tree_of(f"tar:{tmp_path}/one.tar")
    converted(f"oci:{tmp_path}/o:t", f"tar:{tmp_path}/two.tar")
    assert (tmp_path / "two.tar").read_bytes() == LAYERS[0]
    with pytest.raises(ImageError, match="a tar holds one layer"):
        converted(f"oci:{layout.root}:x", f"tar:{tmp_path}/three.tar")
    assert not (tmp_path / "three.tar").exists()


def squashed(layout: LayoutBuilder, run: str, destination: str) -> None:
    with open_image(f"oci:{layout.root}:x") as image:
        convert_squashed(image, run, destination)


RUNS = ["all", "1..2", "2..3", "3..4", "2..4", "1..4", "3..3"]


@pytest.mark.parametrize("run", RUNS)
def test_squash(layout: LayoutBuilder, tmp_path: Path, run: str, monkeypatch: pytest.MonkeyPatch) -> None:
    squashed(layout, run, f"oci:{tmp_path}/o:t")
    assert tree_of(f"oci:{tmp_path}/o:t") == tree_of(f"oci:{layout.root}:x")
    with open_image(f"oci:{tmp_path}/o:t") as image:
        first, last = parse_run(run, 4)
        assert len(image.layers) == 4 - (last - first) + 1
        history = image.config["history"]
        assert sum(not line.get("empty_layer") for line in history) == len(image.layers)
        assert [line["created_by"] for line in history if "squash" not in line["created_by"]] == [
            f"layer {number}" for number in range(4)
        ]
        assert image.config["config"] == {"Cmd": ["/x"]}


def test_squashed_into_a_tar(layout: LayoutBuilder, tmp_path: Path) -> None:
    squashed(layout, "all", f"tar:{tmp_path}/all.tar")
    assert tree_of(f"tar:{tmp_path}/all.tar") == tree_of(f"oci:{layout.root}:x")
    with tarfile.open(tmp_path / "all.tar") as archive:
        assert not any(".wh." in name for name in archive.getnames())


@pytest.mark.parametrize("run", ["0..1", "2..1", "1..5", "1", "", "-1..2", "some"])
def test_runs_that_are_none(run: str) -> None:
    with pytest.raises(ImageError, match=r"not N\.\.M of the layers 1\.\.4"):
        parse_run(run, 4)


# Destinations that cannot be written to, and sources that are broken


@pytest.mark.parametrize("form", ["oci", "oci-archive", "docker-archive", "dir"])
def test_a_broken_layer_leaves_no_image(
    layout: LayoutBuilder, tmp_path: Path, registry: str, form: str
) -> None:
    destination = place(form, tmp_path, registry)
    with open_image(f"oci:{layout.root}:x") as image:
        path = layout.blob_path(str(image.layers[1].descriptor.digest))
        path.write_bytes(bytes(path.stat().st_size))
        with pytest.raises(ImageError):
            convert(image, destination)
    with pytest.raises(ImageNotFoundError):
        open_image(destination)
    assert not [name for name in os.listdir(tmp_path) if name.startswith(".")]


def test_an_archive_is_replaced_when_the_new_one_is_whole(layout: LayoutBuilder, tmp_path: Path) -> None:
    target = tmp_path / "image.tar"
    target.write_text("precious")
    with open_image(f"oci:{layout.root}:x") as image:
        path = layout.blob_path(str(image.layers[1].descriptor.digest))
        sound = path.read_bytes()
        path.write_bytes(bytes(len(sound)))
        with pytest.raises(DigestError):
            convert(image, f"oci-archive:{target}")
        assert target.read_text() == "precious"
        path.write_bytes(sound)
        convert(image, f"oci-archive:{target}")
    converted(f"oci-archive:{target}", f"oci-archive:{target}:again")  # over what it is read from
    assert tree_of(f"oci-archive:{target}:again") == tree_of(f"oci:{layout.root}:x")


@pytest.mark.parametrize("form", ["oci-archive", "docker-archive", "tar"])
def test_a_file_in_a_directory_that_is_not_there(layout: LayoutBuilder, tmp_path: Path, form: str) -> None:
    with pytest.raises(FileNotFoundError) as caught:
        converted(f"oci:{layout.root}:x", f"{form}:{tmp_path}/no/image")
    assert caught.value.filename == str(tmp_path / "no")


def test_a_directory_with_something_else_in_it(layout: LayoutBuilder, tmp_path: Path) -> None:
    (tmp_path / "home").mkdir()
    (tmp_path / "home" / "version").write_text("1.0")
    with pytest.raises(ImageNotFoundError, match="not empty, and no image"):
        converted(f"oci:{layout.root}:x", f"dir:{tmp_path}/home")
    assert os.listdir(tmp_path / "home") == ["version"]


def test_a_directory_is_used_again(layout: LayoutBuilder, tmp_path: Path) -> None:
    layout.tag(layout.image(LAYERS[0]), "small")
    converted(f"oci:{layout.root}:x", f"dir:{tmp_path}/d")
    (tmp_path / "d" / "notes").write_text("kept")
    converted(f"oci:{layout.root}:small", f"dir:{tmp_path}/d")
    assert len(os.listdir(tmp_path / "d")) == len(["manifest", "version", "config", "layer", "notes"])
    assert tree_of(f"dir:{tmp_path}/d") == tree_of(f"oci:{layout.root}:small")


@pytest.mark.parametrize(
    ("destination", "output", "words"),
    [
        ("docker-archive:f", Output(format=Form.OCI), "cannot keep a manifest of the form 'oci'"),
        ("oci:d:t", Output(format=Form.DOCKER), "cannot keep a manifest of the form 'docker'"),
        ("docker-archive:f", Output(compression=Compression.GZIP), "without compression only"),
        (f"oci:d@sha256:{'0' * 64}", PLAIN, "an image is written to a tag"),
    ],
)
def test_what_a_destination_cannot_do(
    layout: LayoutBuilder,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    destination: str,
    output: Output,
    words: str,
) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(ImageError, match=words):
        converted(f"oci:{layout.root}:x", destination, output)
    assert os.listdir(tmp_path) == ["layout"]


def test_an_untagged_image_of_a_layout(layout: LayoutBuilder, tmp_path: Path) -> None:
    for _ in range(2):
        converted(f"oci:{layout.root}:x", f"oci:{tmp_path}/o")
    with open_image(f"oci:{tmp_path}/o") as image:
        assert tree(Union(memory_layers(image))) == tree_of(f"oci:{layout.root}:x")
