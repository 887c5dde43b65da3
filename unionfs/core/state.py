"""What the operations of one union share: its layers, its nodes, its lock, and the way to publish.

Locks. There is one, `State.lock`. All that is known of nodes, tables and open files
changes under it, and `_locked` in a name says that the caller holds it. Data is read
and written without it. `union` takes it for every operation; `copyup` is the only one
to let go of it, for as long as it copies data: the node is in `copying` meanwhile, and
whoever needs that very node in the upper layer waits on `copied`, holding nothing,
before the operation begins. Everybody else goes on. (Appending to an open file has a
small lock of its own, `OpenFiles.appending`, within which no other is taken.)
"""

from __future__ import annotations

import errno
from collections.abc import Sequence
from functools import cached_property
from threading import Condition, RLock
from typing import cast

from unionfs.core.apply import Build
from unionfs.core.dialect import Dialect, Feature, Marks, Occupant
from unionfs.core.journal import Journal
from unionfs.core.layer import Layer, UpperLayer
from unionfs.core.node import Entry, Node, join
from unionfs.core.nodes import Nodes
from unionfs.core.pending import Background, Pending
from unionfs.core.steps import At, Plan
from unionfs.core.store import Fetches
from unionfs.core.whiteout import WhiteoutDevice
from unionfs.core.workdir import WHITEOUT, WorkDirectory
from unionfs.errors import error
from unionfs.types import CopyUp, File


class State:
    def __init__(
        self,
        lowers: Sequence[Layer],
        upper: UpperLayer | None,
        *,
        inspect: bool,
        copy_up: CopyUp = CopyUp.AUTO,
        background: Background | None = None,
    ) -> None:
        self.lowers = tuple(lowers)
        self.far = {
            number: cast(Fetches, layer.store)
            for number, layer in enumerate(lowers)
            if hasattr(layer.store, "fetch")
        }
        """The layers that are in stores far away."""
        self.upper = upper
        self.lock = RLock()
        self.copied = Condition(self.lock)
        self.copying: set[Node] = set()
        self.pending = Pending(self.lock, copy_up, background=background)
        self.read_only = inspect or upper is None
        self._workdir = WorkDirectory(upper.work, inspect=inspect) if upper else None
        self._whiteouts = WhiteoutDevice(upper.work, WHITEOUT) if upper else None
        self.begin_anew()

    def begin_anew(self) -> None:
        """Forget everything that has been read."""
        self.nodes = Nodes(self.lowers, self.upper, self._workdir)

    @property
    def writable(self) -> UpperLayer:
        """The upper layer; EROFS where there is none, or only to be looked at."""
        if self.upper is None or self.read_only:
            raise error(errno.EROFS)
        return self.upper

    @cached_property
    def journal(self) -> Journal:
        """Where it is put down what unfinished files need."""
        return Journal(self.writable.work)

    @property
    def dialect(self) -> Dialect:
        return self.writable.dialect

    def writes(self, feature: Feature) -> bool:
        """Whether the upper's dialect can write this feature down."""
        return feature in self.writable.dialect.features

    @property
    def workdir(self) -> WorkDirectory:
        if self._workdir is None:
            raise error(errno.EROFS)
        return self._workdir

    def is_far_locked(self, node: Node) -> bool:
        """Whether the data of a regular file is in a store that is far away (see `store.Fetches`)."""
        data = self.nodes.data_place(node)
        return data is not None and data.layer in self.far

    def temp(self) -> At:
        """A free name in the work tree."""
        return self.workdir.temp()

    def tidy_up(self) -> None:
        """Take away what was kept in the work directory for the next change."""
        if self._whiteouts is not None:
            self._whiteouts.drop()

    def build(self) -> Build:
        """What runs the steps of one plan."""
        upper = self.writable
        assert self._whiteouts is not None
        return Build(upper, self._whiteouts)

    def publish_locked(self, plan: Plan, keep: At | None = None) -> File | None:
        """Run a plan. The file that it makes at `keep` is handed over open."""
        return self.build().publish(plan, keep)

    def mark_locked(self, node: Node, marks: Marks) -> None:
        if marks != node.marks:
            at = self.nodes.home(node)
            self.publish_locked(Plan(commit=self.dialect.mark(at, node.marks, marks)))
            node.marks, node.stat = marks, None  # a directory may hold its mark as a file

    def path_in(self, parent: Node, name: bytes) -> bytes:
        return join(self.nodes.path(parent), name)

    def covers(self, entry: Entry) -> bool:
        """Whether the lowers show something under this name too."""
        return self.nodes.table(entry.directory).covers(entry.name)

    def occupant(self, parent: Node, name: bytes) -> Occupant:
        """What the upper layer holds under a name."""
        table = self.nodes.table(parent)
        entry = table.entries.get(name)
        if entry is not None and entry.in_upper:
            return Occupant.ENTRY
        return Occupant.WHITEOUT if name in table.whiteouts else Occupant.NOTHING

    def holds_marks(self, entry: Entry) -> bool:
        """Whether the upper's part of a directory that shows nothing holds something all the same."""
        if not entry.in_upper:
            return False
        return any(True for _ in self.writable.store.scan(self.nodes.path_of(entry)))
