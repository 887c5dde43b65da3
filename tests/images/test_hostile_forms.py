"""The hostile images in every other form that an image is kept in: refused all the same, or sound there."""

from __future__ import annotations

import contextlib
import json
import re
import shutil
import stat
import tarfile
from collections.abc import Callable, Iterator
from pathlib import Path

import hostile_archives
import pytest
from archive_builder import LayoutBuilder, sha256
from hostile_images import REFUSED
from registries import Handler, ScriptedServer, scripted

import unionfs
from unionfs.errors import ArchiveError, ImageError

Form = Callable[[LayoutBuilder, ScriptedServer], str]
"""Puts a layout into another form; the image's reference."""

MANIFEST = "application/vnd.oci.image.manifest.v1+json"


class Registry:
    """Serves the blobs of one layout at a time."""

    def __init__(self) -> None:
        self.layout: LayoutBuilder | None = None

    def __call__(self, handler: Handler) -> None:
        assert self.layout is not None
        name = handler.path.rpartition("/")[2]
        if name == "t":
            data, media_type = root_of(self.layout)
        else:
            data, media_type = blob(self.layout, name), "application/octet-stream"
        if data is None:
            handler.answer(404)
        else:
            handler.answer(200, data, Content_Type=media_type)


@pytest.fixture(scope="module")
def server() -> Iterator[ScriptedServer]:
    with scripted(Registry()) as server:
        yield server


@pytest.fixture(autouse=True)
def no_credentials(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("REGISTRY_AUTH_FILE", str(tmp_path / "nobody.json"))


@pytest.fixture
def layout(tmp_path: Path) -> LayoutBuilder:
    return LayoutBuilder(tmp_path / "layout")


def blob(layout: LayoutBuilder, digest: str) -> bytes | None:
    path = layout.blob_path(digest)
    return path.read_bytes() if is_small(path) else None


def is_small(path: Path) -> bool:
    status = path.lstat() if path.exists() else None
    return status is not None and stat.S_ISREG(status.st_mode) and status.st_size < 1 << 30


def root_of(layout: LayoutBuilder) -> tuple[bytes, str]:
    """What the layout's index names first, or else the index itself."""
    index = layout.root / "index.json"
    data = index.read_bytes() if is_small(index) else b"{}"
    with contextlib.suppress(ValueError, LookupError, TypeError):
        first = json.loads(data)["manifests"][0]
        found = blob(layout, first["digest"])
        if found is not None:
            return found, first["mediaType"] if re.fullmatch(r"[\w/.+-]+", first["mediaType"]) else MANIFEST
    return data, MANIFEST


def in_an_archive(layout: LayoutBuilder, _server: ScriptedServer) -> str:
    target = layout.root.with_name("image.tar")
    with tarfile.open(target, "w") as archive:
        for path in sorted(layout.root.rglob("*")):
            if not is_small(path) and not path.is_symlink():
                continue
            archive.add(path, str(path.relative_to(layout.root)), recursive=False)
    return f"oci-archive:{target}"


def side_by_side(layout: LayoutBuilder, _server: ScriptedServer) -> str:
    target = layout.root.with_name("dir")
    target.mkdir()
    (target / "version").write_text("Directory Transport Version: 1.1\n")
    (target / "manifest.json").write_bytes(root_of(layout)[0])
    for path in (layout.root / "blobs/sha256").iterdir():
        for name in (path.name, f"{path.name}.manifest.json"):
            shutil.copy(path, target / name, follow_symlinks=False) if is_small(path) else None
    return f"dir:{target}"


def in_a_registry(layout: LayoutBuilder, server: ScriptedServer) -> str:
    assert isinstance(server.script, Registry)
    server.script.layout = layout
    return f"docker://{server.address}/n:t"


OF_A_LAYOUT = re.compile(
    "tags? |version |annotations |blobs |(index|layer|layout file) (that|without)|.* named as a"
)
"""Names of images that are hostile as a layout in a directory."""

FORMS: dict[str, Form] = {"oci-archive": in_an_archive, "dir": side_by_side, "docker": in_a_registry}


@pytest.mark.parametrize("form", FORMS.values(), ids=FORMS.keys())
@pytest.mark.parametrize("name", REFUSED)
def test_an_image(
    tmp_path: Path, layout: LayoutBuilder, server: ScriptedServer, form: Form, name: str
) -> None:
    """The error is the same; but what is wrong with a layout may not be found in another form."""
    build, words = REFUSED[name]
    build(layout)
    reference = form(layout, server)
    said = outcome(reference, tmp_path / "store")
    if said is None:
        assert OF_A_LAYOUT.match(name)
    else:
        assert OF_A_LAYOUT.match(name) or re.search(words, said)
        assert "\n" not in said
        assert reference.partition(":")[2].removesuffix(":t") in said
    assert not list((tmp_path / "store").glob("*/*/.*"))


def outcome(reference: str, store: Path) -> str | None:
    try:
        unionfs.open_image(reference, store=store, tls_verify=False).close()
    except ImageError as refusal:
        return str(refusal)
    return None


def as_a_tar(archive: bytes, target: Path) -> str:
    target.write_bytes(archive)
    return f"tar:{target}"


def as_docker_saved_it(archive: bytes, target: Path) -> str:
    config = json.dumps(
        {
            "os": "linux",
            "architecture": "amd64",
            "rootfs": {"type": "layers", "diff_ids": [sha256(archive)]},
        }
    ).encode()
    listed = json.dumps([{"Config": "c.json", "RepoTags": None, "Layers": ["layer.tar"]}]).encode()
    for name, data in (("c.json", config), ("manifest.json", listed), ("layer.tar", archive)):
        target.with_name(name).write_bytes(data)
    with tarfile.open(target, "w") as saved:
        for name in ("c.json", "manifest.json", "layer.tar"):
            saved.add(target.with_name(name), name)
    return f"docker-archive:{target}"


@pytest.mark.parametrize("form", [as_a_tar, as_docker_saved_it])
@pytest.mark.parametrize("name", hostile_archives.REFUSED)
def test_a_layer(tmp_path: Path, form: Callable[[bytes, Path], str], name: str) -> None:
    archive, words = hostile_archives.REFUSED[name]
    (tmp_path / "place").mkdir()
    reference = form(archive, tmp_path / "place/image.tar")
    with pytest.raises(ArchiveError) as refused:
        unionfs.open_image(reference, store=tmp_path / "store")
    assert words in str(refused.value)
    assert "image.tar: " in str(refused.value)
    assert not list((tmp_path / "store").glob("*/*/.*"))
