"""Several layers on their way at once: all of them arrive, or none, and nothing half-written stays."""

from __future__ import annotations

import json
import os
import random
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from archive_builder import END, LayoutBuilder, file, sha256
from registries import Handler, docker_registry, scripted

from unionfs.errors import DigestError, ImageError
from unionfs.images import open_image, open_layers
from unionfs.images.assembly import Output
from unionfs.images.convert import convert
from unionfs.images.store import LayerStore
from unionfs.images.transfers import AT_ONCE, Transfers
from unionfs.layers.host.locks import exclusive

RANDOM = random.Random(6)
ARCHIVES = [file(b"f%d" % n, RANDOM.randbytes(300_000)) + END for n in range(7)]
TOTAL = sum(map(len, ARCHIVES))
PLAIN = Output(tls_verify=False)

_MANIFEST = "application/vnd.oci.image.manifest.v1+json"
_CONFIG = "application/vnd.oci.image.config.v1+json"
_LAYER = "application/vnd.oci.image.layer.v1.tar"


@pytest.fixture(autouse=True)
def no_credentials(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("REGISTRY_AUTH_FILE", str(tmp_path / "nobody.json"))


@pytest.fixture(autouse=True)
def no_thread_left() -> Iterator[None]:
    yield
    left = [thread.name for thread in threading.enumerate() if thread.name.startswith("unionfs-transfer")]
    assert not left


@pytest.fixture
def store(tmp_path: Path) -> LayerStore:
    return LayerStore(tmp_path / "store")


class Registry:
    """Serves one image; `layer` answers for the layers."""

    def __init__(self, layer: Callable[[Handler, int], None]) -> None:
        self.layer = layer
        diff_ids = [sha256(archive) for archive in ARCHIVES]
        config = json.dumps({"rootfs": {"type": "layers", "diff_ids": diff_ids}}).encode()
        manifest = {
            "schemaVersion": 2,
            "config": _descriptor(config, _CONFIG),
            "layers": [_descriptor(archive, _LAYER) for archive in ARCHIVES],
        }
        self.manifest = json.dumps(manifest).encode()
        self.numbers = {f"/v2/n/blobs/{digest}": number for number, digest in enumerate(diff_ids)}
        self.documents = {
            "/v2/n/manifests/t": (self.manifest, _MANIFEST),
            f"/v2/n/blobs/{sha256(config)}": (config, _CONFIG),
        }

    def __call__(self, handler: Handler) -> None:
        if handler.path in self.documents:
            data, media_type = self.documents[handler.path]
            handler.answer(200, data, Content_Type=media_type)
        else:
            self.layer(handler, self.numbers[handler.path])


def _descriptor(data: bytes, media_type: str) -> dict[str, object]:
    return {"mediaType": media_type, "digest": sha256(data), "size": len(data)}


def whole(handler: Handler, number: int) -> None:
    handler.answer(200, ARCHIVES[number])


class Hanging:
    """All layers but `sound` send a part and then nothing, until somebody hangs up."""

    def __init__(self, wrong: int, answer: Callable[[Handler], None]) -> None:
        self._wrong = wrong
        self._answer = answer
        self.begun = threading.Semaphore(0)

    def __call__(self, handler: Handler, number: int) -> None:
        if number == self._wrong:
            for _ in range(AT_ONCE - 1):
                assert self.begun.acquire(timeout=20)
            self._answer(handler)
            return
        handler.begin(200, Content_Length=str(len(ARCHIVES[number])))
        handler.wfile.write(ARCHIVES[number][:1000])
        self.begun.release()
        handler.connection.settimeout(20)
        assert handler.connection.recv(1) == b"", "nobody hung up"


def fetch(reference: str, store: LayerStore, progress: Callable[[str, int, int], None] = print) -> None:
    image, layers = open_layers(reference, store, progress=progress, tls_verify=False)
    image.close()
    for layer in layers:
        layer.store.close()


def kept_blobs(store: LayerStore) -> list[str]:
    return sorted(path.name for path in (store.root / "blobs").rglob("*") if path.is_file())


def layers_in(names: list[str]) -> set[str]:
    return set(names) & {sha256(archive).partition(":")[2] for archive in ARCHIVES}


def test_as_many_at_once_as_there_may_be_and_no_more(store: LayerStore) -> None:
    together = threading.Barrier(AT_ONCE)
    running, most = [], 0
    lock = threading.Lock()

    def answer(handler: Handler, number: int) -> None:
        nonlocal most
        with lock:
            running.append(number)
            most = max(most, len(running))
        if number < AT_ONCE:
            together.wait(timeout=20)  # breaks where they do not come at once
        with lock:
            running.remove(number)  # before the answer: the next one may come with its last byte
        whole(handler, number)

    with scripted(Registry(answer)) as server:
        fetch(f"docker://{server.address}/n:t", store)
    assert most == AT_ONCE
    assert len(layers_in(kept_blobs(store))) == len(ARCHIVES)


def test_progress_is_told_as_of_one_step(store: LayerStore) -> None:
    told: list[tuple[str, int, int]] = []
    with scripted(Registry(whole)) as server:
        fetch(f"docker://{server.address}/n:t", store, lambda *step: told.append(step))
    coming = [step for step in told if step[0].endswith("layers")]
    assert [done for _, done, _ in coming] == sorted(done for _, done, _ in coming)
    assert coming[-1] == ("7 of 7 layers", TOTAL, TOTAL)
    assert told.index(coming[-1]) < len(told) - 1, "the indexing of the last one is told after it"


def test_each_goes_on_where_it_broke_off(store: LayerStore) -> None:
    ranges: dict[int, list[str | None]] = {}

    def answer(handler: Handler, number: int) -> None:
        asked = handler.headers.get("Range")
        ranges.setdefault(number, []).append(asked)
        data = ARCHIVES[number]
        start = int(asked.removeprefix("bytes=").rstrip("-")) if asked else 0
        place = {"Content_Range": f"bytes {start}-{len(data) - 1}/{len(data)}"} if start else {}
        handler.begin(206 if start else 200, Content_Length=str(len(data) - start), **place)
        handler.wfile.write(data[start : start + 200_000])
        handler.hang_up()

    with scripted(Registry(answer)) as server:
        fetch(f"docker://{server.address}/n:t", store)
    assert ranges == {number: [None, "bytes=200000-"] for number in range(len(ARCHIVES))}


FAILURES: dict[str, tuple[Callable[[Handler], None], type[ImageError], str]] = {
    "missing": (lambda handler: handler.answer(404), ImageError, "is missing"),
    "refused": (lambda handler: handler.answer(403), ImageError, "answers 403"),
    "wrong bytes": (lambda handler: handler.answer(200, bytes(len(ARCHIVES[1]))), DigestError, "digest is"),
    "wrong size": (lambda handler: handler.answer(200, b"short"), DigestError, "is 5 bytes long"),
}


@pytest.mark.parametrize("failure", FAILURES)
def test_an_error_in_one_ends_the_others(store: LayerStore, failure: str) -> None:
    answer, error, message = FAILURES[failure]
    with scripted(Registry(Hanging(1, answer))) as server, pytest.raises(error, match=message) as raised:
        fetch(f"docker://{server.address}/n:t", store)
    assert sha256(ARCHIVES[1]) in str(raised.value)
    assert not layers_in(kept_blobs(store))
    assert not list(store.root.rglob(".new-*"))


@pytest.mark.parametrize("form", ["oci", "dir"])
def test_an_error_in_one_ends_the_others_of_a_copy(tmp_path: Path, form: str) -> None:
    with (
        scripted(Registry(Hanging(1, FAILURES["missing"][0]))) as server,
        open_image(f"docker://{server.address}/n:t", tls_verify=False) as image,
        pytest.raises(ImageError, match="is missing"),
    ):
        convert(image, f"{form}:{tmp_path}/copy")
    assert not layers_in([path.name for path in (tmp_path / "copy").rglob("*")])
    assert not list((tmp_path / "copy").rglob(".unionfs-*"))


_COMMANDS = {
    "mount": ["mount", "docker://{}/n:t", "mnt", "--tls-verify=false"],
    "convert": ["convert", "docker://{}/n:t", "oci:copy:t", "--tls-verify=false"],
    "push": ["convert", "oci:layout:t", "docker://{}/n:t", "--tls-verify=false"],
}


@pytest.mark.parametrize("command", _COMMANDS)
def test_ctrl_c(tmp_path: Path, command: str) -> None:
    """While all transfers hang: they end at once, and leave nothing."""
    hanging = Hanging(-1, lambda handler: None)
    registry = Registry(hanging)
    layout = LayoutBuilder(tmp_path / "layout")
    layout.tag(layout.image(*ARCHIVES), "t")
    (tmp_path / "mnt").mkdir()

    def script(handler: Handler) -> None:
        if handler.command == "HEAD":
            handler.answer(404)
        elif handler.command == "POST":
            handler.answer(202, Location="/v2/n/blobs/uploads/1")
        elif handler.command == "PATCH":
            hanging.begun.release()
            handler.connection.settimeout(20)
            while handler.rfile.read(1):
                pass
        else:
            registry(handler)

    with scripted(script) as server:
        arguments = [argument.format(server.address) for argument in _COMMANDS[command]]
        process = subprocess.Popen(
            [sys.executable, "-m", "unionfs.cli", *arguments],
            cwd=tmp_path,
            env=os.environ | {"UNIONFS_STORE": str(tmp_path / "store")},
            stderr=subprocess.PIPE,
            text=True,
        )
        try:
            for _ in range(AT_ONCE):
                assert hanging.begun.acquire(timeout=20)
            start = time.monotonic()
            process.send_signal(signal.SIGINT)
            _, said = process.communicate(timeout=20)
        finally:
            process.kill()
    assert process.returncode == 130
    assert said == ""
    assert time.monotonic() - start < 5
    left = [path for path in tmp_path.rglob("*") if path.name.startswith((".new-", ".unionfs-"))]
    assert not left
    assert not layers_in([path.name for path in (tmp_path / "store").rglob("blobs/*/*")])


def test_whoever_waits_for_another_process_can_be_ended_too(store: LayerStore, tmp_path: Path) -> None:
    """It fetches layer 0, while layer 1 is missing."""
    waiting = threading.Event()

    def answer(handler: Handler, number: int) -> None:
        assert number != 0
        if number == 1:
            waiting.wait(20)
            handler.answer(404)
        else:
            whole(handler, number)

    digest = sha256(ARCHIVES[0]).partition(":")[2]
    (store.root / "locks").mkdir(parents=True)
    with exclusive(store.root / "locks" / digest), scripted(Registry(answer)) as server:
        threading.Timer(0.2, waiting.set).start()
        with pytest.raises(ImageError, match="is missing"):
            fetch(f"docker://{server.address}/n:t", store)


def test_several_threads_may_ask_for_one_image(store: LayerStore) -> None:
    """Each blob is fetched once: who comes later waits for it."""
    asked: list[int] = []

    def answer(handler: Handler, number: int) -> None:
        asked.append(number)
        whole(handler, number)

    failures: list[Exception] = []

    def run(address: str) -> None:
        try:
            fetch(f"docker://{address}/n:t", store)
        except Exception as failure:  # noqa: BLE001 - told to the thread that waits for this one
            failures.append(failure)

    with scripted(Registry(answer)) as server:
        threads = [threading.Thread(target=run, args=[server.address]) for _ in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(60)
    assert failures == []
    assert sorted(asked) == list(range(len(ARCHIVES)))


def test_a_push_of_many_layers_and_back(tmp_path: Path, store: LayerStore) -> None:
    layout = LayoutBuilder(tmp_path / "layout")
    empty = END
    layout.tag(layout.image(*ARCHIVES, empty, ARCHIVES[0], empty), "t")
    with docker_registry(tmp_path / "registry", password=False) as address:
        with open_image(f"oci:{layout.root}:t") as image:
            pushed = convert(image, f"docker://{address}/n:t", output=PLAIN)
            assert pushed.digest == image.descriptor.digest
        fetch(f"docker://{address}/n:t", store)
        with open_image(f"docker://{address}/n:t", tls_verify=False) as image:
            assert convert(image, f"dir:{tmp_path}/copy").digest == pushed.digest
        with open_image(f"docker://{address}/n:t", tls_verify=False) as image:
            assert convert(image, f"oci-archive:{tmp_path}/copy.tar").digest == pushed.digest


def test_the_first_failure_is_the_one_that_is_raised() -> None:
    def fail(_progress: object) -> None:
        raise ImageError("first")

    def wait(progress: Callable[[str, int, int], None]) -> None:
        deadline = time.monotonic() + 20
        while time.monotonic() < deadline:
            progress("", 0, 1)
            time.sleep(0.001)

    with Transfers(lambda *_: None) as transfers:
        patient = transfers.start("patient", 1, wait)
        transfers.start("hasty", 1, fail)
        with pytest.raises(ImageError, match="first"):
            transfers.wait(patient)
