"""Fixtures that mount: a hung mount is killed, and none is left behind."""

from __future__ import annotations

import os
import subprocess
import tempfile
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from mounts import HANGS_AFTER, NOBODY, Mount

from unionfs.adapters.fuse import transports


@pytest.fixture(params=[transports.NATIVE, transports.FUSEPY])
def prepared(
    tmp_path: Path, request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Mount]:
    """Directories for a union that the test mounts itself, over each transport."""
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(tmp_path))  # other tests mount at the same time
    mount = Mount(tmp_path, request.param)
    watchdog = threading.Timer(HANGS_AFTER, mount.kill)
    watchdog.start()
    yield mount
    watchdog.cancel()
    mount.discard()


@pytest.fixture
def mounted(prepared: Mount) -> Callable[..., Path]:
    """Fill the lower layer with files (name to content) and mount; the mountpoint."""

    def fill_and_mount(files: dict[str, bytes] | None = None) -> Path:
        for name, content in (files or {}).items():
            path = prepared.lower / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(content)
        prepared.mount()
        return prepared.merged

    return fill_and_mount


@pytest.fixture(params=[transports.NATIVE, transports.FUSEPY])
def ours(request: pytest.FixtureRequest) -> Iterator[Mount]:
    """Directories that belong to nobody, and /dev/fuse for everybody, as udev sets it up."""
    os.chmod("/dev/fuse", 0o666)
    with tempfile.TemporaryDirectory(prefix="unionfs-test-") as directory:
        os.chown(directory, NOBODY.pw_uid, NOBODY.pw_gid)
        mount = Mount(Path(directory), request.param)
        for path in Path(directory).iterdir():
            os.chown(path, NOBODY.pw_uid, NOBODY.pw_gid)
        yield mount
        subprocess.run(["umount", "-l", str(mount.merged)], check=False, capture_output=True)
