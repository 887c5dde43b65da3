"""Images through the command line: mount, change, commit, and mount what was committed."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from commandline import unionfs, unmounted_at_the_end

from unionfs.images import open_image


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    for name in ("empty", "U", "W", "U2", "W2", "M"):
        (tmp_path / name).mkdir()
    monkeypatch.setenv("UNIONFS_STORE", str(tmp_path / "store"))
    with unmounted_at_the_end(tmp_path):
        yield tmp_path


def listing(root: Path) -> dict[str, bytes | None]:
    paths = sorted(root.rglob("*"))
    return {str(path.relative_to(root)): path.read_bytes() if path.is_file() else None for path in paths}


@pytest.mark.parametrize(
    "how", [[], ["--unpack"], ["--transport", "fusepy"]], ids=["indexed", "unpacked", "fusepy"]
)
def test_what_is_committed_is_what_was_mounted(here: Path, how: list[str]) -> None:
    unionfs("mount", "-o", "lowerdir=empty,upperdir=U,workdir=W", "M", cwd=here)
    (here / "M/d/sub").mkdir(parents=True)
    (here / "M/d/sub/f").write_bytes(b"first")
    (here / "M/gone").write_bytes(b"gone")
    assert unionfs("commit", "M", "oci:image:one", cwd=here).startswith("sha256:")
    unionfs("umount", "M", cwd=here)

    unionfs("mount", *how, "oci:image:one", "M", "--upper", "U2", "--work", "W2", cwd=here)
    (here / "M/gone").unlink()
    (here / "M/d").rename(here / "M/e")
    (here / "M/e/sub/f").write_bytes(b"second")
    changed = listing(here / "M")
    assert unionfs("diff", "M", cwd=here).splitlines()[0] == "D /d"
    unionfs("commit", str(here / "M"), f"oci:{here}/image:two", cwd=Path("/"))
    unionfs("umount", "M", cwd=here)

    unionfs("mount", *how, "oci:image:two", "M", cwd=here)
    assert listing(here / "M") == changed == {"e": None, "e/sub": None, "e/sub/f": b"second"}
    unionfs("umount", "M", cwd=here)


def test_an_image_is_mounted_without_unpacking_it(here: Path) -> None:
    """Whatever happens to the image meanwhile; nothing but what was read is in the store."""
    small, large = b"small", os.urandom(9 << 20)
    for name, data in (("small", small), ("large", large)):
        (here / "empty" / name).write_bytes(data)
    unionfs("mount", "-o", "lowerdir=U,upperdir=empty,workdir=W", "M", cwd=here)
    unionfs("commit", "M", "oci:image:one", cwd=here)
    unionfs("umount", "M", cwd=here)

    unionfs("mount", "oci:image:one", "M", cwd=here)
    shutil.rmtree(here / "image")
    assert not list((here / "store").glob("layers/*/*"))
    assert os.stat(here / "M/large").st_size == len(large)
    assert not list((here / "store").glob("files/*/*/*"))
    for _ in range(2):
        assert (here / "M/small").read_bytes() == small
        assert (here / "M/large").read_bytes() == large
    with open(here / "M/large", "rb") as file:
        assert os.pread(file.fileno(), 100, 5_000_000) == large[5_000_000:5_000_100]
    assert "in use" in unionfs("store", "ls", cwd=here)
    assert unionfs("store", "prune", cwd=here) == "0 B freed\n"
    unionfs("umount", "M", cwd=here)
    assert "in use" not in unionfs("store", "ls", cwd=here)
    assert len(unionfs("store", "prune", cwd=here).splitlines()) > 3


def test_two_mounts_share_what_the_store_has(here: Path) -> None:
    (here / "empty/f").write_bytes(b"data")
    unionfs("mount", "-o", "lowerdir=U,upperdir=empty,workdir=W", "M", cwd=here)
    unionfs("commit", "M", "oci:image:one", cwd=here)
    unionfs("umount", "M", cwd=here)
    (here / "M2").mkdir()
    try:
        for mountpoint in ("M", "M2"):
            unionfs("mount", "oci:image:one", mountpoint, cwd=here)
            assert (here / mountpoint / "f").read_bytes() == b"data"
        unionfs("umount", "M", cwd=here)
        assert unionfs("store", "prune", cwd=here) == "0 B freed\n"
        assert (here / "M2/f").read_bytes() == b"data"
    finally:
        unionfs("umount", "M2", cwd=here)
    assert len(list((here / "store").glob("files/*/*/*"))) == 1


def test_extended_attributes(here: Path) -> None:
    """An image that has none says so once and for all; one that has some shows them."""
    for name, attributes in (("plain", {}), ("marked", {"user.a": b"1"})):
        path = here / "empty" / name
        path.write_bytes(b"")
        for key, value in attributes.items():
            os.setxattr(path, key, value)
        unionfs("mount", "-o", "lowerdir=U,upperdir=empty,workdir=W", "M", cwd=here)
        unionfs("commit", "M", f"oci:image:{name}", cwd=here)
        unionfs("umount", "M", cwd=here)

    unionfs("mount", "oci:image:plain", "M", cwd=here)
    for _ in range(2):
        assert os.listxattr(here / "M/plain") == []
        with pytest.raises(OSError, match="not supported"):
            os.getxattr(here / "M/plain", "user.a")
    unionfs("umount", "M", cwd=here)

    unionfs("mount", "oci:image:marked", "M", cwd=here)
    assert os.getxattr(here / "M/marked", "user.a") == b"1"
    with pytest.raises(OSError, match="No data available"):
        os.getxattr(here / "M/plain", "user.a")
    unionfs("umount", "M", cwd=here)


def test_how_large_the_changes_are(here: Path) -> None:
    (here / "empty" / "gone").write_bytes(bytes(9999))
    unionfs("mount", "-o", "lowerdir=empty,upperdir=U,workdir=W", "M", cwd=here)
    (here / "M/d").mkdir()
    (here / "M/d/f").write_bytes(bytes(1500))
    (here / "M/gone").unlink()
    lines = [line.split() for line in unionfs("diff", "M", "-s", cwd=here).splitlines()]
    assert lines == [
        ["A", "/d"],
        ["1.5", "kB", "A", "/d/f"],
        ["10", "kB", "D", "/gone"],
        ["1.5", "kB", "in", "all"],
    ]
    changes = [json.loads(line) for line in unionfs("diff", "M", "--json", cwd=here).splitlines()]
    assert {"path": "/d/f", "letter": "A", "kind": "file", "size": 1500} in changes
    unionfs("umount", "M", cwd=here)


def test_what_is_said_of_a_commit_is_in_the_image(here: Path) -> None:
    (here / "U" / "f").write_bytes(b"f")
    said = ("-a", "me", "-m", "why", "-c", "CMD /f", "-c", "ENV A=1", "--created-by", "hand")
    unionfs("commit", *said, "U", "dir:image", "--format", "docker", "--compression", "none", cwd=here)
    with open_image(f"dir:{here}/image") as image:
        assert image.descriptor.media_type == "application/vnd.docker.distribution.manifest.v2+json"
        assert image.config["config"] == {"Cmd": ["/bin/sh", "-c", "/f"], "Env": ["A=1"]}
        (line,) = image.config["history"]
        assert (line["author"], line["comment"], line["created_by"]) == ("me", "why", "hand")
        assert image.layers[0].descriptor.digest == image.layers[0].diff_id
