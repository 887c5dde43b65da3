"""``python -m benchmarks.transfers``: a commit, and an image out of a registry, beside umoci and skopeo.

Everything is in the page cache; the parties take turns. The registry is Debian's
docker-registry on loopback; ours starts with an empty store each time. Needs root.
"""

from __future__ import annotations

import http.client
import json
import os
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

from benchmarks import beside, sample_image
from benchmarks.beside import OURS, PATIENCE, Figure, run, seconds

_CHANGED = 10


def _commits(place: Path, reference: str, repeats: int) -> Sequence[Figure]:
    layout = reference.removeprefix("oci:").rpartition(":")[0]
    bundle = place / "bundle"
    run("umoci", "unpack", "--image", reference.removeprefix("oci:"), str(bundle))
    _change(bundle / "rootfs")
    ours, theirs = [], []
    with _mounted(place, reference) as root:
        _change(root)
        for number in range(repeats):
            ours.append(seconds(*OURS, "commit", str(root), f"oci:{layout}:ours{number}"))
            theirs.append(seconds("umoci", "repack", "--image", f"{layout}:theirs{number}", str(bundle)))
    shutil.rmtree(bundle)
    return [Figure(f"commit of {_CHANGED} changed files", "umoci repack", 0.1, 0.03, ours, theirs)]


def _pulls(place: Path, reference: str, repeats: int) -> Sequence[Figure]:
    ours, theirs = [], []
    with _registry(place) as address:
        name = f"docker://{address}/sample:t"
        run("skopeo", "--insecure-policy", "copy", "-q", "--dest-tls-verify=false", reference, name)
        for _ in range(repeats):
            ours.append(_pull_and_mount(place, name))
            theirs.append(_copy_and_unpack(place, name))
    title = "pull from a loopback registry and mount"
    return [Figure(title, "skopeo copy + umoci unpack", 1.0, 0.5, ours, theirs)]


def _pull_and_mount(place: Path, name: str) -> float:
    with ExitStack() as held:
        start = time.perf_counter()
        root = held.enter_context(_mounted(place, name, "--tls-verify=false"))
        os.listdir(root / "usr/lib/d000")
        return time.perf_counter() - start


def _copy_and_unpack(place: Path, name: str) -> float:
    with TemporaryDirectory(dir=place) as directory:
        layout = f"{directory}/image:t"
        skopeo = ["skopeo", "--insecure-policy", "copy", "-q", "--src-tls-verify=false"]
        copied = seconds(*skopeo, name, f"oci:{layout}")
        return copied + seconds("umoci", "unpack", "--image", layout, f"{directory}/bundle")


@contextmanager
def _mounted(place: Path, reference: str, *arguments: str) -> Iterator[Path]:
    """The image on a mountpoint, with a store, an upper and a work directory that are new."""
    with TemporaryDirectory(dir=place, ignore_cleanup_errors=True) as name:
        directory = Path(name)
        for each in ("upper", "work", "mnt"):
            (directory / each).mkdir()
        os.environ["UNIONFS_STORE"] = str(directory / "store")
        root = directory / "mnt"
        changes = ["--upper", str(directory / "upper"), "--work", str(directory / "work")]
        run(*OURS, "mount", reference, str(root), *changes, *arguments)
        try:
            yield root
        finally:
            run(*OURS, "umount", str(root))


def _change(root: Path) -> None:
    for path in sample_image.paths()[:_CHANGED]:
        with open(root / path, "ab") as file:
            file.write(b"one more line\n")


@contextmanager
def _registry(place: Path) -> Iterator[str]:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        address = f"127.0.0.1:{probe.getsockname()[1]}"
    config = {
        "version": "0.1",
        "log": {"level": "error"},
        "storage": {"filesystem": {"rootdirectory": str(place / "registry")}},
        "http": {"addr": address},
    }
    (place / "registry.json").write_text(json.dumps(config))
    with open(place / "registry.log", "wb") as log:
        command = ["docker-registry", "serve", str(place / "registry.json")]
        server = subprocess.Popen(command, stdout=log, stderr=log)
    try:
        _await(address)
        yield address
    finally:
        server.kill()
        server.wait()


def _await(address: str) -> None:
    deadline = time.monotonic() + PATIENCE
    while time.monotonic() < deadline:
        connection = http.client.HTTPConnection(address, timeout=5)
        try:
            connection.request("GET", "/v2/")
            connection.getresponse()
            return
        except OSError:
            time.sleep(0.02)
        finally:
            connection.close()
    sys.exit("docker-registry does not answer")


if __name__ == "__main__":
    sys.exit(beside.main("transfers", __doc__, ("umoci", "skopeo", "docker-registry"), (_commits, _pulls)))
