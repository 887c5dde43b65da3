"""``python -m benchmarks.image_mounts``: an image mounted without unpacking it, beside umoci's unpacking.

And every file of it read, beside a plain directory of the same files.
"""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

from benchmarks import beside
from benchmarks.beside import OURS, PATIENCE, Figure, run, seconds

_LIST = 'ls -lR "$1" > /dev/null'
_MOUNT_AND_LIST = '"${@:2}" && ' + _LIST
_READ = """
import os, sys, time
buffer = bytearray(1 << 20)
start = time.perf_counter()
for directory, _, names in os.walk(sys.argv[1]):
    for name in names:
        with open(os.path.join(directory, name), "rb", buffering=0) as file:
            while file.readinto(buffer):
                pass
print(time.perf_counter() - start)
"""


def _mounts(place: Path, reference: str, repeats: int) -> Sequence[Figure]:
    cold, warm, theirs = [], [], []
    for _ in range(repeats):
        theirs.append(_unpack(place, reference))
        with _store(place):
            for samples in (cold, warm):
                with _mountpoint(place) as root:
                    samples.append(_and_list(root, *OURS, "mount", reference, str(root)))
    peer = "umoci unpack"
    return [
        Figure("mount to the end of the first ls -lR, no index yet", peer, 1.0, 0.4, cold, theirs),
        Figure("the same with the index there", peer, 0.05, 0.02, warm, theirs),
    ]


def _reads(place: Path, reference: str, repeats: int) -> Sequence[Figure]:
    first, again, once_more, plain_first, plain = [], [], [], [], []
    with TemporaryDirectory(dir=place) as directory:
        run("umoci", "unpack", "--image", reference.removeprefix("oci:"), f"{directory}/bundle")
        plain_root = Path(directory) / "bundle/rootfs"
        _read(plain_root)
        for _ in range(repeats):
            with _store(place):
                with _mounted(place, reference) as root:
                    first.append(_read(root))
                    again.append(_read(root))
                with _mounted(place, reference) as root:
                    once_more.append(_read(root))
            plain_first.append(_unpack_and_read(place, reference))
            plain.append(_read(plain_root))
    return [
        Figure("reading every file, first time", "umoci unpack + reading", 1.0, 0.5, first, plain_first),
        Figure("reading every file, second time", "directory", 1.3, 1.0, again, plain),
        Figure("reading every file, first time on a second mount", "directory", 1.3, 1.0, once_more, plain),
    ]


def _unpack(place: Path, reference: str) -> float:
    with TemporaryDirectory(dir=place) as directory:
        bundle = Path(directory) / "bundle"
        return _and_list(bundle, "umoci", "unpack", "--image", reference.removeprefix("oci:"), str(bundle))


def _unpack_and_read(place: Path, reference: str) -> float:
    with TemporaryDirectory(dir=place) as directory:
        bundle = f"{directory}/bundle"
        return seconds("umoci", "unpack", "--image", reference.removeprefix("oci:"), bundle) + _read(
            Path(bundle)
        )


def _and_list(root: Path, *command: str) -> float:
    return seconds("bash", "-c", _MOUNT_AND_LIST, "bash", str(root), *command)


def _read(root: Path) -> float:
    command = [sys.executable, "-c", _READ, str(root)]
    done = subprocess.run(command, capture_output=True, text=True, check=True, timeout=PATIENCE)
    return float(done.stdout)


@contextmanager
def _store(place: Path) -> Iterator[None]:
    """A local store that is new."""
    with TemporaryDirectory(dir=place) as directory:
        os.environ["UNIONFS_STORE"] = directory
        yield


@contextmanager
def _mountpoint(place: Path) -> Iterator[Path]:
    with TemporaryDirectory(dir=place) as directory:
        try:
            yield Path(directory)
        finally:
            run(*OURS, "umount", directory)


@contextmanager
def _mounted(place: Path, reference: str) -> Iterator[Path]:
    with _mountpoint(place) as root:
        run(*OURS, "mount", reference, str(root))
        yield root


if __name__ == "__main__":
    sys.exit(beside.main("image_mounts", __doc__, ("umoci",), (_mounts, _reads)))
