"""Every command that docs/images.md shows is run, in the order that it has there."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

from registries import docker_registry

DOC = Path(__file__).parents[2] / "docs" / "images.md"


def test_the_commands_run(tmp_path: Path) -> None:
    blocks = re.findall(r"```sh\n(.*?)```", DOC.read_text(), re.DOTALL)
    assert len(blocks) == 6
    script = "set -euo pipefail\n" + "\n".join(blocks)
    with docker_registry(tmp_path / "registry") as address:
        environment = os.environ | {
            "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}",
            "UNIONFS_STORE": str(tmp_path / "store"),
            "REGISTRY": address,
        }
        try:
            done = subprocess.run(
                ["bash", "-c", script],
                cwd=tmp_path,
                env=environment,
                capture_output=True,
                text=True,
                check=False,
                timeout=100,
            )
        finally:
            subprocess.run(["umount", "-l", str(tmp_path / "mnt")], check=False, capture_output=True)
    assert (done.returncode, done.stderr) == (0, "")
    lines = done.stdout.splitlines()
    for line in ("C /etc/motd", "A /etc/new", "kept", "Welcome."):
        assert line in lines
