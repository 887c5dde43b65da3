"""buildah and podman read what we write and show the same tree; we read what they write, in every form."""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from trees import facts, facts_on_disk, tree, tree_of

from unionfs.core.attrs import Changes
from unionfs.core.layer import UpperLayer
from unionfs.core.union import Union
from unionfs.dialects.overlay import TRUSTED, OverlayDialect
from unionfs.images import memory_layers, open_image
from unionfs.images.commit import commit
from unionfs.layers.memory import MemoryStore

# Kept beside the checkout: too large for it.
DEMO = Path(__file__).parents[2].parent / "shared" / "images" / "demo.oci.tar"

FORMS = ("oci:{}/o:t", "oci-archive:{}/a", "docker-archive:{}/d:x/y:t", "dir:{}/dir")


class Tool:
    """buildah or podman over a storage of their own."""

    def __init__(self, directory: str) -> None:
        self._storage = ["--root", f"{directory}/root", "--runroot", f"{directory}/run"]
        self._storage += ["--storage-driver", "vfs"]

    def __call__(self, program: str, *arguments: str) -> str:
        if shutil.which(program) is None:
            pytest.fail(f"{program} is missing: apt-get install -y {program}")
        command = [program, *self._storage, *arguments]
        done = subprocess.run(command, check=False, capture_output=True, text=True, timeout=100)
        assert done.returncode == 0, done.stderr
        return done.stdout.strip()


@pytest.fixture
def tool() -> Iterator[Tool]:
    if os.geteuid() != 0:
        pytest.fail("buildah and podman unpack owners and devices only as root")
    with tempfile.TemporaryDirectory(prefix="unionfs-") as directory:  # podman wants a short path
        made = Tool(directory)
        yield made
        made("buildah", "rm", "--all")
        made("podman", "image", "umount", "--all")


@pytest.fixture
def union() -> Union:
    """The demo image with changes of every sort."""
    with open_image(f"oci-archive:{DEMO}") as image:
        lowers = memory_layers(image)
    store = MemoryStore("upper")
    changed = Union(lowers, UpperLayer(store, OverlayDialect(TRUSTED), MemoryStore("work", beside=store)))
    root = changed.root
    etc = changed.lookup(root, b"etc")
    changed.unlink(changed.lookup(root, b"bin"), b"cat")
    changed.rename(root, b"data", root, b"moved")
    node, handle = changed.create(etc, b"n\xc3\xa4me", 0o640)
    handle.write(b"new", 0)
    handle.close()
    changed.link(node, root, b"linked")
    changed.setxattr(node, b"user.note", b"a\0b")
    changed.setattr(node, Changes(uid=1000, gid=1001, mtime_ns=1_000_000_000_123_456_789))
    changed.symlink(root, b"long", b"t" * 300)
    changed.mkdir(root, b"private", 0o700)
    return changed


def write(union: Union, destination: str) -> None:
    with open_image(f"oci-archive:{DEMO}") as image:
        commit(union, image, destination)


@pytest.mark.parametrize(
    "form", ["oci:{}/o:t", "oci-archive:{}/a", "docker-archive:{}/d:x/y:t", "dir:{}/dir"]
)
def test_buildah_reads_what_we_write(tool: Tool, union: Union, tmp_path: Path, form: str) -> None:
    reference = form.format(tmp_path)
    write(union, reference)
    container = tool("buildah", "from", reference)
    root = tool("buildah", "mount", container)
    assert facts_on_disk(root) == facts(tree(union))


@pytest.mark.parametrize(
    "form", ["oci:{}/o:t", "oci-archive:{}/a", "docker-archive:{}/d:x/y:t", "dir:{}/dir"]
)
@pytest.mark.parametrize("squash", [(), ("--squash",)])
def test_we_read_what_buildah_writes(
    tool: Tool, union: Union, tmp_path: Path, form: str, squash: tuple[str, ...]
) -> None:
    write(union, f"oci:{tmp_path}/ours:t")
    container = tool("buildah", "from", f"oci:{tmp_path}/ours:t")
    root = Path(tool("buildah", "mount", container))
    shutil.rmtree(root / "moved")
    (root / "moved").mkdir()
    (root / "moved" / "theirs").write_text("theirs")
    (root / "etc" / "näme").chmod(0o4755)
    for path in root.rglob("*"):  # squashed, buildah rounds times to the nearest second
        os.utime(path, (0, int(path.lstat().st_mtime)), follow_symlinks=False)
    expected = facts_on_disk(root)
    tool("buildah", "commit", "-q", *squash, container, form.format(tmp_path))
    assert facts(tree_of(form.format(tmp_path))) == expected


@pytest.mark.parametrize("form", ["docker-archive", "oci-archive", "docker-dir", "oci-dir"])
def test_podman_loads_ours_and_we_read_what_it_saves(
    tool: Tool, union: Union, tmp_path: Path, form: str
) -> None:
    write(union, f"docker-archive:{tmp_path}/ours.tar:localhost/ours:t")
    tool("podman", "load", "-q", "-i", f"{tmp_path}/ours.tar")
    root = tool("podman", "image", "mount", "localhost/ours:t")
    assert facts_on_disk(root) == facts(tree(union))
    tool("podman", "save", "-q", "--format", form, "-o", f"{tmp_path}/theirs", "localhost/ours:t")
    transport = {"docker-dir": "dir", "oci-dir": "oci"}.get(form, form)
    assert facts(tree_of(f"{transport}:{tmp_path}/theirs")) == facts(tree(union))
