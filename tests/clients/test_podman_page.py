"""What docs/podman.md tells people to run, run as written."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from boxes import Box

PAGE = Path(__file__).parents[2] / "docs/podman.md"

pytestmark = [
    pytest.mark.programs("podman", "buildah", "crun", "busybox", "newuidmap", "mount.fuse3"),
    pytest.mark.timeout(170),
]

THIS_MACHINE = """
export CONTAINERS_CONF=$PWD/containers.conf
cat > $CONTAINERS_CONF <<END
[containers]
netns = "none"
cgroups = "disabled"
default_ulimits = ["nofile=1024:1024", "nproc=1024:1024"]
[engine]
runtime = "crun"
cgroup_manager = "cgroupfs"
events_logger = "file"
tmp_dir = "$PWD/tmp"
END
"""
"""What containers may use here, which the page need not say."""

ROOTS_OWN = "mkdir store; mount --bind store /var/lib/containers; mount -t tmpfs tmpfs /run/containers\n"


def commands() -> dict[str, str]:
    """The commands of each section, by its heading."""
    sections = re.split(r"^## (.*)\n", PAGE.read_text(), flags=re.MULTILINE)[1:]
    scripts = {
        heading: "".join(re.findall(r"```sh\n(.*?)```", text, re.DOTALL))
        for heading, text in zip(sections[::2], sections[1::2], strict=True)
    }
    return {heading: script for heading, script in scripts.items() if script}


def test_the_sections_are_those_that_are_run() -> None:
    assert [*commands()] == [
        "podman and buildah, as a user",
        "podman and buildah, as root",
        "mount(8) and fstab(5)",
        "containerd",
    ]


def test_podman_and_buildah_as_a_user(box: Box) -> None:
    said = box.run(THIS_MACHINE + commands()["podman and buildah, as a user"], user=True)
    assert "unionfs on / type fuse.unionfs" in said
    assert said.splitlines()[-1] == "/made"


def test_podman_as_root(box: Box) -> None:
    said = box.run(ROOTS_OWN + THIS_MACHINE + commands()["podman and buildah, as root"])
    assert "unionfs on / type fuse.unionfs" in said


def test_mounting_without_containers(box: Box) -> None:
    said = box.run(commands()["mount(8) and fstab(5)"] + commands()["containerd"] + "ls -l upper")
    assert re.search(r"^c--------- +\d+ root root +0, +0 .* file$", said, re.MULTILINE)
