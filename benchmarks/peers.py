"""Who is measured: each shows the same layers in its own way."""

from __future__ import annotations

import ctypes.util
import importlib.metadata
import os
import platform
import shutil
import subprocess
import sys
from abc import ABC, abstractmethod
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import unionfs


class Stack(NamedTuple):
    """What is mounted, and where. Commands run in `directory`, so that 500 layers fit a page of options."""

    directory: Path
    lowers: Sequence[str]
    """Below `directory`, top-most first."""
    upper: Path | None
    """None: a read-only union."""
    work: Path | None
    mountpoint: Path

    def words(self) -> str:
        """overlayfs's option words."""
        words = ["lowerdir=" + ":".join(self.lowers)]
        if self.upper is not None:
            words += [f"upperdir={self.upper}", f"workdir={self.work}"]
        return ",".join(words)


class Peer(ABC):
    """A way to show layers as one tree."""

    name: str

    @abstractmethod
    def lack(self) -> str | None:
        """What keeps it from being measured here; None if nothing does."""

    @abstractmethod
    def version(self) -> str: ...


class Mounting(Peer):
    """A file system that mounts a stack."""

    @abstractmethod
    def command(self, stack: Stack) -> list[str]:
        """What mounts it, and returns once that is done."""


class Ours(Mounting):
    """This project, by one of its transports."""

    def __init__(self, transport: str) -> None:
        self.name = self._transport = transport

    def lack(self) -> str | None:
        if self._transport == "fusepy" and not ctypes.util.find_library("fuse"):
            return "libfuse 2 is not installed"
        return None if os.path.exists("/dev/fuse") else "no /dev/fuse"

    def version(self) -> str:
        library = f", fusepy {importlib.metadata.version('fusepy')}" if self._transport == "fusepy" else ""
        return f"unionfs {unionfs.__version__}{library}"

    def command(self, stack: Stack) -> list[str]:
        # An installed program has its bytecode; a developer's environment may forbid keeping it.
        python = ["env", "-u", "PYTHONDONTWRITEBYTECODE", sys.executable]
        mount = ["-m", "unionfs.cli", "mount", "--transport", self._transport]
        return [*python, *mount, "-o", stack.words(), str(stack.mountpoint)]


class MountProgram(Mounting):
    """fuse-overlayfs, or what takes the same arguments (podman's ``mount_program``)."""

    def __init__(self, program: str, name: str) -> None:
        self._program = program
        self.name = name

    def lack(self) -> str | None:
        return None if shutil.which(self._program) else f"{self._program} is not installed"

    def version(self) -> str:
        return _said([self._program, "--version"], self.name)

    def command(self, stack: Stack) -> list[str]:
        return [self._program, "-o", stack.words(), str(stack.mountpoint)]


class KernelOverlay(Mounting):
    """overlayfs with the options that mount(8) gives when it is given none."""

    name = "overlayfs"

    def lack(self) -> str | None:
        return None if os.geteuid() == 0 else "only root can mount it"

    def version(self) -> str:
        return f"Linux {platform.release()}"

    def command(self, stack: Stack) -> list[str]:
        return ["mount", "-t", "overlay", "overlay", "-o", stack.words(), str(stack.mountpoint)]


class UnionfsFuse(Mounting):
    """Debian's unionfs-fuse. (Its package also has a /usr/bin/unionfs.)"""

    name = "unionfs-fuse"

    def lack(self) -> str | None:
        return None if shutil.which(self.name) else "unionfs-fuse is not installed"

    def version(self) -> str:
        return _said([self.name, "--version"], self.name)

    def command(self, stack: Stack) -> list[str]:
        branches = [f"{lower}=RO" for lower in stack.lowers]
        if stack.upper is not None:
            branches.insert(0, f"{stack.upper}=RW")
        return [self.name, "-o", "cow", ":".join(branches), str(stack.mountpoint)]


class Directory(Peer):
    """All layers in a plain directory: the limit. Nothing is mounted."""

    name = "directory"

    def lack(self) -> str | None:
        return None

    def version(self) -> str:
        return f"Linux {platform.release()}"


FUSE_OVERLAYFS = "fuse-overlayfs"
OVERLAYFS = KernelOverlay.name

PEERS: tuple[Peer, ...] = (
    Ours("native"),
    Ours("fusepy"),
    MountProgram(FUSE_OVERLAYFS, FUSE_OVERLAYFS),
    KernelOverlay(),
    UnionfsFuse(),
    Directory(),
)

USUAL = ("native", FUSE_OVERLAYFS, OVERLAYFS, Directory.name)
"""Who is measured unless told otherwise: the others take most of a run's time."""


def _said(command: list[str], word: str) -> str:
    """The line of what a command says that has `word` in it."""
    said = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True).stdout
    return next((line for line in said.splitlines() if word in line and "unknown" not in line), "unknown")
