"""Interchange: the kernel's overlayfs reads what we write, and we read what it writes."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from dialect_cases import BY_HAND, DEVICE, all_steps, run

from unionfs.core.dialect import NO_MARKS, Dialect, Links, Marks, Occupant, Origin
from unionfs.core.layer import UpperLayer
from unionfs.core.steps import MakeDir, MakeFile, SetSize, work
from unionfs.core.steps import upper as at
from unionfs.dialects.overlay import TRUSTED, OverlayDialect, Whiteouts
from unionfs.layers.host import HostStore

ALL_FEATURES = "redirect_dir=on,metacopy=on,index=on"


@contextmanager
def kernel_overlay(root: Path, lower: str = "lower", upper: str = "upper") -> Iterator[Path]:
    """The directories `lower` (top-most first, by colons) and `upper` of `root`, mounted by the kernel."""
    target, workdir = root / "mounted", root / "kernel-work"
    target.mkdir(exist_ok=True)
    workdir.mkdir(exist_ok=True)
    lowers = ":".join(str(root / name) for name in lower.split(":"))
    options = f"lowerdir={lowers},upperdir={root / upper},workdir={workdir},{ALL_FEATURES}"
    subprocess.run(["mount", "-t", "overlay", "overlay", "-o", options, target], check=True)
    try:
        yield target
    finally:
        subprocess.run(["umount", target], check=True)


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """A lower tree, and empty directories for an upper and its work."""
    lower = tmp_path / "lower"
    (lower / "dir" / "sub").mkdir(parents=True)
    (lower / "other").mkdir()
    for name in ("file", "dir/file", "dir/sub/file", "other/file"):
        (lower / name).write_text(name)
    (tmp_path / "upper").mkdir()
    (tmp_path / "work").mkdir()
    return tmp_path


@contextmanager
def host_upper(root: Path, dialect: Dialect) -> Iterator[UpperLayer]:
    store = HostStore(root / "upper", writable=True)
    workdir = HostStore(root / "work", writable=True)
    try:
        yield UpperLayer(store, dialect, workdir)
    finally:
        store.close()
        workdir.close()


def read(root: Path, path: str) -> Marks:
    with host_upper(root, DEVICE) as layer:
        return DEVICE.marks(layer.store, path.encode(), layer.store.stat(path.encode()))


def listing(root: Path, path: str) -> tuple[set[bytes], set[bytes]]:
    with host_upper(root, DEVICE) as layer:
        found = DEVICE.listing(layer.store, path.encode())
    return set(found.entries), set(found.whiteouts)


# We write, the kernel reads


@pytest.mark.parametrize("dialect", [DEVICE, BY_HAND])
def test_kernel_reads_our_whiteouts(root: Path, dialect: Dialect) -> None:
    temp = work(b"temp")
    with host_upper(root, dialect) as layer:
        run(layer, all_steps(dialect.hide(b"file", temp)))
        run(layer, (MakeDir(at(b"dir"), 0o755), MakeFile(at(b"dir/file"), 0o644)))
        move = dialect.move(
            at(b"dir/file"),
            at(b"dir/moved"),
            layer.store.stat(b"dir/file").kind,
            leave_whiteout=True,
            onto=Occupant.NOTHING,
            temp=temp,
        )
        run(layer, all_steps(move))
    with kernel_overlay(root) as mounted:
        assert sorted(os.listdir(mounted)) == ["dir", "other"]
        assert sorted(os.listdir(mounted / "dir")) == ["moved", "sub"]
        assert not (mounted / "file").exists()
        assert not (mounted / "dir/file").exists()


@pytest.mark.parametrize("dialect", [DEVICE, BY_HAND])
def test_kernel_reads_a_directory_moved_onto_a_whiteout(root: Path, dialect: Dialect) -> None:
    temp, built = work(b"temp"), work(b"built")
    with host_upper(root, dialect) as layer:
        run(layer, all_steps(dialect.hide(b"dir", temp)))
        run(layer, (MakeDir(built, 0o755), *dialect.mark(built, NO_MARKS, Marks(opaque=True))))
        kind = layer.work.stat(b"built").kind
        move = dialect.move(built, at(b"dir"), kind, leave_whiteout=False, onto=Occupant.WHITEOUT, temp=temp)
        run(layer, all_steps(move))
        assert list(layer.work.scan(b"")) == []
    with kernel_overlay(root) as mounted:
        assert os.listdir(mounted / "dir") == []


def test_kernel_follows_our_redirects_and_metacopies(root: Path) -> None:
    copy = Marks(metacopy=True, redirect=b"/dir/file", origin=Origin(0, 7))
    with host_upper(root, DEVICE) as layer:
        run(layer, (MakeDir(at(b"renamed"), 0o755), MakeDir(at(b"dir"), 0o755)))
        run(layer, DEVICE.mark(at(b"renamed"), NO_MARKS, Marks(redirect=b"/dir/sub")))
        run(layer, all_steps(DEVICE.hide(b"dir/sub", work(b"temp"))))
        run(layer, (MakeFile(at(b"copy"), 0o600), SetSize(at(b"copy"), 8)))
        run(layer, DEVICE.mark(at(b"copy"), NO_MARKS, copy))
    with kernel_overlay(root) as mounted:
        assert (mounted / "renamed/file").read_text() == "dir/sub/file"
        assert (mounted / "copy").read_text() == "dir/file"
        assert os.listxattr(mounted / "copy") == os.listxattr(mounted / "renamed") == []
        (mounted / "copy").rename(mounted / "copy2")
        (mounted / "copy2").chmod(0o640)
    assert read(root, "copy2").origin == Origin(0, 7), "the kernel keeps our origin"


def test_kernel_takes_our_origin_for_its_own(root: Path) -> None:
    """A copy marked with the handle has the lower file's inode number, as overlayfs's own copies have."""
    lower = HostStore(root / "lower")
    try:
        handle = lower.handle(b"file")
    finally:
        lower.close()
    assert handle is not None
    with host_upper(root, DEVICE) as layer:
        run(layer, (MakeFile(at(b"file"), 0o644),))
        run(layer, DEVICE.mark(at(b"file"), NO_MARKS, Marks(origin=Origin(0, 1, handle))))
    with kernel_overlay(root) as mounted:
        assert (mounted / "file").stat().st_ino == (root / "lower/file").stat().st_ino


def test_kernel_reads_our_xattr_whiteouts_in_a_lower(root: Path) -> None:
    dialect = OverlayDialect(TRUSTED, Whiteouts.XATTR)
    with host_upper(root, dialect) as layer:
        run(layer, (MakeDir(at(b"dir"), 0o755),))
        for path in (b"file", b"dir/file"):
            run(layer, all_steps(dialect.hide(path, work(b"temp"))))
    (root / "top").mkdir()
    with kernel_overlay(root, lower="upper:lower", upper="top") as mounted:
        assert sorted(os.listdir(mounted)) == ["dir", "other"]
        assert os.listdir(mounted / "dir") == ["sub"]
        assert not (mounted / "dir/file").exists()


# The kernel writes, we read


def test_we_read_the_kernels_whiteouts_and_opaque_directories(root: Path) -> None:
    with kernel_overlay(root) as mounted:
        (mounted / "file").unlink()
        (mounted / "other/file").unlink()
        (mounted / "other").rmdir()
        (mounted / "other").mkdir()
        (mounted / "dir/new").touch()
    assert listing(root, "") == ({b"dir", b"other"}, {b"file"})
    assert listing(root, "other") == (set(), set())
    assert listing(root, "dir") == ({b"new"}, set())
    assert read(root, "other").opaque
    assert read(root, "dir/new") == NO_MARKS


def test_we_read_the_kernels_redirects_metacopies_and_origins(root: Path) -> None:
    with kernel_overlay(root) as mounted:
        (mounted / "dir").rename(mounted / "renamed")
        (mounted / "renamed/sub").rename(mounted / "sub")
        (mounted / "file").chmod(0o600)
        (mounted / "file").rename(mounted / "renamed/file2")
        with (mounted / "other/file").open("a") as file:
            file.write("more")
    assert read(root, "renamed").redirect == b"dir"
    assert read(root, "sub").redirect == b"/dir/sub"
    moved = read(root, "renamed/file2")
    assert moved.metacopy
    assert moved.redirect == b"/file"
    whole = read(root, "other/file")
    assert not whole.metacopy
    assert whole.origin is not None
    assert (whole.origin.layer, whole.origin.ino) == (-1, 0)
    lower = HostStore(root / "lower")
    try:
        assert whole.origin.handle == lower.handle(b"other/file")
    finally:
        lower.close()


def test_we_read_the_kernels_link_counts(root: Path) -> None:
    """Two lower names, one of them copied up: upper name + index name = 2 links, and one is still below."""
    os.link(root / "lower/file", root / "lower/other/link")
    os.link(root / "lower/file", root / "lower/dir/link")
    with kernel_overlay(root) as mounted:
        (mounted / "file").chmod(0o600)
        assert (mounted / "file").stat().st_nlink == 3
    assert (root / "upper/file").stat().st_nlink == 2
    assert read(root, "file").links == Links(1)
    with kernel_overlay(root) as mounted:
        (mounted / "other/link").unlink()
        assert (mounted / "file").stat().st_nlink == 2
    assert read(root, "file").links == Links(0)


def test_the_kernel_escapes_as_we_do(root: Path) -> None:
    names = [TRUSTED + b"opaque", TRUSTED + b"overlay.x", b"user.overlay.opaque", b"trusted.note"]
    with kernel_overlay(root) as mounted:
        for name in names:
            os.setxattr(mounted / "dir", name, b"y")
        shown = {name.encode() for name in os.listxattr(mounted / "dir")}
    stored = {name.encode() for name in os.listxattr(root / "upper/dir")}
    assert shown == set(names)
    assert {DEVICE.stored_xattr(name) for name in names} <= stored
    assert {DEVICE.shown_xattr(name) for name in stored} - {None} == shown
    assert not read(root, "dir").opaque
