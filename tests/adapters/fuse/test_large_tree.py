"""20,000 files (over fusepy, 2,000), walked and changed through our mount and the kernel's overlayfs."""

from __future__ import annotations

import os
import shutil
import stat
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from mounts import Mount

from unionfs.adapters.fuse import transports

LAYERS, FILES = 4, 100
CHANGED_EVERY = 5
"""Every so many directories are changed, and their files' content is compared."""


def fill(lower: Path, number: int, directories: int) -> None:
    """A fourth of the files; every tenth hides one of the layer beneath."""
    for directory in range(directories):
        path = lower / f"d{directory}" / f"s{number}"
        path.mkdir(parents=True)
        for file in range(FILES):
            target = path if file % 10 else path.parent
            (target / f"f{file}").write_bytes(b"%d:%d" % (number, file))


def change(root: Path, directories: int) -> None:
    """A bit of everything, spread over the tree."""
    for directory in range(0, directories, CHANGED_EVERY):
        top = root / f"d{directory}"
        for file in range(0, FILES, 10):
            os.chmod(top / f"f{file}", 0o600 + file % 8)
        for file in range(1, FILES, 10):
            with open(top / "s0" / f"f{file}", "ab") as opened:
                opened.write(b" and more")
        for file in range(2, FILES, 10):
            os.unlink(top / "s1" / f"f{file}")
        shutil.rmtree(top / "s2")
        (top / "s2").mkdir()
        (top / "s2" / "new").write_bytes(b"new")
        os.rename(top / "s3", top / "moved")
        os.link(top / "moved" / "f1", top / "linked")
        os.symlink("moved/f1", top / "symlink")
    os.rename(root / "d1", root / "d0" / "inner")


def tree(root: Path) -> dict[str, tuple[object, ...]]:
    found = {}
    for directory, names, files in os.walk(root):
        for name in (*names, *files):
            path = os.path.relpath(os.path.join(directory, name), root)
            found[path] = facts(root, path)
    return found


def facts(root: Path, path: str) -> tuple[object, ...]:
    status = os.lstat(root / path)
    common = (stat.filemode(status.st_mode), status.st_uid, status.st_gid)
    if stat.S_ISDIR(status.st_mode):
        return common
    if stat.S_ISLNK(status.st_mode):
        return (*common, os.readlink(root / path))
    changed = int(path.split("/")[0][1:]) % CHANGED_EVERY == 0
    return (*common, status.st_size, status.st_nlink, changed and (root / path).read_bytes())


@pytest.fixture
def overlay(tmp_path: Path) -> Iterator[Path]:
    """An empty mountpoint for the kernel's overlayfs."""
    for name in ("kernel-upper", "kernel-work", "kernel"):
        (tmp_path / name).mkdir()
    yield tmp_path / "kernel"
    subprocess.run(["umount", "-l", tmp_path / "kernel"], check=False, capture_output=True)


def test_it_is_the_same_tree_before_and_after(prepared: Mount, overlay: Path, tmp_path: Path) -> None:
    directories = 50 if prepared.transport == transports.NATIVE else 5
    lowers = [prepared.lower / str(number) for number in range(LAYERS)]
    for number, lower in enumerate(lowers):
        lower.mkdir()
        fill(lower, number, directories)
    words = ":".join(map(str, lowers))
    prepared.words = f"lowerdir={words},upperdir={prepared.upper},workdir={prepared.work}"
    prepared.mount()
    # Relative, for fsconfig(2), which newer mount(8) uses, takes no value of over 255 bytes.
    words = ":".join(f"lower/{number}" for number in range(LAYERS))
    switches = "index=on,redirect_dir=on,metacopy=on,xino=on"
    kernel = f"lowerdir={words},upperdir=kernel-upper,workdir=kernel-work,{switches}"
    command = ["mount", "-t", "overlay", "overlay", "-o", kernel, "kernel"]
    subprocess.run(command, cwd=tmp_path, check=True)
    ours = tree(prepared.merged)
    assert len(ours) > LAYERS * directories * FILES * 0.9
    assert ours == tree(overlay)
    change(prepared.merged, directories)
    change(overlay, directories)
    assert tree(prepared.merged) == tree(overlay)
    prepared.unmount()
    prepared.mount()
    assert tree(prepared.merged) == tree(overlay)
