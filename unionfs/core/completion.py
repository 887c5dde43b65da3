"""Bringing data to copies that have only their metadata: at once where that is quick, or behind the writer.

A copy's data goes through three states. While it is *copying* the node has a `PartialFile`,
and what was written is in the journal. Then it is *unsettled*: all data is in the upper
file, but may not be on stable storage, so the mark that says that it is missing stays.
Once it has been synced the mark goes, and the file is like any other. Files are settled
many at a time, so that a thousand small ones cost one sync.

The background is one thread a union, which is there only while there is something to do.
Who cannot wait for it (fsync, unmounting) does the same work himself, beside it.
"""

from __future__ import annotations

import errno
import sys
from collections.abc import Callable, Iterable
from time import monotonic

from unionfs.core.journal import Entry
from unionfs.core.node import Node
from unionfs.core.partial import PartialFile
from unionfs.core.places import Place
from unionfs.core.plans import copyup as plans
from unionfs.core.state import State
from unionfs.core.steps import At, Plan, SetMode, SetTimes
from unionfs.errors import error
from unionfs.types import Access, CopyUp, File, Stat

EVERYTHING = sys.maxsize
"""As a size: all data of the file."""

AT_ONCE = 128 << 10
"""Files of at most this many bytes are copied by their first writer; see docs/performance.md."""

MANY = 200
"""So many files may be copied in the background at a time: each keeps two files open."""

SETTLE_AFTER = 2.0
"""Seconds without a new one until whole files are settled, so that a burst of small ones costs one sync."""

SETTLE_LATEST = 20.0
"""Seconds until they are settled all the same, and how long a sync of so many files pays for itself."""

COPY_AFTER = 0.02
"""Seconds until a file is copied behind its writer, who may be about to write more, or to remove it."""

RETRY_AFTER = 5.0
"""Seconds until a file that could not be completed is tried again."""

PROGRESS_EVERY = 0.1
"""Seconds between two reports."""

_NO_ROOM = (errno.ENOSPC, errno.EDQUOT)

Progress = Callable[[int], None]
"""Is told how many bytes are still to be copied."""


def is_quick(state: State, size: int) -> bool:
    """Whether a file of `size` bytes is copied by its first writer."""
    pending = state.pending
    if pending.mode is CopyUp.EAGER or len(pending.copying) >= MANY:
        return True
    return pending.mode is CopyUp.AUTO and size <= AT_ONCE


def begin(state: State, node: Node, made: File | None, size: int) -> None:
    """Let a copy have its data, or the first `size` bytes of it; `made` is its upper file, if open already.

    The caller does not hold the lock, and has the node in `State.copying`.
    """
    place, partial = _partial(state, node, made)
    try:
        before = partial.stat()
        if size < before.size:
            partial.truncate(size)
        if _share(state, place, partial) or is_quick(state, partial.missing):
            partial.copy_all()
    except BaseException:
        partial.entry.done()
        partial.close()
        with state.lock:
            state.publish_locked(plans.incomplete(state.nodes.home(node), before))
            node.stat = None
        raise
    with state.lock:
        _take_over_locked(state, node, partial)


def _partial(state: State, node: Node, made: File | None) -> tuple[Place, PartialFile]:
    with state.lock:
        place, at = node.data, state.nodes.home(node)
        assert place is not None
        state.mark_locked(node, node.marks._replace(redirect=b"/" + node.below))
        upper = made or open_upper_locked(state, at)
    try:
        lower = state.lowers[place.layer].store.open(place.path, Access.READ)
    except BaseException:
        upper.close()
        raise
    return place, PartialFile(upper, lower, _entry(state, upper, lower.stat()))


def _entry(state: State, upper: File, lower: Stat) -> Entry:
    stat = upper.stat()
    return state.journal.begin(stat.ino, tag_of(lower), min(stat.size, lower.size))


def tag_of(lower: Stat) -> int:
    """What the journal knows a lower file by."""
    return lower.ino & 0xFFFF_FFFF


def open_upper_locked(state: State, at: At) -> File:
    """Open a file of the upper layer for reading and writing, whatever its mode (which root may ignore)."""
    store = state.writable.tree(at)
    try:
        return store.open(at.path, Access.READ | Access.WRITE)
    except PermissionError:
        mode = store.stat(at.path).mode & 0o7777
        state.publish_locked(Plan(commit=(SetMode(at, 0o600),)))
        try:
            return store.open(at.path, Access.READ | Access.WRITE)
        finally:
            state.publish_locked(Plan(commit=(SetMode(at, mode),)))


def _share(state: State, place: Place, partial: PartialFile) -> bool:
    """Have the data shared. A layer on another file system is asked once only."""
    pending = state.pending
    if place.layer in pending.cannot_share or (pending.mode is CopyUp.AUTO and partial.missing <= AT_ONCE):
        return False
    if partial.share():
        return True
    pending.cannot_share.add(place.layer)
    return False


def _take_over_locked(state: State, node: Node, partial: PartialFile) -> None:
    """Let everybody use a partial file; complete it behind their backs if that is worth while."""
    if not node.names and node.files is None:
        partial.close()
        raise error(errno.ENOENT)
    node.partial = partial
    node.stat = None
    if node.files is not None:
        node.files.switch(partial.hold(), writable=True)
    if is_lost(state, node):
        partial.entry.done()
        return
    state.pending.copying[node] = monotonic() + COPY_AFTER
    if not partial.missing:
        now_whole_locked(state, node)
    wake_locked(state)


def now_whole_locked(state: State, node: Node) -> None:
    """All data has come to a node: what reads it by path or opens it anew goes to the upper file now."""
    pending, partial = state.pending, node.partial
    if partial is None or node not in pending.copying:
        return
    if partial.missing:
        return
    at, atime = state.nodes.home(node), state.nodes.stat(node).atime_ns
    partial.become_whole(lambda mtime: _set_times_locked(state, at, atime, mtime))
    node.partial, node.data, node.stat = None, None, None
    del pending.copying[node]
    pending.failing.discard(node)
    _unsettled_locked(state, node, partial.entry)
    if not partial.entry.limit:  # nothing comes from the lower layer, so there is nothing to sync
        _unmark_locked(state, node)
    partial.close()


def put_down(state: State, file: File, lower: Stat) -> Entry:
    """Say in the journal that a copy has all its data, which is about to be published as if it had none."""
    entry = _entry(state, file, lower)
    entry.wrote(0, entry.limit)
    return entry


def settle_later_locked(state: State, node: Node, entry: Entry) -> None:
    """A node has been published with all its data: the mark that says otherwise goes once that is synced."""
    if is_lost(state, node):
        entry.done()
        return
    _unsettled_locked(state, node, entry)
    wake_locked(state)


def _unsettled_locked(state: State, node: Node, entry: Entry) -> None:
    pending, now = state.pending, monotonic()
    if not pending.unsettled:
        pending.settle_latest = now + SETTLE_LATEST
    pending.settle_at = min(now + SETTLE_AFTER, pending.settle_latest)
    pending.unsettled[node] = entry


def _set_times_locked(state: State, at: At, atime_ns: int, mtime_ns: int) -> None:
    state.publish_locked(Plan(commit=(SetTimes(at, atime_ns, mtime_ns),)))


def abandon_locked(state: State, node: Node) -> None:
    """Nobody will look for a file again but who has it open: the rest of its data need not come."""
    pending, partial = state.pending, node.partial
    pending.copying.pop(node, None)
    pending.failing.discard(node)
    pending.failures.pop(node, None)
    entry = pending.unsettled.pop(node, None)
    if entry is not None:
        entry.done()
    if partial is not None:
        partial.entry.done()
        if node.files is None:
            node.partial = None
            partial.close()
    pending.changed.notify_all()


def is_lost(state: State, node: Node) -> bool:
    """Whether no name leads to a file any more, in the upper layer or a lower one."""
    return not node.names and (node.aside is None or not state.workdir.is_shared(node.aside))


# Finishing


def fill(state: State, node: Node, after_each: Callable[[], None] = lambda: None) -> None:
    """Return once all data of a node is in the upper layer, or nobody needs it any more."""
    with state.lock:
        partial = node.partial.hold() if node.partial is not None else None
    if partial is None:
        return
    try:
        while node in state.pending.copying and partial.copy_some():
            after_each()
        with state.lock:
            now_whole_locked(state, node)
    except OSError as failure:
        if failure.errno in _NO_ROOM:
            partial.give_back()
        raise
    finally:
        partial.close()


def finish(state: State, node: Node) -> None:
    """Return once a node is whole, and its data on stable storage."""
    state.pending.failures.pop(node, None)  # what fails still will be raised here and now
    fill(state, node)
    settle(state, [node])


def raise_failure(state: State, node: Node) -> None:
    """Tell, once, what has gone wrong with a node in the background."""
    failure = state.pending.failures.pop(node, None)
    if failure is not None:
        raise error(failure.errno or errno.EIO)


def finish_all(state: State, progress: Progress | None = None) -> None:
    """Finish every file there is. What fails stays unfinished; the first failure is raised at the end."""
    failures: list[OSError] = []
    with state.lock:
        nodes = list(state.pending.copying)
    report = _Report(state, progress)
    for node in nodes:
        try:
            fill(state, node, report.sometimes)
        except OSError as failure:
            failures.append(failure)
    report.now()
    with state.lock:
        unsettled = list(state.pending.unsettled)
    settle(state, unsettled)
    if failures:
        raise failures[0]


class _Report:
    """Tells how much is left, now and then."""

    def __init__(self, state: State, progress: Progress | None) -> None:
        self._state = state
        self._progress = progress
        self._next = 0.0

    def sometimes(self) -> None:
        if self._progress is not None and monotonic() >= self._next:
            self.now()

    def now(self) -> None:
        if self._progress is None:
            return
        self._next = monotonic() + PROGRESS_EVERY
        with self._state.lock:
            partials = [node.partial for node in self._state.pending.copying]
        self._progress(sum(partial.missing for partial in partials if partial is not None))


def settle(state: State, nodes: Iterable[Node]) -> None:
    """Put the data of whole files on stable storage, then drop their marks."""
    with state.lock:
        unsettled = [node for node in nodes if node in state.pending.unsettled]
    if not unsettled:
        return
    _sync(state, unsettled)
    for node in unsettled:
        with state.lock:
            _unmark_locked(state, node)


def _sync(state: State, nodes: list[Node]) -> None:
    if len(nodes) > 1:
        state.writable.store.sync()
        return
    with state.lock:
        if nodes[0] not in state.pending.unsettled:
            return
        file = open_upper_locked(state, state.nodes.home(nodes[0]))
    try:
        file.sync()
    finally:
        file.close()


def _unmark_locked(state: State, node: Node) -> None:
    entry = state.pending.unsettled.get(node)
    if entry is None:
        return  # somebody else was quicker, or the file is gone
    state.publish_locked(plans.complete(state.nodes.home(node), node.marks, state.dialect))
    node.marks = node.marks._replace(metacopy=False, redirect=None)
    del state.pending.unsettled[node]
    entry.done()


# The background


def wake_locked(state: State) -> None:
    """Have the background at work. Files that only wait to be settled do not wake it: it looks by itself."""
    pending = state.pending
    if pending.copying:
        pending.changed.notify_all()
    if pending.is_working or pending.background is None or pending.is_closing:
        return
    if pending.copying or pending.unsettled:
        pending.is_working = True
        pending.background(lambda: _work(state))


def close(state: State, progress: Progress | None) -> None:
    """Finish everything, and let the background end."""
    pending = state.pending
    try:
        finish_all(state, progress)
    finally:
        with state.lock:
            pending.is_closing = True
            pending.changed.notify_all()
            while pending.is_working:
                pending.changed.wait()


def _work(state: State) -> None:
    try:
        while (task := _next_task(state)) is not None:
            task()
    finally:
        with state.lock:
            state.pending.is_working = False
            state.pending.changed.notify_all()


def _next_task(state: State) -> Callable[[], None] | None:
    """What the background is to do next; waits until it is time for it, None where there is nothing left."""
    pending = state.pending
    with state.lock:
        while not pending.is_closing and (pending.copying or pending.unsettled):
            now = monotonic()
            for node, due in pending.copying.items():
                if due <= now:
                    return lambda: _complete(state, node)
            if pending.unsettled and pending.settle_at <= now:
                return lambda: _settle_all(state)
            times = [*pending.copying.values(), *([pending.settle_at] if pending.unsettled else [])]
            pending.changed.wait(max(min(times) - now, 0))
        return None


def _complete(state: State, node: Node) -> None:
    """Copy what is missing, unless there is no room for it: then who writes needs what there is."""
    try:
        if _may_have_room(state, node):
            fill(state, node)
            return
        if node not in state.pending.failing:
            raise error(errno.ENOSPC)
    except OSError as failure:
        state.pending.failures[node] = failure
    with state.lock:
        if node in state.pending.copying:
            state.pending.failing.add(node)
            state.pending.copying[node] = monotonic() + RETRY_AFTER
        else:
            state.pending.failures.pop(node, None)


def _may_have_room(state: State, node: Node) -> bool:
    partial, room = node.partial, state.writable.store.statfs()
    return partial is None or partial.needed <= room.bavail * room.frsize


def _settle_all(state: State) -> None:
    pending = state.pending
    try:
        with state.lock:
            nodes = list(pending.unsettled)
        settle(state, nodes)
    except OSError as failure:
        with state.lock:
            pending.failures |= dict.fromkeys(pending.unsettled, failure)
            pending.settle_at = monotonic() + RETRY_AFTER
