"""Who a history is run by: trees that start from the same stack and take the same commands.

A new party is a class with `_mount`, `_unmount` and a subject; everything that it
makes lies in one scratch directory.
"""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import tempfile
from abc import ABC, abstractmethod
from threading import Timer

from unionfs.adapters.fuse import mounting, records
from unionfs.adapters.mountinfo import mounted_at
from unionfs.core.dialect import Dialect
from unionfs.core.layer import Layer, UpperLayer
from unionfs.core.union import Union
from unionfs.dialects import by_name
from unionfs.layers.host import HostStore
from unionfs.layers.memory import MemoryStore
from unionfs.testing.by_node import NodeSubject
from unionfs.testing.by_path import PathSubject
from unionfs.testing.commands import Command, Crash, Outcome, Remount
from unionfs.testing.interpreter import Interpreter
from unionfs.testing.stacks import (
    NAMES,
    OLD_NS,
    Dir,
    LayerData,
    Stack,
    StackLayer,
    flatten,
    put_in_directory,
    put_in_store,
    raw,
    without_idle_whiteouts,
)
from unionfs.testing.subject import Subject
from unionfs.testing.trees import Tree, snapshot

_PREFIX = "unionfs-party-"
_HANGS_AFTER = 60  # seconds, for one mount of one history
ROOT_NS = OLD_NS  # a new upper layer hides the lower roots: it must look the same everywhere


class Party(ABC):
    """One tree under test. `setup` may be called again after `teardown`; `teardown` at any time."""

    name: str
    _interpreter: Interpreter | None = None

    def setup(self, stack: Stack) -> None:
        """Put the stack's layers down, with an empty upper layer, and mount them."""
        try:
            self._put_down(stack)
            self._interpreter = Interpreter(self._mount())
        except BaseException:
            self.teardown()
            raise

    def run(self, command: Command) -> Outcome:
        if isinstance(command, Remount):
            return self._remount()
        if isinstance(command, Crash):
            self._crash()
            self._interpreter = Interpreter(self._mount())
            return Outcome()
        return self._running.run(command)

    def snapshot(self) -> Tree:
        """The whole tree, see `trees.snapshot`."""
        return snapshot(self._running.subject, NAMES)

    def unmount(self) -> None:
        """Close all that is open; the layers are left lying."""
        if self._interpreter is not None:
            self._interpreter.close()
            self._interpreter = None
            self._unmount()

    def teardown(self) -> None:
        """Unmount, and leave nothing behind."""
        try:
            self.unmount()
        finally:
            self._clear()

    @property
    def _running(self) -> Interpreter:
        assert self._interpreter is not None, f"{self.name} is not set up"
        return self._interpreter

    def _remount(self) -> Outcome:
        self.unmount()
        self._interpreter = Interpreter(self._mount())
        return Outcome()

    def _crash(self) -> None:
        """Stop serving without an end. Who cannot be killed is unmounted."""
        self.unmount()

    @abstractmethod
    def _put_down(self, stack: Stack) -> None: ...
    @abstractmethod
    def _mount(self) -> Subject: ...
    @abstractmethod
    def _unmount(self) -> None: ...
    @abstractmethod
    def _clear(self) -> None: ...


class DirectoryParty(Party):
    """A party whose layers are host directories: ``0`` (top-most) … ``n``, ``upper`` and ``work``."""

    scratch: bytes = b""
    lowers: tuple[bytes, ...] = ()
    dialects: tuple[str, ...] = ()

    @property
    def upper(self) -> bytes:
        return os.path.join(self.scratch, b"upper")

    @property
    def work(self) -> bytes:
        return os.path.join(self.scratch, b"work")

    @property
    def mountpoint(self) -> bytes:
        return os.path.join(self.scratch, b"merged")

    def adopt(self, other: DirectoryParty) -> None:
        """Mount the layers of another party, which is unmounted; from now on they are cleared away here."""
        self.scratch, self.lowers, self.dialects = other.scratch, other.lowers, other.dialects
        other.scratch = b""
        self._interpreter = Interpreter(self._mount())

    def _put_down(self, stack: Stack) -> None:
        self.scratch = os.fsencode(tempfile.mkdtemp(prefix=f"{_PREFIX}{os.getpid()}-"))
        for place in (self.upper, self.work, self.mountpoint):
            os.mkdir(place)
        _date_root(self.upper)
        self.dialects = tuple(layer.dialect for layer in stack)
        self.lowers = tuple(os.path.join(self.scratch, b"%d" % depth) for depth in range(len(stack)))
        for place, layer in zip(self.lowers, stack, strict=True):
            os.mkdir(place)
            put_in_directory(self._form(layer.items, layer.dialect), place)

    def _form(self, items: LayerData, dialect: str) -> LayerData:
        """The raw form in which this party wants a layer."""
        return raw(items, dialect)

    def _clear(self) -> None:
        if self.scratch:
            _clear_away(self.scratch)
            self.scratch = b""


class PlainDirectory(DirectoryParty):
    """The POSIX reference: the flattened stack as an ordinary directory of the host."""

    name = "plain"

    def _put_down(self, stack: Stack) -> None:
        super()._put_down(())
        put_in_directory(flatten(stack), self.mountpoint)
        _date_root(self.mountpoint)

    def _mount(self) -> Subject:
        return PathSubject(self.mountpoint)

    def _unmount(self) -> None: ...


class InMemory(Party):
    """A union over memory layers."""

    name = "memory"

    def _put_down(self, stack: Stack) -> None:
        self._lowers = [_memory_layer(layer) for layer in stack]
        upper = MemoryStore("upper")
        upper.utimens(b"", ROOT_NS, ROOT_NS)
        self._upper = UpperLayer(upper, _dialect("overlay"), MemoryStore("work", beside=upper))

    def _mount(self) -> Subject:
        # Nothing goes on behind the commands: what is killed has to stand still.
        self.union = Union(self._lowers, self._upper, background=None)
        return NodeSubject(self.union)

    def _unmount(self) -> None:
        self.union.sync()

    def _crash(self) -> None:
        """The stores keep what they have. Nothing is closed, for that would change them."""

    def _clear(self) -> None: ...


class OnDisk(DirectoryParty):
    """A union over host directories, without a mount."""

    name = "disk"

    def _mount(self) -> Subject:
        lowers = [
            Layer(HostStore(place), self._read_as(name))
            for place, name in zip(self.lowers, self.dialects, strict=True)
        ]
        upper, work = HostStore(self.upper, writable=True), HostStore(self.work, writable=True)
        self.union = Union(lowers, UpperLayer(upper, self._read_as("overlay"), work))
        return NodeSubject(self.union)

    def _read_as(self, dialect: str) -> Dialect:
        return _dialect(dialect)

    def _unmount(self) -> None:
        self.union.close()


class ImageLayerAsUpper(OnDisk):
    """Every layer read as ``mixed``, and the top-most one written to: so podman compares an image's layers.

    It is in AuFS's form, as containers/storage unpacks it; what comes to it is in overlayfs's.
    """

    name = "mixed"

    def _put_down(self, stack: Stack) -> None:
        top, *rest = stack
        super()._put_down(tuple(rest) or (StackLayer({b"": Dir()}),))
        put_in_directory(raw(top.items, "aufs"), self.upper)
        _date_root(self.upper)

    def _read_as(self, dialect: str) -> Dialect:
        return _dialect("mixed")


class KernelOverlay(DirectoryParty):
    """The kernel's own overlayfs. Its lower layers are always in overlayfs's form."""

    name = "kernel"

    def _put_down(self, stack: Stack) -> None:
        super()._put_down(without_idle_whiteouts(stack))

    def _form(self, items: LayerData, dialect: str) -> LayerData:
        return raw(items, "overlay")

    def _mount(self) -> Subject:
        lowers = b":".join(self.lowers)
        options = b"lowerdir=%b,upperdir=%b,workdir=%b" % (lowers, self.upper, self.work)
        options += b",index=on,redirect_dir=on,metacopy=on,xino=on"
        subprocess.run([b"mount", b"-t", b"overlay", b"-o", options, b"overlay", self.mountpoint], check=True)
        return PathSubject(self.mountpoint)

    def _unmount(self) -> None:
        subprocess.run([b"umount", self.mountpoint], check=True)


class FuseMount(DirectoryParty):
    """A real mount by the command line, over one of the transports; all lowers in the top-most's dialect."""

    def __init__(self, transport: str) -> None:
        self.name = transport
        self._watchdog = Timer(0, self._kill)

    def _form(self, items: LayerData, dialect: str) -> LayerData:
        return raw(items, self.dialects[0])

    def _mount(self) -> Subject:
        self._watchdog = Timer(_HANGS_AFTER, self._kill)
        self._watchdog.daemon = True
        self._watchdog.start()
        options = b"lowerdir=%b,upperdir=%b,workdir=%b" % (b":".join(self.lowers), self.upper, self.work)
        options += b",dialect=" + self.dialects[0].encode()
        command = [sys.executable, "-m", "unionfs.cli", "mount", "--transport", self.name]
        subprocess.run([*command, "-o", options, self.mountpoint], check=True, timeout=_HANGS_AFTER)
        return PathSubject(self.mountpoint)

    def _unmount(self) -> None:
        mounting.unmount(os.fsdecode(self.mountpoint))
        self._watchdog.cancel()

    def _crash(self) -> None:
        self._watchdog.cancel()
        record = records.find(os.fsdecode(self.mountpoint))
        assert record is not None
        os.kill(record.pid, signal.SIGKILL)
        records.wait_until_gone(record)
        self._running.abandon()

    def _clear(self) -> None:
        self._watchdog.cancel()
        super()._clear()

    def _kill(self) -> None:
        """End every call that waits for a daemon which does not answer."""
        record = records.find(os.fsdecode(self.mountpoint))
        if record is not None:
            os.kill(record.pid, signal.SIGKILL)


def _memory_layer(layer: StackLayer) -> Layer:
    store = MemoryStore("lower")
    put_in_store(raw(layer.items, layer.dialect), store)
    return Layer(store, _dialect(layer.dialect))


def _dialect(name: str) -> Dialect:
    return by_name(name, privileged=True)


def _date_root(place: bytes) -> None:
    """Give a root the same metadata everywhere."""
    os.chmod(place, 0o755)
    os.utime(place, ns=(ROOT_NS, ROOT_NS))


def clear_leftovers() -> None:
    """Unmount and remove what a killed run left behind; what other live processes use is left alone."""
    root = tempfile.gettempdir()
    for name in os.listdir(root):
        if name.startswith(_PREFIX) and not os.path.exists(
            f"/proc/{name.removeprefix(_PREFIX).split('-')[0]}"
        ):
            _clear_away(os.fsencode(os.path.join(root, name)))


def _clear_away(scratch: bytes) -> None:
    """Remove a scratch directory; what a failure has left mounted in it is detached first."""
    mountpoint = os.fsdecode(os.path.join(scratch, b"merged"))
    while mounted_at(mountpoint):
        subprocess.run(["umount", "--lazy", mountpoint], check=True)
    shutil.rmtree(scratch)
