"""Who is measured: each shows the same layers in its own way."""

from __future__ import annotations

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
from unionfs.adapters.fuse import transports
from unionfs.errors import ConfigError


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
    has_daemon = False

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

    has_daemon = True

    def __init__(self, name: str, transport: str) -> None:
        self.name = name
        self._transport = transport

    def lack(self) -> str | None:
        try:
            transports.choose(self._transport)
        except ConfigError as failure:
            return str(failure)
        return None

    def version(self) -> str:
        fusepy = self._transport == transports.FUSEPY
        library = f", fusepy {importlib.metadata.version('fusepy')}" if fusepy else ""
        return f"unionfs {unionfs.__version__}{library}"

    def command(self, stack: Stack) -> list[str]:
        # An installed program has its bytecode; a developer's environment may forbid keeping it.
        python = ["env", "-u", "PYTHONDONTWRITEBYTECODE", sys.executable]
        mount = ["-m", "unionfs.cli", "mount", "--transport", self._transport]
        return [*python, *mount, "-o", stack.words(), str(stack.mountpoint)]


class MountProgram(Mounting):
    """fuse-overlayfs, or what takes the same arguments (podman's ``mount_program``)."""

    has_daemon = True

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
    """overlayfs with the options that mount(8) gives when it is given none, and those in `options`."""

    def __init__(self, name: str, *options: str) -> None:
        self.name = name
        self._options = options

    def lack(self) -> str | None:
        return None if os.geteuid() == 0 else "only root can mount it"

    def version(self) -> str:
        return ", ".join([f"Linux {platform.release()}", *self._options])

    def command(self, stack: Stack) -> list[str]:
        words = ",".join([stack.words(), *self._options])
        return ["mount", "-t", "overlay", "overlay", "-o", words, str(stack.mountpoint)]


class UnionfsFuse(Mounting):
    """Debian's unionfs-fuse. (Its package also has a /usr/bin/unionfs.)"""

    name = "unionfs-fuse"
    has_daemon = True

    def lack(self) -> str | None:
        return None if shutil.which(self.name) else "unionfs-fuse is not installed"

    def version(self) -> str:
        return _said([self.name, "--version"], self.name)

    def command(self, stack: Stack) -> list[str]:
        branches = [f"{lower}=RO" for lower in stack.lowers]
        if stack.upper is not None:
            branches.insert(0, f"{stack.upper}=RW")
        return [self.name, "-o", "cow", ":".join(branches), str(stack.mountpoint)]


def has_daemon(peer: Peer) -> bool:
    return peer.has_daemon


def is_mounting(peer: Peer) -> bool:
    return isinstance(peer, Mounting)


def is_plain(peer: Peer) -> bool:
    return isinstance(peer, Directory)


class Directory(Peer):
    """All layers in a plain directory: the limit. Nothing is mounted."""

    name = "directory"

    def lack(self) -> str | None:
        return None

    def version(self) -> str:
        return f"Linux {platform.release()}"


OURS = "unionfs"
FUSE_OVERLAYFS = "fuse-overlayfs"
OVERLAYFS = "overlayfs"

PEERS: tuple[Peer, ...] = (
    Ours(OURS, transports.NATIVE),
    Ours("unionfs-fusepy", transports.FUSEPY),
    MountProgram(FUSE_OVERLAYFS, FUSE_OVERLAYFS),
    KernelOverlay(OVERLAYFS),
    KernelOverlay("overlayfs-metacopy", "metacopy=on", "redirect_dir=on"),
    UnionfsFuse(),
    Directory(),
)


def _said(command: list[str], word: str) -> str:
    """The line of what a command says that has `word` in it."""
    said = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True).stdout
    return next((line for line in said.splitlines() if word in line and "unknown" not in line), "unknown")
