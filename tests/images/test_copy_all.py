"""``unionfs convert --all``: an index with all that it names, the same bytes in every form."""

from __future__ import annotations

import json
import shutil
import subprocess
from collections.abc import Callable, Iterator
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from archive_builder import END, LayoutBuilder, file, sha256
from registries import docker_registry

from unionfs.cli.main import main
from unionfs.errors import DigestError, ImageError
from unionfs.images import Platform, convert_all, open_image
from unionfs.images.convert import convert

INDEX = "application/vnd.oci.image.index.v1+json"
DOCKER_INDEX = "application/vnd.docker.distribution.manifest.list.v2+json"
DOCKER_MANIFEST = "application/vnd.docker.distribution.manifest.v2+json"
COMMON = file(b"common", bytes(100_000)) + END
ARCHITECTURES = ("amd64", "arm64", "s390x")


@pytest.fixture(scope="module")
def registry(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with docker_registry(tmp_path_factory.mktemp("registry")) as address:
        yield address


@pytest.fixture(autouse=True)
def no_credentials(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("REGISTRY_AUTH_FILE", str(tmp_path / "nobody.json"))


@pytest.fixture
def layout(tmp_path: Path) -> LayoutBuilder:
    return LayoutBuilder(tmp_path / "layout")


def image(layout: LayoutBuilder, architecture: str, **changed: Any) -> dict[str, Any]:
    """A member of an index."""
    made = layout.image(
        COMMON, file(b"a", architecture.encode()) + END, settings={"architecture": architecture}, **changed
    )
    return made | {"platform": {"os": "linux", "architecture": architecture}}


def attestation(layout: LayoutBuilder) -> dict[str, Any]:
    """As BuildKit puts one beside an image."""
    statement = layout.blob(b'{"_type": "statement"}', "application/vnd.in-toto+json")
    rootfs = {"type": "layers", "diff_ids": [statement["digest"]]}
    settings = {"architecture": "unknown", "os": "unknown", "rootfs": rootfs}
    made = layout.image(settings=settings, layers=[statement])
    notes = {"vnd.docker.reference.type": "attestation-manifest"}
    return made | {"platform": {"os": "unknown", "architecture": "unknown"}, "annotations": notes}


def index(layout: LayoutBuilder, *members: dict[str, Any]) -> dict[str, Any]:
    document = {"schemaVersion": 2, "mediaType": INDEX, "manifests": members, "annotations": {"a": "ü"}}
    return layout.document(document, INDEX)


def whole(layout: LayoutBuilder) -> str:
    """A sound index of everything that there may be in one; its digest."""
    inner = index(layout, image(layout, "s390x"))
    made = index(layout, image(layout, "amd64"), image(layout, "arm64"), attestation(layout), inner)
    layout.tag(made, "t")
    return str(made["digest"])


def blobs(directory: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in directory.rglob("*") if len(path.name) == 64}


def copied(source: str, destination: str) -> str:
    return str(convert_all(source, destination, tls_verify=False).digest)


def skopeo(*arguments: str) -> None:
    program = shutil.which("skopeo") or pytest.fail("skopeo is missing: apt-get install -y skopeo")
    flags = ["-q", "--all", "--src-tls-verify=false", "--dest-tls-verify=false"]
    subprocess.run([program, "--insecure-policy", "copy", *flags, *arguments], check=True, timeout=60)


def test_through_every_form_and_back(layout: LayoutBuilder, tmp_path: Path, registry: str) -> None:
    digest = whole(layout)
    before = blobs(layout.root)
    places = [
        f"oci:{layout.root}:t",
        f"docker://{registry}/all:t",
        f"oci-archive:{tmp_path}/archive.tar:t",
        f"dir:{tmp_path}/dir",
        f"oci:{tmp_path}/back:t",
    ]
    for one, other in pairwise(places):
        assert copied(one, other) == digest
        for architecture in ARCHITECTURES[:2]:
            platform = Platform("linux", architecture)
            with open_image(other, platform=platform, tls_verify=False) as found:
                assert found.config["architecture"] == architecture
    assert blobs(tmp_path / "back") == before


def test_skopeo_copies_what_we_wrote_and_we_what_it_wrote(
    layout: LayoutBuilder, tmp_path: Path, registry: str
) -> None:
    """But for an index in an index, which it does not copy."""
    made = index(layout, image(layout, "amd64"), image(layout, "arm64"), attestation(layout))
    layout.tag(made, "t")
    ours = f"docker://{registry}/skopeo:ours"
    assert copied(f"oci:{layout.root}:t", ours) == made["digest"]
    skopeo(ours, f"oci:{tmp_path}/theirs:t")
    assert blobs(tmp_path / "theirs") == blobs(layout.root)
    assert copied(f"oci:{tmp_path}/theirs:t", f"dir:{tmp_path}/ours") == made["digest"]
    skopeo(ours, f"dir:{tmp_path}/their-dir")
    names = [sorted(path.name for path in (tmp_path / each).iterdir()) for each in ("ours", "their-dir")]
    assert names[0] == names[1]


def test_what_is_no_index_is_one_image(layout: LayoutBuilder, tmp_path: Path) -> None:
    made = layout.image(COMMON)
    layout.tag(made, "t")
    assert copied(f"oci:{layout.root}:t", f"oci:{tmp_path}/copy:t") == made["digest"]


def test_a_directory_keeps_nothing_of_the_image_before(layout: LayoutBuilder, tmp_path: Path) -> None:
    whole(layout)
    alone = layout.image(COMMON)
    layout.tag(alone, "alone")
    copied(f"oci:{layout.root}:t", f"dir:{tmp_path}/dir")
    with open_image(f"oci:{layout.root}:alone") as one:
        convert(one, f"dir:{tmp_path}/dir")
    assert len(list((tmp_path / "dir").iterdir())) == 4, "manifest, version, configuration, layer"


@pytest.mark.parametrize("form", ["docker-archive", "tar"])
def test_forms_that_keep_no_index(layout: LayoutBuilder, tmp_path: Path, form: str) -> None:
    whole(layout)
    with pytest.raises(ImageError, match="cannot keep an index"):
        copied(f"oci:{layout.root}:t", f"{form}:{tmp_path}/copy")
    assert [path.name for path in tmp_path.iterdir()] == ["layout"]


def test_a_list_of_dockers_form(layout: LayoutBuilder, tmp_path: Path, registry: str) -> None:
    """It stays what it is where that can be kept, and is refused where it cannot."""
    member = layout.document(
        json.loads(layout.blob_path(image(layout, "amd64")["digest"]).read_bytes())
        | {"mediaType": DOCKER_MANIFEST},
        DOCKER_MANIFEST,
    )
    platform = {"os": "linux", "architecture": "amd64"}
    document = {"schemaVersion": 2, "mediaType": DOCKER_INDEX, "manifests": [member | {"platform": platform}]}
    made = layout.document(document, DOCKER_INDEX)
    layout.tag(made, "t")
    assert copied(f"oci:{layout.root}:t", f"dir:{tmp_path}/dir") == made["digest"]
    assert copied(f"dir:{tmp_path}/dir", f"docker://{registry}/docker:t") == made["digest"]
    with pytest.raises(ImageError, match="cannot keep an index of the form 'docker'"):
        copied(f"dir:{tmp_path}/dir", f"oci:{tmp_path}/copy:t")


def _wrong_layer(layout: LayoutBuilder) -> None:
    path = layout.blob_path(layout.layer(file(b"a", b"arm64") + END)["digest"])
    path.write_bytes(path.read_bytes()[::-1])


def _no_layer(layout: LayoutBuilder) -> None:
    layout.blob_path(layout.layer(file(b"a", b"arm64") + END)["digest"]).unlink()


def _wrong_statement(layout: LayoutBuilder) -> None:
    layout.blob_path(sha256(b'{"_type": "statement"}')).write_bytes(b'{"_type": "STATEMENT"}')


DAMAGED: dict[str, tuple[Callable[[LayoutBuilder], object], str]] = {
    "a layer of another platform": (_wrong_layer, "its digest is"),
    "no layer of another platform": (_no_layer, "is missing"),
    "an attestation": (_wrong_statement, "its digest is"),
}


@pytest.mark.parametrize("damage", DAMAGED)
def test_everything_is_verified(layout: LayoutBuilder, tmp_path: Path, damage: str) -> None:
    whole(layout)
    other = LayoutBuilder(tmp_path / "copy")
    other.tag(other.image(END), "before")
    break_, words = DAMAGED[damage]
    break_(layout)
    before = (tmp_path / "copy" / "index.json").read_bytes()
    with pytest.raises(ImageError, match=words):
        copied(f"oci:{layout.root}:t", f"oci:{tmp_path}/copy:t")
    assert (tmp_path / "copy" / "index.json").read_bytes() == before
    assert not list((tmp_path / "copy").glob(".unionfs-*"))


def _lying_config(layout: LayoutBuilder) -> dict[str, Any]:
    return image(layout, "arm64", layers=[layout.layer(COMMON)])


def _wrong_type(layout: LayoutBuilder) -> dict[str, Any]:
    odd = [layout.layer(COMMON) | {"mediaType": "text/plain"}] * 2
    return image(layout, "arm64", layers=odd)


def _manifest_as_index(layout: LayoutBuilder) -> dict[str, Any]:
    return image(layout, "arm64") | {"mediaType": INDEX}


def _wrong_size(layout: LayoutBuilder) -> dict[str, Any]:
    made = image(layout, "arm64")
    return made | {"size": made["size"] + 1}


def _no_image(layout: LayoutBuilder) -> dict[str, Any]:
    return layout.blob(b"text", "text/plain")


def _deep(layout: LayoutBuilder) -> dict[str, Any]:
    made = image(layout, "arm64")
    for _ in range(3):
        made = index(layout, made)
    return made


MEMBERS: dict[str, tuple[Callable[[LayoutBuilder], dict[str, Any]], str]] = {
    "fewer layers than diff IDs": (_lying_config, "2 diff IDs for 1 layers"),
    "layers of no known type": (_wrong_type, "unknown type 'text/plain'"),
    "a manifest called an index": (_manifest_as_index, "calls itself"),
    "another size than announced": (_wrong_size, "announced as"),
    "no manifest at all": (_no_image, "is no image: 'text/plain'"),
    "indexes within indexes": (_deep, "indexes within indexes"),
}


@pytest.mark.parametrize("member", MEMBERS)
def test_each_image_as_strictly_as_one_alone(layout: LayoutBuilder, tmp_path: Path, member: str) -> None:
    make, words = MEMBERS[member]
    layout.tag(index(layout, image(layout, "amd64"), make(layout)), "t")
    with pytest.raises(ImageError, match=words) as refused:
        copied(f"oci:{layout.root}:t", f"oci:{tmp_path}/copy:t")
    assert str(layout.root) in str(refused.value)
    assert not (tmp_path / "copy").exists()


def test_an_index_that_names_one_thing_a_thousand_times_at_every_level(
    layout: LayoutBuilder, tmp_path: Path
) -> None:
    made = image(layout, "amd64")
    for _ in range(3):
        made = index(layout, *[made] * 1000)
    layout.tag(made, "t")
    assert copied(f"oci:{layout.root}:t", f"oci:{tmp_path}/copy:t") == made["digest"]


def test_on_the_command_line(
    layout: LayoutBuilder, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    digest = whole(layout)
    assert main(["convert", "--all", f"oci:{layout.root}:t", f"oci:{tmp_path}/copy:t"]) == 0
    assert capsys.readouterr().out == f"{digest}\n"
    for flags in (["--platform", "linux/arm64"], ["--squash", "all"], ["-f", "oci"], ["--compression=none"]):
        assert main(["convert", "-a", f"oci:{layout.root}:t", f"oci:{tmp_path}/other:t", *flags]) == 1
        assert "--all keeps everything as it is: not with --" in capsys.readouterr().err
    assert not (tmp_path / "other").exists()


def test_a_digest_of_the_index_that_is_wrong(layout: LayoutBuilder, tmp_path: Path) -> None:
    digest = whole(layout)
    path = layout.blob_path(digest)
    path.write_bytes(path.read_bytes().replace(b'"a"', b'"b"'))
    with pytest.raises(DigestError):
        copied(f"oci:{layout.root}:t", f"oci:{tmp_path}/copy:t")
