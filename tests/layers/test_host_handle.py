"""`HostStore.handle` gives the very bytes that the kernel's overlayfs writes."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from unionfs.layers.fill import fill
from unionfs.layers.host import HostStore

HANDLELESS = "/proc"


@contextmanager
def overlay(base: Path) -> Iterator[Path]:
    """The kernel's overlayfs over directories made in `base`: lower, upper, work."""
    for name in ("lower", "upper", "work", "merged"):
        (base / name).mkdir(exist_ok=True)
    words = f"lowerdir={base}/lower,upperdir={base}/upper,workdir={base}/work,index=on,metacopy=off"
    subprocess.run(["mount", "-t", "overlay", "overlay", "-o", words, str(base / "merged")], check=True)
    try:
        yield base / "merged"
    finally:
        subprocess.run(["umount", str(base / "merged")], check=True)


def test_a_handle_is_what_overlayfs_stores(tmp_path: Path) -> None:
    (tmp_path / "lower").mkdir()
    lower = HostStore(tmp_path / "lower", writable=True)
    fill(lower, {"dir/file": b"data"})
    lower.link(b"dir/file", lower, b"second")
    with overlay(tmp_path) as merged, open(merged / "dir" / "file", "ab") as file:
        file.write(b"more")
    upper = HostStore(tmp_path / "upper")
    for path in (b"", b"dir", b"dir/file"):
        assert upper.getxattr(path, b"trusted.overlay.origin") == lower.handle(path)
    handle = lower.handle(b"second")
    assert handle is not None
    assert os.listdir(tmp_path / "work" / "index") == [handle.hex()]
    lower.close()
    upper.close()


def test_a_symbolic_link_has_a_handle_of_its_own(tmp_path: Path) -> None:
    store = HostStore(tmp_path, writable=True)
    fill(store, {"file": b""})
    store.symlink(b"link", b"file")
    assert store.handle(b"link") not in {None, store.handle(b"file")}
    store.close()


def test_a_file_system_without_handles() -> None:
    store = HostStore(HANDLELESS)
    assert store.handle(b"version") is None
    store.close()
