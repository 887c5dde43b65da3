"""References: every form that skopeo and podman write, and what is none."""

from __future__ import annotations

import os

import pytest

from unionfs.errors import ImageNotFoundError
from unionfs.images.digest import Digest
from unionfs.images.reference import Reference, Transport, is_reference, parse_reference

DIGEST = Digest("sha256", "0" * 64)


@pytest.mark.parametrize(
    ("text", "reference"),
    [
        ("oci:dir", Reference(Transport.OCI, "dir")),
        ("oci:/a/b:v1.0", Reference(Transport.OCI, "/a/b", "v1.0")),
        ("oci:dir:localhost/demo:l3", Reference(Transport.OCI, "dir", "localhost/demo:l3")),
        ("oci:a@b:my_tag", Reference(Transport.OCI, "a@b", "my_tag")),
        (f"oci:dir@{DIGEST}", Reference(Transport.OCI, "dir", digest=DIGEST)),
        ("oci-archive:x.tar:latest", Reference(Transport.OCI_ARCHIVE, "x.tar", "latest")),
        ("docker-archive:x.tar", Reference(Transport.DOCKER_ARCHIVE, "x.tar")),
        ("docker-archive:x.tar:@3", Reference(Transport.DOCKER_ARCHIVE, "x.tar", position=3)),
        (
            "docker-archive:x.tar:docker.io/library/a:b",
            Reference(Transport.DOCKER_ARCHIVE, "x.tar", "docker.io/library/a:b"),
        ),
        ("dir:/a/b@c", Reference(Transport.DIR, "/a/b@c")),
        ("tar:layer.tar.gz", Reference(Transport.TAR, "layer.tar.gz")),
        ("docker://localhost:5000/a/b:v1", Reference(Transport.REGISTRY, "localhost:5000/a/b", "v1")),
        ("docker://[::1]:5000/a:v1", Reference(Transport.REGISTRY, "[::1]:5000/a", "v1")),
        (f"docker://quay.io/a/b@{DIGEST}", Reference(Transport.REGISTRY, "quay.io/a/b", digest=DIGEST)),
    ],
)
def test_references(text: str, reference: Reference) -> None:
    assert parse_reference(text) == reference
    assert str(reference) == text
    assert is_reference(text)


@pytest.mark.parametrize(
    ("text", "completed"),
    [
        ("docker://alpine", "docker://docker.io/library/alpine:latest"),
        ("docker://me/alpine:3", "docker://docker.io/me/alpine:3"),
        ("docker://localhost/alpine", "docker://localhost/alpine:latest"),
        ("docker-archive:f:alpine", "docker-archive:f:docker.io/library/alpine:latest"),
    ],
)
def test_names_are_completed_as_docker_does_it(text: str, completed: str) -> None:
    assert str(parse_reference(text)) == completed


@pytest.mark.parametrize(
    "text",
    [
        "",
        "dir",
        "oci:",
        "oci::tag",
        "oci:dir:",
        "oci:dir:../../x",
        "oci:dir:/x",
        "oci:dir:a b",
        "oci:dir\0x",
        "oci:dir@sha256:12",
        "oci:dir@sha256:../../../etc/passwd",
        f"oci:dir@sha256:{'A' * 64}",
        "docker-archive:f:",
        "docker-archive:f:@",
        "docker-archive:f:@-1",
        "docker-archive:f:UPPER",
        "dir:",
        "dir:a:b",
        "tar:a:b",
        "docker:alpine",
        "docker://",
        "docker://UPPER/case",
        "docker://host.example/../../etc",
        "docker://host.example:port/a",
        "docker://user@host.example/a",
        "docker://host.example/a:t\r\nHost: x",
        "docker://host.example/a?b=c",
        f"docker://host.example/{'a' * 256}",
        f"docker://host.example/a:{'t' * 129}",
        f"docker://host.example/a:t@{DIGEST}",
    ],
)
def test_references_that_are_none(text: str) -> None:
    with pytest.raises(ImageNotFoundError):
        parse_reference(text)


@pytest.mark.parametrize(
    ("text", "pinned"),
    [
        ("oci:x:tag", f"oci:{os.getcwd()}/x@{DIGEST}"),
        ("oci-archive:x", f"oci-archive:{os.getcwd()}/x@{DIGEST}"),
        ("docker-archive:x:@1", f"docker-archive:{os.getcwd()}/x:@1"),
        ("dir:x", f"dir:{os.getcwd()}/x"),
        ("docker://h.example/n:t", f"docker://h.example/n@{DIGEST}"),
    ],
)
def test_pinned(text: str, pinned: str) -> None:
    assert str(parse_reference(text).pinned(DIGEST)) == pinned
