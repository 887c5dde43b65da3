"""A commit of an upper layer that another program left is the layer that ours would have been."""

from __future__ import annotations

import os
import shutil
import subprocess
import tarfile
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from commandline import COMMAND, refused, unionfs, unmounted_at_the_end

from unionfs.images import open_image

KERNEL = "index=on,redirect_dir=on,metacopy=on"


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """``base.tar``, an image of the tree in ``lower``; an upper, a work directory and a mountpoint."""
    if os.geteuid() != 0:
        pytest.fail("overlayfs can only be mounted by root")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("UNIONFS_STORE", str(tmp_path / "store"))
    monkeypatch.setenv("SOURCE_DATE_EPOCH", "0")
    for name in ("lower/d/sub", "lower/e/f", "lower/m", "M"):
        (tmp_path / name).mkdir(parents=True)
    for name in ("one", "d/a", "d/b", "d/sub/c", "e/x", "e/f/y", "meta", "m/z"):
        (tmp_path / "lower" / name).write_text(name)
    for directory, _, _ in os.walk("lower"):
        os.chmod(directory, 0o755)
    with tarfile.open("base.tar", "w") as archive:
        archive.add("lower", ".")
    with unmounted_at_the_end(tmp_path):
        yield tmp_path


def change(root: Path) -> None:
    shutil.rmtree(root / "d")
    (root / "d").mkdir()
    (root / "d" / "new").write_text("new")
    (root / "one").unlink()
    (root / "meta").chmod(0o600)
    (root / "m" / "z").write_text("more")
    os.setxattr(root / "m", "user.note", b"a note")
    (root / "s").symlink_to("one")
    (root / "n").write_text("n")
    (root / "l").hardlink_to(root / "n")
    os.mkfifo(root / "fifo")


def rename(root: Path) -> None:
    """What fuse-overlayfs copies and the kernel redirects."""
    shutil.copytree(root / "e", root / "e2", copy_function=shutil.move)
    shutil.rmtree(root / "e")
    (root / "m" / "z").rename(root / "zz")


def mount(command: list[str], upper: str) -> Path:
    for name in (upper, f"{upper}.work"):
        os.mkdir(name)
    subprocess.run(command, check=True, timeout=60, capture_output=True)
    return Path("M")


def by_us(upper: str, more: str = "") -> None:
    words = f"lowerdir=lower,upperdir={upper},workdir={upper}.work{more}"
    root = mount([*COMMAND, "mount", "-o", words, "M"], upper)
    change(root)
    rename(root)
    unionfs("umount", "M")


def by_us_with_owners_in_xattrs(upper: str) -> None:
    by_us(upper, ",xattr_permissions=2")
    assert os.stat(f"{upper}/meta").st_mode & 0o777 == 0o755  # itself


def by_the_kernel(upper: str) -> None:
    words = f"lowerdir=lower,upperdir={upper},workdir={upper}.work,{KERNEL}"
    root = mount(["mount", "-t", "overlay", "overlay", "-o", words, "M"], upper)
    change(root)
    rename(root)
    subprocess.run(["umount", "M"], check=True)


def by_fuse_overlayfs(upper: str) -> None:
    if shutil.which("fuse-overlayfs") is None:
        pytest.fail("fuse-overlayfs is missing: apt-get install -y fuse-overlayfs")
    words = f"lowerdir=lower,upperdir={upper},workdir={upper}.work"
    root = mount(["fuse-overlayfs", "-o", words, "M"], upper)
    change(root)
    rename(root)
    subprocess.run(["umount", "M"], check=True)


def by_fuse_overlayfs_without_devices(upper: str) -> None:
    """Then its whiteouts are AuFS's."""
    os.environ["FUSE_OVERLAYFS_DISABLE_OVL_WHITEOUT"] = "1"
    try:
        by_fuse_overlayfs(upper)
    finally:
        del os.environ["FUSE_OVERLAYFS_DISABLE_OVL_WHITEOUT"]


def top_layer(reference: str) -> str:
    with open_image(reference) as image:
        return str(image.layers[-1].descriptor.digest)


@pytest.mark.parametrize(
    ("mounted_by", "words"),
    [
        (by_us_with_owners_in_xattrs, ("-o", "xattr_permissions=2")),
        (by_the_kernel, ()),
        (by_fuse_overlayfs, ("-o", "dialect=mixed")),
        (by_fuse_overlayfs_without_devices, ("-o", "dialect=mixed")),
    ],
)
def test_the_layer_is_the_same(here: Path, mounted_by: Callable[[str], None], words: tuple[str, ...]) -> None:
    by_us("ours")
    unionfs("commit", "ours", "oci:image:ours", "--base", "tar:base.tar")
    mounted_by("theirs")
    unionfs("commit", "theirs", "oci:image:theirs", "--base", "tar:base.tar", *words)
    assert top_layer("oci:image:theirs") == top_layer("oci:image:ours")


def test_while_the_kernel_has_it_mounted(here: Path) -> None:
    words = f"lowerdir={here}/lower,upperdir={here}/upper,workdir={here}/upper.work,{KERNEL}"
    root = mount(["mount", "-t", "overlay", "overlay", "-o", words, "M"], "upper")
    change(root)
    os.sync()
    unionfs("commit", "M", "oci:image:mounted")
    assert unionfs("diff", "M") == unionfs("diff", "upper", "-o", "lowerdir=lower")
    subprocess.run(["umount", "M"], check=True)
    unionfs("commit", "upper", "oci:image:later", "-o", "lowerdir=lower")
    assert top_layer("oci:image:mounted") == top_layer("oci:image:later")


def test_what_says_nothing_of_a_mount(here: Path) -> None:
    words = "lowerdir=lower,upperdir=upper,workdir=upper.work"
    mount([*COMMAND, "mount", "-o", words, "M"], "upper")
    said = refused("commit", "M", "oci:image:x", "--base", "tar:base.tar")
    assert said == "unionfs commit: M: mounted, so --base and -o say nothing"
