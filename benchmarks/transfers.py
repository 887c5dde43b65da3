"""``python -m benchmarks.transfers``: a commit, and an image out of a registry, beside umoci and skopeo.

Everything is in the page cache; the parties take turns. The registry is Debian's
docker-registry on loopback; ours starts with an empty store each time. Needs root.
"""

from __future__ import annotations

import argparse
import http.client
import json
import os
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import NamedTuple

from benchmarks import machine, sample_image
from benchmarks.results import spread
from benchmarks.scratch import scratch

# An installed program has its bytecode; a developer's environment may forbid keeping it.
_OURS = ["env", "-u", "PYTHONDONTWRITEBYTECODE", sys.executable, "-m", "unionfs.cli"]
_TOOLS = ("umoci", "skopeo", "docker-registry")
_CHANGED = 10
_PATIENCE = 300


class Figure(NamedTuple):
    """What two parties take for the same work, in seconds, and the ratio to reach."""

    title: str
    peer: str
    at_most: float
    aim: float
    ours: list[float]
    theirs: list[float]

    @property
    def ratio(self) -> float:
        return spread(self.ours).median / spread(self.theirs).median


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.transfers", description=__doc__)
    parser.add_argument("--repeats", type=int, default=5, metavar="N")
    parser.add_argument("--quick", action="store_true", help="an image of a tenth of the size")
    parser.add_argument("--directory", metavar="DIR", help="where to work; default: a new ext4 in /var/tmp")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the results there, too")
    args = parser.parse_args()
    missing = [tool for tool in _TOOLS if shutil.which(tool) is None]
    if missing or os.geteuid() != 0:
        parser.error(f"needs root and {', '.join(missing or _TOOLS)}")
    files, size = (each // (10 if args.quick else 1) for each in (sample_image.FILES, sample_image.BYTES))
    with scratch(args.directory) as place:
        about = machine.description(place)
        reference = sample_image.make(place / "image", files, size)
        figures = [measure(place, reference, args.repeats) for measure in (_commits, _pulls)]
    for figure in figures:
        _print(figure)
    if args.json:
        rows = [figure._asdict() | {"ratio": figure.ratio} for figure in figures]
        args.json.write_text(json.dumps({"machine": about, "rows": rows}, indent=1) + "\n")
    return 0


def _print(figure: Figure) -> None:
    print(f"{figure.title}  [at most {figure.at_most:g} x {figure.peer}, aim {figure.aim:g}]")
    for name, samples in (("unionfs", figure.ours), (figure.peer, figure.theirs)):
        found = spread(samples)
        print(f"  {name:28} {found.median:8.3f} s   {found.low:.3f} .. {found.high:.3f}")
    print(f"  {'ratio':28} {figure.ratio:8.3f}")


def _commits(place: Path, reference: str, repeats: int) -> Figure:
    layout = reference.removeprefix("oci:").rpartition(":")[0]
    bundle = place / "bundle"
    _run("umoci", "unpack", "--image", reference.removeprefix("oci:"), str(bundle))
    _change(bundle / "rootfs")
    ours, theirs = [], []
    with _mounted(place, reference) as root:
        _change(root)
        for number in range(repeats):
            ours.append(_seconds(lambda n=number: _run(*_OURS, "commit", str(root), f"oci:{layout}:ours{n}")))
            image = f"{layout}:theirs{number}"
            theirs.append(
                _seconds(lambda image=image: _run("umoci", "repack", "--image", image, str(bundle)))
            )
    shutil.rmtree(bundle)
    return Figure(f"commit of {_CHANGED} changed files", "umoci repack", 0.1, 0.03, ours, theirs)


def _pulls(place: Path, reference: str, repeats: int) -> Figure:
    ours, theirs = [], []
    with _registry(place) as address:
        name = f"docker://{address}/sample:t"
        _run("skopeo", "--insecure-policy", "copy", "-q", "--dest-tls-verify=false", reference, name)
        for _ in range(repeats):
            ours.append(_pull_and_mount(place, name))
            theirs.append(_copy_and_unpack(place, name))
    title = "pull from a loopback registry and mount"
    return Figure(title, "skopeo copy + umoci unpack", 1.0, 0.5, ours, theirs)


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
        copied = _seconds(*skopeo, name, f"oci:{layout}")
        return copied + _seconds("umoci", "unpack", "--image", layout, f"{directory}/bundle")


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
        _run(*_OURS, "mount", reference, str(root), *changes, *arguments)
        try:
            yield root
        finally:
            _run(*_OURS, "umount", str(root))


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
    deadline = time.monotonic() + _PATIENCE
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


def _seconds(*command: str) -> float:
    start = time.perf_counter()
    _run(*command)
    return time.perf_counter() - start


def _run(*command: str) -> None:
    done = subprocess.run(command, capture_output=True, text=True, timeout=_PATIENCE)
    if done.returncode:
        sys.exit(f"{' '.join(command)}: {done.stderr.strip()}")


if __name__ == "__main__":
    sys.exit(main())
