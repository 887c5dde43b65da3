"""`unionfs.commit_image`: from an image to the next one, without a mount."""

from __future__ import annotations

from pathlib import Path

import pytest

import unionfs
from unionfs import ConfigError, images
from unionfs.cli import demo_image


@pytest.fixture
def base(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    monkeypatch.setenv("UNIONFS_STORE", str(tmp_path / "store"))
    return demo_image.make(str(tmp_path / "image"))


def test_the_changes_are_one_more_layer(base: str, tmp_path: Path) -> None:
    with unionfs.open_image(base) as fs:
        fs.path("etc/motd").write_text("Hello.\n")
        fs.unlink("app/run")
        details = images.Details(message="why", changes=("USER nobody",))
        digest = unionfs.commit_image(fs, base, f"oci:{tmp_path}/image:next", details=details)
    with images.open_image(base) as before, images.open_image(f"oci:{tmp_path}/image:next") as after:
        assert str(after.descriptor.digest) == digest
        assert [layer.diff_id for layer in after.layers[:-1]] == [layer.diff_id for layer in before.layers]
        assert after.config["history"][-1]["comment"] == "why"
        assert after.config["config"]["User"] == "nobody"
    with unionfs.open_image(f"oci:{tmp_path}/image:next") as fs:
        assert fs.path("etc/motd").read_text() == "Hello.\n"
        assert not fs.exists("app/run")
        assert fs.path("etc/motd").layer() == fs.layer_of("etc/motd") == fs.layers[1]


def test_another_image_than_the_union_lies_on_is_refused(base: str, tmp_path: Path) -> None:
    other = f"oci:{tmp_path}/image:1"
    with unionfs.open_image(other) as fs:
        with pytest.raises(ConfigError, match=f"^{base}: not the image that <UnionFS .*> lies on$"):
            unionfs.commit_image(fs, base, f"oci:{tmp_path}/image:next")
        unionfs.commit_image(fs, other, f"oci:{tmp_path}/image:other")
    with pytest.raises(unionfs.ImageNotFoundError):
        images.open_image(f"oci:{tmp_path}/image:next")
