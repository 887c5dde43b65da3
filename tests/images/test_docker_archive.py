"""What `docker save` writes, in its three forms, and what is wrong with such an archive."""

from __future__ import annotations

import gzip
import hashlib
import io
import json
import tarfile
from pathlib import Path
from typing import Any

import pytest
from archive_builder import END, content, file

from unionfs.errors import ArchiveError, DigestError, ImageError, ImageNotFoundError
from unionfs.images import memory_layers, open_image

ONE = file(b"a", b"1") + END
TWO = file(b"a", b"2") + END


def hexadecimal(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


def config(*archives: bytes) -> bytes:
    diff_ids = [f"sha256:{hexadecimal(archive)}" for archive in archives]
    document = {"os": "linux", "architecture": "amd64", "rootfs": {"type": "layers", "diff_ids": diff_ids}}
    return json.dumps(document).encode()


class Saved:
    """An archive, member by member."""

    def __init__(self) -> None:
        self.members: list[tuple[tarfile.TarInfo, bytes]] = []
        self.images: list[dict[str, Any]] = []

    def add(self, name: str, data: bytes) -> str:
        info = tarfile.TarInfo(name)
        info.size = len(data)
        self.members.append((info, data))
        return name

    def link(self, name: str, target: str, kind: bytes = tarfile.SYMTYPE) -> str:
        info = tarfile.TarInfo(name)
        info.type, info.linkname = kind, target
        self.members.append((info, b""))
        return name

    def image(self, configuration: bytes, layers: list[str], tags: list[str] | None) -> None:
        name = self.add(f"{hexadecimal(configuration)}.json", configuration)
        self.images.append({"Config": name, "RepoTags": tags, "Layers": layers})

    def write(self, path: Path) -> str:
        self.add("manifest.json", json.dumps(self.images).encode())
        with tarfile.open(path, "w") as archive:
            for info, data in self.members:
                archive.addfile(info, io.BytesIO(data))
        return f"docker-archive:{path}"


def read(reference: str) -> list[bytes]:
    with open_image(reference) as image:
        return [content(layer.store, b"a") for layer in memory_layers(image)]


@pytest.fixture
def several(tmp_path: Path) -> str:
    """Two images as docker wrote them up to version 24: the second takes a layer of the first by a link."""
    saved = Saved()
    saved.add("one/layer.tar", ONE)
    saved.image(config(ONE), ["one/layer.tar"], ["busybox:latest", "localhost:5000/x:y"])
    saved.link("again/layer.tar", "../one/layer.tar")
    saved.add("two/layer.tar", TWO)
    saved.image(config(ONE, TWO), ["again/layer.tar", "two/layer.tar"], None)
    return saved.write(tmp_path / "saved.tar")


def test_by_name_position_or_alone(several: str) -> None:
    assert read(f"{several}:busybox") == [b"1"]
    assert read(f"{several}:docker.io/library/busybox:latest") == [b"1"]
    assert read(f"{several}:localhost:5000/x:y") == [b"1"]
    assert read(f"{several}:@0") == [b"1"]
    assert read(f"{several}:@1") == [b"2", b"1"]
    with pytest.raises(ImageNotFoundError, match=r"names several images; there is: docker\.io/.*, @1"):
        read(several)
    for reference in (f"{several}:@2", f"{several}:other"):
        with pytest.raises(ImageNotFoundError, match="no such image"):
            read(reference)


def test_the_form_since_docker_25(tmp_path: Path) -> None:
    """An OCI layout, with docker's manifest beside its index; layers may be compressed."""
    saved = Saved()
    packed = gzip.compress(TWO, mtime=0)
    layers = [saved.add(f"blobs/sha256/{hexadecimal(data)}", data) for data in (ONE, packed)]
    configuration = config(ONE, TWO)
    name = saved.add(f"blobs/sha256/{hexadecimal(configuration)}", configuration)
    saved.images.append({"Config": name, "RepoTags": ["x:y"], "Layers": layers, "LayerSources": {}})
    saved.add("oci-layout", b'{"imageLayoutVersion": "1.0.0"}')
    reference = saved.write(tmp_path / "saved.tar")
    assert read(reference) == [b"2", b"1"]
    assert read(f"{reference}:x:y") == [b"2", b"1"]


def test_the_archive_may_be_compressed(several: str, tmp_path: Path) -> None:
    packed = tmp_path / "saved.tar.gz"
    packed.write_bytes(gzip.compress(Path(several.partition(":")[2]).read_bytes()))
    assert read(f"docker-archive:{packed}:@1") == [b"2", b"1"]


def damaged(tmp_path: Path, what: str) -> str:
    saved = Saved()
    layer = saved.add("layer.tar", ONE)
    configuration = config(ONE)
    saved.image(configuration, [layer], None)
    image = saved.images[0]
    if what == "another configuration":
        info, _ = saved.members[-1]
        other = config(TWO)
        info.size = len(other)
        saved.members[-1] = (info, other)
    elif what == "another layer":
        image["Layers"] = [saved.add("other.tar", TWO)]
    elif what == "missing layer":
        image["Layers"] = ["nowhere/layer.tar"]
    elif what == "too many layers":
        image["Layers"] = [layer, layer]
    elif what == "link out of the archive":
        image["Layers"] = [saved.link("out.tar", "../../../../../../etc/passwd")]
    elif what == "absolute link":
        image["Layers"] = [saved.link("out.tar", "/etc/passwd")]
    elif what == "links in a ring":
        image["Layers"] = [saved.link("ring", "gnir")]
        saved.link("gnir", "ring")
    elif what == "member twice":
        saved.add("layer.tar", TWO)
    elif what == "not a list":
        saved.images = {"Config": "x"}  # type: ignore[assignment]
    elif what == "layers that are numbers":
        image["Layers"] = [1]
    elif what == "no configuration":
        del image["Config"]
    return saved.write(tmp_path / "saved.tar")


@pytest.mark.parametrize(
    ("what", "kind", "words"),
    [
        ("another configuration", DigestError, "its digest is"),
        ("another layer", DigestError, "diff ID: its digest is|its digest is"),
        ("missing layer", ImageNotFoundError, "'nowhere/layer.tar' is missing"),
        ("too many layers", ImageError, "1 diff IDs for 2 layers"),
        ("link out of the archive", ImageNotFoundError, "'out.tar' is missing"),
        ("absolute link", ImageNotFoundError, "'out.tar' is missing"),
        ("links in a ring", ImageNotFoundError, "'ring' is missing"),
        ("member twice", ArchiveError, "more than once"),
        ("not a list", ImageError, "not a list of images"),
        ("layers that are numbers", ImageError, "a layer or a tag is no str"),
        ("no configuration", ImageError, "'Config' is missing"),
    ],
)
def test_damaged(tmp_path: Path, what: str, kind: type[ImageError], words: str) -> None:
    with pytest.raises(kind, match=words) as caught:
        read(damaged(tmp_path, what))
    assert "\n" not in str(caught.value)


def test_no_archive_of_docker(tmp_path: Path) -> None:
    (tmp_path / "other.tar").write_bytes(ONE)
    with pytest.raises(ImageNotFoundError, match=r"'manifest\.json' is missing"):
        read(f"docker-archive:{tmp_path}/other.tar")


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (b'[{"Config": "a", "Config": "b"}]', "'Config' comes more than once"),
        (b'[{"Config": "a", "x": NaN}]', "not JSON"),
        (b'[{"Config": "a", "x": ' + b"1" * 5000 + b"}]", "not JSON"),
        ('[{"Config": "a"}]'.encode("utf-16"), "not JSON"),
        (b"\xef\xbb\xbf" + b'[{"Config": "a"}]', "not JSON"),
        (b"[" * 100_000, "not JSON"),
        (b'{"Config": "a"}', "not a list of images"),
        (b'[{"Config": "\\ud800\\n"}]', r"\\ud800\\n.* is missing"),
    ],
)
def test_lists_that_two_readers_take_for_two_things(tmp_path: Path, data: bytes, words: str) -> None:
    saved = Saved()
    saved.add("manifest.json", data)
    with tarfile.open(tmp_path / "saved.tar", "w") as archive:
        for info, content_ in saved.members:
            archive.addfile(info, io.BytesIO(content_))
    with pytest.raises(ImageError, match=words) as told:
        open_image(f"docker-archive:{tmp_path}/saved.tar")
    assert "\n" not in str(told.value)
    assert str(told.value).startswith(f"{tmp_path}/saved.tar")


def test_nobody_is_shown_ten_thousand_names(tmp_path: Path) -> None:
    saved = Saved()
    for number in range(10_000):
        saved.images.append({"Config": "c", "RepoTags": [f"a:{number}\x1b[2J"], "Layers": []})
    with pytest.raises(ImageNotFoundError, match="and 9980 more") as told:
        open_image(saved.write(tmp_path / "saved.tar"))
    assert len(str(told.value)) < 2000
    assert "\x1b" not in str(told.value)
