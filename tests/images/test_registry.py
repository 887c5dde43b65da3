"""Images in a registry: docker's own on loopback, and servers that break every rule."""

from __future__ import annotations

import hashlib
import json
import shutil
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from archive_builder import END, LayoutBuilder, content, file, sha256
from registries import CERTIFICATE, Handler, auth_file, docker_registry, scripted

import unionfs
from unionfs.errors import DigestError, ImageError, ImageNotFoundError
from unionfs.images import memory_layers, open_image
from unionfs.images.assembly import Output
from unionfs.images.compression import Compression
from unionfs.images.convert import convert
from unionfs.images.documents import Form, Platform
from unionfs.images.transports import web
from unionfs.images.transports.authorization import parse_challenges

LAYER = file(b"a", b"1") + END
LARGE = file(b"a", bytes(range(256)) * 20_000) + END

PLAIN = Output(tls_verify=False)


@pytest.fixture(autouse=True)
def no_credentials_no_waiting(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("REGISTRY_AUTH_FILE", str(tmp_path / "nobody.json"))
    monkeypatch.setattr(web.time, "sleep", lambda seconds: None)


@pytest.fixture(scope="module")
def registry(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with docker_registry(tmp_path_factory.mktemp("registry")) as address:
        yield address


@pytest.fixture(scope="module")
def closed_registry(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with docker_registry(tmp_path_factory.mktemp("closed"), password=True) as address:
        yield address


@pytest.fixture
def layout(tmp_path: Path) -> LayoutBuilder:
    made = LayoutBuilder(tmp_path / "layout")
    made.tag(made.image(LARGE, LAYER), "x")
    return made


def push(reference: str, destination: str, output: Output = PLAIN) -> str:
    with open_image(reference, tls_verify=False) as image:
        return str(convert(image, destination, output=output).digest)


def pull(reference: str) -> list[bytes]:
    """The content of ``a`` in every layer, top-most first, everything verified."""
    with open_image(reference, tls_verify=False) as image:
        return [content(layer.store, b"a") for layer in memory_layers(image)]


# docker's registry


def test_push_and_pull(registry: str, layout: LayoutBuilder) -> None:
    digest = push(f"oci:{layout.root}:x", f"docker://{registry}/push/and-pull:t")
    assert pull(f"docker://{registry}/push/and-pull:t")[0] == b"1"
    with open_image(f"docker://{registry}/push/and-pull@{digest}", tls_verify=False) as image:
        assert str(image.descriptor.digest) == digest
    with open_image(f"oci:{layout.root}:x") as image:
        assert str(image.descriptor.digest) == digest, "the manifest is to be the same, byte for byte"


def test_what_is_not_there(registry: str) -> None:
    with pytest.raises(ImageNotFoundError, match="no such image"):
        pull(f"docker://{registry}/nothing:here")


@pytest.mark.parametrize("form", Form)
@pytest.mark.parametrize("compression", Compression)
def test_every_form_and_compression(
    registry: str, layout: LayoutBuilder, form: Form, compression: Compression
) -> None:
    name = f"docker://{registry}/forms:{form.value}-{compression.name}"
    push(f"oci:{layout.root}:x", name, Output(form, compression, tls_verify=False))
    assert pull(name)[0] == b"1"
    with open_image(name, tls_verify=False) as image:
        assert ("docker" in image.descriptor.media_type) is (form is Form.DOCKER)


def test_blobs_are_taken_over_from_another_repository(
    registry: str, layout: LayoutBuilder, monkeypatch: pytest.MonkeyPatch
) -> None:
    push(f"oci:{layout.root}:x", f"docker://{registry}/mount/from:t")
    from unionfs.images.transports import registry as module

    sent = []
    monkeypatch.setattr(module, "upload", lambda repository, blob, open_blob: sent.append(blob.media_type))
    with pytest.raises(ImageError, match="BLOB_UNKNOWN"):  # the configuration was not sent either
        push(f"docker://{registry}/mount/from:t", f"docker://{registry}/mount/to:t")
    assert sent == ["application/vnd.oci.image.config.v1+json"]


def test_with_a_password(
    closed_registry: str, layout: LayoutBuilder, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    name = f"docker://{closed_registry}/a/b:t"
    with pytest.raises(ImageError, match="answers 401: Unauthorized"):
        push(f"oci:{layout.root}:x", name)
    monkeypatch.setenv("REGISTRY_AUTH_FILE", str(auth_file(tmp_path / "auth.json", closed_registry)))
    push(f"oci:{layout.root}:x", name)
    assert pull(name)[0] == b"1"
    auth_file(tmp_path / "auth.json", closed_registry, password="wrong")
    with pytest.raises(ImageError, match="answers 401"):
        pull(name)


def test_skopeo_reads_what_we_push_and_we_what_it_pushes(
    registry: str, layout: LayoutBuilder, tmp_path: Path
) -> None:
    def skopeo(*arguments: str) -> None:
        command = [
            shutil.which("skopeo") or pytest.fail("skopeo is missing"),
            "--insecure-policy",
            *arguments,
        ]
        subprocess.run(command, check=True, capture_output=True, timeout=60)

    name = f"docker://{registry}/skopeo:ours"
    push(f"oci:{layout.root}:x", name)
    skopeo("copy", "-q", "--src-tls-verify=false", name, f"dir:{tmp_path}/copy")
    assert pull(f"dir:{tmp_path}/copy")[0] == b"1"
    theirs = f"docker://{registry}/skopeo:theirs"
    skopeo("copy", "-q", "--dest-tls-verify=false", "--format=v2s2", f"dir:{tmp_path}/copy", theirs)
    assert pull(theirs)[0] == b"1"


def test_platforms(registry: str, layout: LayoutBuilder) -> None:
    index = []
    for architecture, variant in (("arm64", ""), ("arm", "v6"), ("arm", "v7")):
        text = architecture + variant
        manifest = layout.image(file(b"a", text.encode()) + END)
        layout.tag(manifest, text)
        push(f"oci:{layout.root}:{text}", f"docker://{registry}/platforms:{text}")
        platform = {"os": "linux", "architecture": architecture} | ({"variant": variant} if variant else {})
        index.append(manifest | {"platform": platform})
    document = json.dumps({"schemaVersion": 2, "mediaType": INDEX, "manifests": index}).encode()
    assert request("PUT", registry, "/v2/platforms/manifests/all", document, INDEX) == 201

    def shown(platform: Platform) -> bytes:
        with open_image(f"docker://{registry}/platforms:all", platform=platform, tls_verify=False) as image:
            return content(memory_layers(image)[0].store, b"a")

    assert shown(Platform("linux", "arm64", "v8")) == b"arm64"
    assert shown(Platform("linux", "arm", "v7")) == b"armv7"
    assert shown(Platform("linux", "arm", "v6")) == b"armv6"
    assert shown(Platform("linux", "arm", "v8")) == b"armv7"
    with pytest.raises(ImageNotFoundError, match="nothing for windows/amd64; there is: linux/arm/v6,"):
        shown(Platform("windows", "amd64"))


def test_a_union_over_an_image_of_a_registry(
    registry: str, layout: LayoutBuilder, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("UNIONFS_STORE", str(tmp_path / "store"))
    layout.tag(layout.image(file(b"a", b"1") + END), "union")
    base, after = f"docker://{registry}/union:x", f"docker://{registry}/union:y"
    push(f"oci:{layout.root}:union", base)
    with unionfs.open_image(base, platform=Platform("linux", "amd64"), tls_verify=False) as fs:
        fs.path("a").write_text("2")
        unionfs.commit_image(fs, base, after, tls_verify=False, output=Output(tls_verify=False))
    with unionfs.open_image(after, tls_verify=False) as fs:
        assert fs.path("a").read_text() == "2"
    with pytest.raises(ImageNotFoundError, match="nothing for plan9/mips"):
        unionfs.open_image(base, platform=Platform("plan9", "mips"), tls_verify=False)


INDEX = "application/vnd.oci.image.index.v1+json"


def request(method: str, address: str, path: str, body: bytes, media_type: str) -> int:
    import http.client

    connection = http.client.HTTPConnection(address, timeout=10)
    try:
        connection.request(method, path, body, {"Content-Type": media_type})
        return connection.getresponse().status
    finally:
        connection.close()


# Servers that break the rules


class Served:
    """An image for a script to serve: its documents and blobs by the end of the path."""

    def __init__(self, archive: bytes = LARGE) -> None:
        self.layer = archive
        self.layer_path = f"/v2/n/blobs/{sha256(archive)}"
        config = json.dumps(
            {
                "os": "linux",
                "architecture": "amd64",
                "rootfs": {"type": "layers", "diff_ids": [sha256(archive)]},
            }
        ).encode()
        layer_type = "application/vnd.oci.image.layer.v1.tar"
        manifest = {
            "schemaVersion": 2,
            "config": _descriptor(config, "application/vnd.oci.image.config.v1+json"),
            "layers": [_descriptor(archive, layer_type)],
        }
        self.manifest = json.dumps(manifest).encode()
        self.config_path = f"/v2/n/blobs/{sha256(config)}"
        self.answers: dict[str, Callable[[Handler], None]] = {
            "/v2/n/manifests/t": lambda handler: handler.answer(
                200, self.manifest, Content_Type="application/vnd.oci.image.manifest.v1+json"
            ),
            self.config_path: lambda handler: handler.answer(200, config),
            self.layer_path: lambda handler: handler.answer(200, archive),
        }

    def __call__(self, handler: Handler) -> None:
        answer = self.answers.get(handler.path.partition("?")[0])
        if answer is None:
            handler.answer(404)
        else:
            answer(handler)


def _descriptor(data: bytes, media_type: str) -> dict[str, Any]:
    return {"mediaType": media_type, "digest": sha256(data), "size": len(data)}


def range_of(handler: Handler) -> int:
    return int(handler.headers.get("Range", "bytes=0-").removeprefix("bytes=").rstrip("-"))


def broken_off(served: Served, every: int, ranges: bool = True) -> Callable[[Handler], None]:
    """Send `every` bytes, then hang up; go on from where it was asked for, or from the start."""

    def answer(handler: Handler) -> None:
        start = range_of(handler) if ranges else 0
        size = len(served.layer)
        headers = {"Content_Range": f"bytes {start}-{size - 1}/{size}"} if start else {}
        handler.begin(206 if start else 200, Content_Length=str(size - start), **headers)
        handler.wfile.write(served.layer[start : start + every])
        handler.hang_up()

    return answer


def test_a_download_goes_on_where_it_broke_off() -> None:
    served = Served()
    served.answers[served.layer_path] = broken_off(served, 2_000_000)
    with scripted(served) as server:
        assert pull(f"docker://{server.address}/n:t")
    starts = [
        seen.get("Range")
        for line, seen in zip(server.requests, server.seen, strict=True)
        if line == f"GET {served.layer_path}"
    ]
    assert starts == [None, "bytes=2000000-", "bytes=4000000-"]


def test_a_server_without_ranges_sends_everything_again() -> None:
    served = Served()
    sizes = iter([1_000_000, 3_000_000, 10_000_000])
    served.answers[served.layer_path] = lambda handler: broken_off(served, next(sizes), ranges=False)(handler)
    with scripted(served) as server:
        assert pull(f"docker://{server.address}/n:t")


def test_a_download_that_never_gets_on_is_given_up() -> None:
    served = Served()
    served.answers[served.layer_path] = broken_off(served, 0)
    with scripted(served) as server, pytest.raises(ImageError, match="breaks off after 0 of"):
        pull(f"docker://{server.address}/n:t")
    assert server.requests.count(f"GET {served.layer_path}") == 5


def test_another_part_than_was_asked_for() -> None:
    served = Served()

    def answer(handler: Handler) -> None:
        start = range_of(handler)
        size = len(served.layer)
        handler.begin(206 if start else 200, Content_Length=str(size), Content_Range=f"bytes 7-{size}/{size}")
        handler.wfile.write(served.layer[:1000])
        handler.hang_up()

    served.answers[served.layer_path] = answer
    with scripted(served) as server, pytest.raises(ImageError, match="another part than it was asked for"):
        pull(f"docker://{server.address}/n:t")


def test_wrong_bytes() -> None:
    served = Served()
    wrong = served.layer[:1000] + b"!" + served.layer[1001:]
    served.answers[served.layer_path] = lambda handler: handler.answer(200, wrong)
    with scripted(served) as server, pytest.raises(DigestError):
        pull(f"docker://{server.address}/n:t")


def test_a_wrong_configuration() -> None:
    served = Served()
    served.answers[served.config_path] = lambda handler: handler.answer(200, b"{}")
    with scripted(served) as server, pytest.raises(DigestError):
        pull(f"docker://{server.address}/n:t")


def test_a_manifest_that_is_not_the_one_asked_for() -> None:
    served = Served()
    asked = sha256(b"another")
    served.answers[f"/v2/n/manifests/{asked}"] = served.answers["/v2/n/manifests/t"]
    with scripted(served) as server, pytest.raises(DigestError, match="announced as"):
        pull(f"docker://{server.address}/n@{asked}")


def test_a_manifest_with_another_digest_in_its_header() -> None:
    served = Served()
    served.answers["/v2/n/manifests/t"] = lambda handler: handler.answer(
        200, served.manifest, Docker_Content_Digest=sha256(b"another")
    )
    with scripted(served) as server, pytest.raises(DigestError, match="announced as"):
        pull(f"docker://{server.address}/n:t")


def endless(handler: Handler) -> None:
    handler.begin(200, Transfer_Encoding="chunked")
    chunk = b"10000\r\n" + bytes(0x10000) + b"\r\n"
    try:
        for _ in range(1000):
            handler.wfile.write(chunk)
    except OSError:
        pass
    handler.close_connection = True


@pytest.mark.parametrize("path", ["/v2/n/manifests/t", "config_path", "layer_path"])
def test_endless_bodies(path: str) -> None:
    served = Served()
    served.answers[getattr(served, path, path)] = endless
    with (
        scripted(served) as server,
        pytest.raises(ImageError, match=r"long|larg|its digest"),
    ):
        pull(f"docker://{server.address}/n:t")


@pytest.mark.parametrize("length", [10, 10_000_000_000])
def test_a_lying_content_length(length: int) -> None:
    served = Served()

    def answer(handler: Handler) -> None:
        handler.begin(200, Content_Length=str(length))
        handler.wfile.write(served.layer)
        handler.hang_up()

    served.answers[served.layer_path] = answer
    with scripted(served) as server, pytest.raises(DigestError, match=f"is {length} bytes long"):
        pull(f"docker://{server.address}/n:t")


def test_a_busy_server_is_asked_again() -> None:
    served = Served()
    sound = served.answers["/v2/n/manifests/t"]
    busy = iter([503, 429, 500])

    def answer(handler: Handler) -> None:
        status = next(busy, None)
        handler.answer(status) if status else sound(handler)

    served.answers["/v2/n/manifests/t"] = answer
    with scripted(served) as server:
        assert pull(f"docker://{server.address}/n:t")


def test_what_a_server_says_is_shown_on_one_line() -> None:
    def script(handler: Handler) -> None:
        handler.answer(403, json.dumps({"errors": [{"code": "DENIED", "message": "a\nb\x1b[31m"}]}).encode())

    with scripted(script) as server, pytest.raises(ImageError) as caught:
        pull(f"docker://{server.address}/n:t")
    assert str(caught.value).endswith("answers 403: DENIED: a b [31m")


# Passwords and tokens


@pytest.fixture
def known(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[str], None]:
    """Have a password for a host."""

    def know(host: str) -> None:
        monkeypatch.setenv("REGISTRY_AUTH_FILE", str(auth_file(tmp_path / "auth.json", host)))

    return know


BASIC = "Basic dXNlcjpzZWNyZXQ="


def guarded(served: Served, expected: str, challenge: str) -> Callable[[Handler], None]:
    def script(handler: Handler) -> None:
        if handler.headers.get("Authorization") == expected:
            served(handler)
        else:
            handler.answer(401, WWW_Authenticate=challenge)

    return script


def test_a_redirect_to_another_host_gets_no_password(known: Callable[[str], None]) -> None:
    served = Served()
    elsewhere = Served()
    with scripted(elsewhere) as other:
        served.answers[served.layer_path] = lambda handler: handler.answer(
            307, Location=f"http://{other.address}{served.layer_path}?signed=1"
        )
        with scripted(guarded(served, BASIC, 'Basic realm="x"')) as server:
            known(server.address)
            assert pull(f"docker://{server.address}/n:t")
    assert other.requests == [f"GET {served.layer_path}?signed=1"]
    assert not any("Authorization" in seen for seen in other.seen)


def test_redirects_without_end() -> None:
    served = Served()
    served.answers[served.layer_path] = lambda handler: handler.answer(302, Location=served.layer_path)
    with scripted(served) as server, pytest.raises(ImageError, match="more than 5 redirects"):
        pull(f"docker://{server.address}/n:t")


@pytest.mark.parametrize("target", ["file:///etc/passwd", "http://user:pw@127.0.0.1/", "http://[x"])
def test_redirects_to_what_is_not_the_web(target: str) -> None:
    served = Served()
    served.answers[served.layer_path] = lambda handler: handler.answer(302, Location=target)
    with scripted(served) as server, pytest.raises(ImageError, match="not a URL"):
        pull(f"docker://{server.address}/n:t")


def test_tokens(known: Callable[[str], None]) -> None:
    served = Served()
    served.answers["/token"] = lambda handler: handler.answer(200, b'{"token": "T"}')
    with scripted(served) as tokens:
        challenge = f'Bearer realm="http://{tokens.address}/token",service="s",scope="ignored"'
        with scripted(guarded(served, "Bearer T", challenge)) as server:
            known(server.address)
            assert pull(f"docker://{server.address}/n:t")
    (asked,) = tokens.requests
    assert asked == "GET /token?account=user&service=s&scope=repository%3An%3Apull"
    assert tokens.seen[0]["Authorization"] == BASIC
    assert all(seen.get("Authorization") in (None, "Bearer T") for seen in server.seen)


def test_an_identity_token_is_given_for_a_token(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    bodies = []
    served = Served()

    def give(handler: Handler) -> None:
        bodies.append(handler.body())
        handler.answer(200, b'{"access_token": "T"}')

    served.answers["/token"] = give
    with scripted(served) as tokens:
        challenge = f'Bearer realm="http://{tokens.address}/token",service="s"'
        with scripted(guarded(served, "Bearer T", challenge)) as server:
            auth = tmp_path / "auth.json"
            auth.write_text(json.dumps({"auths": {server.address: {"auth": "", "identitytoken": "I"}}}))
            monkeypatch.setenv("REGISTRY_AUTH_FILE", str(auth))
            assert pull(f"docker://{server.address}/n:t")
    assert b"grant_type=refresh_token" in bodies[0]
    assert b"refresh_token=I" in bodies[0]


@pytest.mark.parametrize(
    "answer",
    [
        lambda handler: handler.answer(403),
        lambda handler: handler.answer(200, b"{}"),
        lambda handler: handler.answer(200, b"[]"),
        lambda handler: handler.answer(200, b"no JSON"),
        lambda handler: handler.answer(200, b'{"token": "a\\r\\nX: y"}'),
        endless,
    ],
)
def test_token_servers_that_give_none(answer: Callable[[Handler], None]) -> None:
    served = Served()
    served.answers["/token"] = answer
    with scripted(served) as tokens:
        challenge = f'Bearer realm="http://{tokens.address}/token"'
        with (
            scripted(guarded(served, "Bearer T", challenge)) as server,
            pytest.raises(ImageError, match="no token"),
        ):
            pull(f"docker://{server.address}/n:t")


# TLS


def read_verified(reference: str) -> list[bytes]:
    with open_image(reference) as image:
        return [content(layer.store, b"a") for layer in memory_layers(image)]


def test_certificates(monkeypatch: pytest.MonkeyPatch) -> None:
    with scripted(Served(), tls=True) as server:
        with pytest.raises(ImageError, match="CERTIFICATE_VERIFY_FAILED"):
            read_verified(f"docker://{server.address}/n:t")
        assert pull(f"docker://{server.address}/n:t"), "--tls-verify=false asks for none"
        monkeypatch.setenv("SSL_CERT_FILE", str(CERTIFICATE))
        assert read_verified(f"docker://{server.address}/n:t")


def test_no_way_down_from_tls(monkeypatch: pytest.MonkeyPatch) -> None:
    """Neither a blob's download nor a token is asked for without it."""
    monkeypatch.setenv("SSL_CERT_FILE", str(CERTIFICATE))
    served = Served()
    with scripted(served, tls=True) as server:
        served.answers[served.layer_path] = lambda handler: handler.answer(
            302, Location="http://127.0.0.1:9/"
        )
        with pytest.raises(ImageError, match=r"sends us to .*, which is not encrypted"):
            read_verified(f"docker://{server.address}/n:t")
    challenge = 'Bearer realm="http://127.0.0.1:9/token"'
    with (
        scripted(guarded(Served(), "Bearer T", challenge), tls=True) as server,
        pytest.raises(ImageError, match=r"tokens come from .*, which is not encrypted"),
    ):
        read_verified(f"docker://{server.address}/n:t")


def test_without_tls_nothing_is_said_unless_it_is_asked_for() -> None:
    with scripted(Served()) as server, pytest.raises(ImageError):
        read_verified(f"docker://{server.address}/n:t")
    assert server.requests == []


# Uploads


class Taking:
    """A registry that takes one image, by the book, and hangs up as often as it is told to."""

    def __init__(self, drops: int = 0, *, forgets: bool = False) -> None:
        self.received = bytearray()
        self.blobs: dict[str, bytes] = {}
        self.manifest = b""
        self.ranges: list[str] = []
        self._drops = drops
        self._forgets = forgets

    def __call__(self, handler: Handler) -> None:
        getattr(self, f"_{handler.command.lower()}")(handler)

    def _head(self, handler: Handler) -> None:
        handler.answer(200 if handler.path.rpartition("/")[2] in self.blobs else 404)

    def _post(self, handler: Handler) -> None:
        self.received.clear()
        handler.answer(202, Location="/v2/n/session")

    def _get(self, handler: Handler) -> None:
        if self._forgets:
            handler.answer(404)
        else:
            end = max(0, len(self.received) - 1)
            handler.answer(204, Location="/v2/n/session", Range=f"0-{end}")

    def _patch(self, handler: Handler) -> None:
        self.ranges.append(handler.headers["Content-Range"])
        if self._drops:
            self._drops -= 1
            self.received += handler.rfile.read(2_000_000)
            handler.hang_up()
            return
        self.received += handler.body()
        handler.answer(202, Location="/v2/n/session?state=2")

    def _put(self, handler: Handler) -> None:
        if "manifests" in handler.path:
            self.manifest = handler.body()
            handler.answer(201)
            return
        digest = handler.path.partition("digest=")[2].replace("%3A", ":")
        data = bytes(self.received)
        if digest != "sha256:" + hashlib.sha256(data).hexdigest():
            handler.answer(400)
            return
        self.blobs[digest] = data
        handler.answer(201)


@pytest.fixture
def plain_layout(tmp_path: Path) -> str:
    """An image with a layer that is large enough to be on its way for a while."""
    served = LayoutBuilder(tmp_path / "plain")
    layer = served.blob(LARGE, "application/vnd.oci.image.layer.v1.tar")
    served.tag(served.image(LARGE, layers=[layer]))
    return f"oci:{served.root}"


def test_an_upload_goes_on_where_it_broke_off(plain_layout: str) -> None:
    taking = Taking(drops=2)
    with scripted(taking) as server:
        push(plain_layout, f"docker://{server.address}/n:t")
    assert taking.blobs[sha256(LARGE)] == LARGE
    starts = [text.partition("-")[0] for text in taking.ranges]
    assert starts == ["0", "2000000", "4000000", "0"]  # the last is the configuration


def test_an_upload_that_was_forgotten_begins_again(plain_layout: str) -> None:
    taking = Taking(drops=2, forgets=True)
    with scripted(taking) as server:
        push(plain_layout, f"docker://{server.address}/n:t")
    assert taking.blobs[sha256(LARGE)] == LARGE


def test_an_upload_that_never_gets_on_is_given_up(plain_layout: str) -> None:
    taking = Taking(drops=1000, forgets=True)
    with scripted(taking) as server, pytest.raises(ImageError):
        push(plain_layout, f"docker://{server.address}/n:t")
    assert not taking.manifest


def test_a_wrong_blob_is_not_finished(plain_layout: str) -> None:
    root = Path(plain_layout.removeprefix("oci:"))
    (root / "blobs" / sha256(LARGE).replace(":", "/")).write_bytes(bytes(len(LARGE)))
    taking = Taking()
    with scripted(taking) as server, pytest.raises(DigestError):
        push(plain_layout, f"docker://{server.address}/n:t")
    assert not taking.blobs
    assert not taking.manifest


@pytest.mark.timeout(20)
def test_challenges_that_are_made_to_take_long() -> None:
    """A hundred headers of 64 KiB are let through; looking through them took the square of that."""
    for evil in ("a" * 65_000, 'x="a ' * 13_000, "a=" * 30_000, 'x="' + "\\" * 65_000, " " * 65_000):
        assert "bearer" in parse_challenges([f"Bearer {evil}"] * 100)
    (found,) = parse_challenges(['Bearer realm="https://a/b", service = x,scope="a\\"b"']).values()
    assert found.parameters == {"realm": "https://a/b", "service": "x", "scope": 'a"b'}
