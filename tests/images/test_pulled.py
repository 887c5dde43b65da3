"""Images of a registry, mounted: what came once is not asked for again; commits go back there."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from commandline import run, unionfs, unmounted_at_the_end
from registries import docker_registry

from unionfs.images import open_image


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("UNIONFS_STORE", str(tmp_path / "store"))
    monkeypatch.setenv("REGISTRY_AUTH_FILE", str(tmp_path / "nobody.json"))
    for name in ("U", "W", "M", "first"):
        (tmp_path / name).mkdir()
    (tmp_path / "first" / "f").write_text("first")
    unionfs("commit", "first", "oci:image:1")
    with unmounted_at_the_end(tmp_path):
        yield tmp_path


def test_mount_change_and_commit_back(here: Path) -> None:
    with docker_registry(here / "registry") as address:
        name = f"docker://{address}/base:t"
        digest = unionfs("convert", "oci:image:1", name, "--tls-verify=false").strip()
        assert "answers" in run("mount", name, "M").stderr or "SSL" in run("mount", name, "M").stderr
        unionfs("mount", name, "M", "--upper", "U", "--work", "W", "--tls-verify=false")
        assert f"docker://{address}/base@{digest}" in unionfs("mount")
        (here / "M" / "f").write_text("second")
        unionfs("commit", "M", f"docker://{address}/other:t", "--tls-verify=false")
        with open_image(f"docker://{address}/other:t", tls_verify=False) as image:
            assert len(image.layers) == 2
    # The registry is gone.
    assert unionfs("diff", "M") == "C /f\n"
    unionfs("commit", "M", "oci:image:2")
    with open_image("oci:image:2") as image:
        assert len(image.layers) == 2
    unionfs("umount", "M")
    unionfs("mount", f"docker://{address}/base@{digest}", "M")
    assert (here / "M" / "f").read_text() == "first"
    unionfs("umount", "M")


def test_a_registry_that_is_not_there(here: Path) -> None:
    done = run("mount", "docker://127.0.0.1:9/x:t", "M", "--tls-verify=false")
    assert done.returncode == 1
    assert done.stderr.endswith("127.0.0.1:9: Connection refused\n")
    assert len(done.stderr.splitlines()) == 1
