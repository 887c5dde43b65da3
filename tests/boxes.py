"""Boxes to run real programs in: what they leave mounted or running goes with the box, and nothing else.

A box is a mount and a PID namespace, with some things changed that are this machine's:
``/run`` is empty, control groups are the unified ones that containers need, and there is
a user `USER` who has subordinate ids, as adduser(8) would have made one.
"""

from __future__ import annotations

import os
import shlex
import shutil
import stat
import subprocess
import sys
from pathlib import Path

import unionfs

USER = "unionfs-tester"
_UID = 54321
_SUBORDINATES = 200_000
_COUNT = 65_536

_COMMANDS = {
    "fuse-unionfs": "unionfs.cli.fuse_unionfs",
    "unionfs": "unionfs.cli.main",
    "unionfs-testing": "unionfs.testing.__main__",
}

_ENTRIES = {
    "/etc/passwd": "{user}:x:{uid}:{uid}::{home}:/bin/sh",
    "/etc/group": "{user}:x:{uid}:",
    "/etc/subuid": "{user}:{start}:{count}",
    "/etc/subgid": "{user}:{start}:{count}",
}


class Box:
    """Runs shell scripts in a box, in `directory`, which they may fill.

    ``fuse-unionfs``, ``unionfs`` and ``unionfs-testing`` are in the PATH, and in ``/usr/local/bin``
    for those who reset it; `program` is the first of them.
    """

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self.home = directory / "home"
        self.bin = directory / "bin"
        self.program = self.bin / "fuse-unionfs"
        directory.chmod(0o755)
        for path in (self.home, self.bin):
            path.mkdir()
        os.chown(self.home, _UID, _UID)
        self._install()
        self._write_entries()

    def run(self, script: str, *, user: bool = False, timeout: float = 100) -> str:
        """What a script says on standard output; it must succeed. With `user`, as `USER`."""
        done = self.attempt(script, user=user, timeout=timeout)
        assert done.returncode == 0, f"{done.stdout}\n{done.stderr}"
        return done.stdout

    def attempt(
        self, script: str, *, user: bool = False, timeout: float = 100
    ) -> subprocess.CompletedProcess[str]:
        (self.directory / "script").write_text(f"set -eu\n{script}\n")
        return subprocess.run(
            self.command(f"sh {self.directory}/script", user=user),
            cwd=self.home,
            env=self.environment(user=user),
            capture_output=True,
            text=True,
            errors="surrogateescape",
            check=False,
            timeout=timeout,
        )

    def command(self, inside: str, *, user: bool = False) -> list[str]:
        """What runs the command `inside` in the box; in the directory `home`, with `environment`."""
        namespaces = ["--mount", "--propagation=private", "--pid", "--fork", "--kill-child", "--mount-proc"]
        return ["unshare", *namespaces, "sh", "-c", f"{self._furnish()}\n{self._enter(user)} {inside}"]

    def environment(self, *, user: bool = False) -> dict[str, str]:
        return {
            "PATH": f"{self.bin}:/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
            "HOME": str(self.home),
            "XDG_RUNTIME_DIR": f"/run/user/{_UID if user else 0}",
            "BUILDAH_ISOLATION": "chroot",
            "LC_ALL": "C.UTF-8",
        }

    def _furnish(self) -> str:
        binds = [f"mount --bind {self._copy(path)} {path}" for path in _ENTRIES]
        lines = [
            "set -eu",
            "umount -R /sys/fs/cgroup",
            "mount -t cgroup2 none /sys/fs/cgroup",
            *binds,
            f"mount --bind {self.bin} /usr/local/bin",
            "umask 022",
            "mount -t tmpfs tmpfs /run",
            "mkdir /run/user && mkdir -m 700 $XDG_RUNTIME_DIR",
        ]
        return "\n".join(lines)

    def _enter(self, user: bool) -> str:
        if not user:
            return "exec"
        return f"chown {_UID} $XDG_RUNTIME_DIR; exec setpriv --reuid={_UID} --regid={_UID} --init-groups"

    def _copy(self, path: str) -> Path:
        return self.directory / Path(path).name

    def _write_entries(self) -> None:
        for path, form in _ENTRIES.items():
            entry = form.format(user=USER, uid=_UID, home=self.home, start=_SUBORDINATES, count=_COUNT)
            before = Path(path).read_text() if os.path.exists(path) else ""
            self._copy(path).write_text(f"{before}{entry}\n")

    def _install(self) -> None:
        """Commands that anybody can run, wherever this checkout and this Python are."""
        package = Path(unionfs.__file__).parent
        shutil.copytree(package, self.directory / "lib/unionfs", ignore=shutil.ignore_patterns("__pycache__"))
        python = sys.executable if _is_public(sys.executable) else "/usr/bin/python3"
        for name, module in _COMMANDS.items():
            code = f"import sys; from {module} import main; sys.exit(main())"
            command = self.bin / name
            command.write_text(
                f"#!/bin/sh\nexport PYTHONPATH={self.directory}/lib\n"
                f'exec {python} -c {shlex.quote(code)} "$@"\n'
            )
            command.chmod(0o755)
        subprocess.run([python, "-m", "compileall", "-q", self.directory / "lib"], check=True)


def _is_public(path: str) -> bool:
    """Whether others than root can get at a file."""
    places = [Path(path).resolve(), *Path(path).resolve().parents]
    return all(place.stat().st_mode & stat.S_IXOTH for place in places)
