"""A thousand layers, and more open files than a process may have by default."""

from __future__ import annotations

import os
import resource
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager

import pytest
from mounts import Mount, unionfs

LAYERS = 1000


@contextmanager
def descriptors(soft: int) -> Iterator[None]:
    """Programs that are started may have that many open, as most are allowed to."""
    before, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (before, hard))


def test_a_thousand_lower_layers(prepared: Mount, monkeypatch: pytest.MonkeyPatch) -> None:
    """By relative paths and absolute ones: the words alone are longer than a page."""
    monkeypatch.chdir(prepared.lower)
    names = [f"layer-{number:04}-from-the-top-most" for number in range(LAYERS)]
    for number, name in enumerate(names):
        os.makedirs(f"{name}/d")
        for path in (f"d/{number}", "same"):
            with open(f"{name}/{path}", "w") as file:
                file.write(str(number))
    layers = [name if number % 2 else f"{prepared.lower}/{name}" for number, name in enumerate(names)]
    prepared.words = f"lowerdir={':'.join(layers)},upperdir={prepared.upper},workdir={prepared.work}"
    assert len(prepared.words) > 4 * resource.getpagesize()
    with descriptors(1024):
        prepared.mount()
    root = prepared.merged
    assert (root / "same").read_text() == "0"
    assert len(os.listdir(root / "d")) == LAYERS
    assert all((root / f"d/{number}").read_text() == str(number) for number in range(0, LAYERS, 97))
    (root / f"d/{LAYERS - 1}").rename(root / "last")
    (root / "same").unlink()
    (root / "d").rename(root / "e")
    prepared.unmount()
    prepared.mount()
    directory = root / "e"
    assert len(os.listdir(directory)) == LAYERS - 1
    assert (root / "last").read_text() == str(LAYERS - 1)
    assert not (root / "same").exists()


def test_a_layer_that_is_missing_among_many_is_named(prepared: Mount) -> None:
    layers = [str(prepared.lower)] * 500 + [f"{prepared.lower}/missing"] + [str(prepared.lower)] * 500
    done = unionfs("mount", "-o", f"lowerdir={':'.join(layers)}", prepared.merged)
    assert done.stderr == f"unionfs mount: lowerdir={prepared.lower}/missing: No such file or directory\n"


def test_more_open_files_than_a_program_may_have_by_default(prepared: Mount) -> None:
    for number in range(1500):
        (prepared.lower / f"{number}").write_bytes(b"%d" % number)
    with descriptors(1024):
        prepared.mount()
    with descriptors(3000), ExitStack() as stack:
        files = [stack.enter_context((prepared.merged / f"{number}").open("rb")) for number in range(1500)]
        assert all(file.read() == b"%d" % number for number, file in enumerate(files))
