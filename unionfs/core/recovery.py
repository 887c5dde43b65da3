"""Finishing what a union that was killed has left unfinished.

The journal says which upper files are meant, by their inode numbers, and what had been
written to them. Finding them takes a walk over the upper layer, which nobody pays for but
after a crash. Then they are as unfinished as they were, and are finished as ever.

After the machine itself went down, what was written is believed only where the file
system has data on disk. Blocks are written whole, so each is as it was or as it was
written; and the lower file counts up to the end of the upper one.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from unionfs.core import completion
from unionfs.core.journal import Entry, Journal
from unionfs.core.node import Node, join
from unionfs.core.partial import PartialFile
from unionfs.core.plans.copyup import data_ranges
from unionfs.core.ranges import Ranges
from unionfs.core.state import State
from unionfs.core.workdir import INDEX
from unionfs.types import Access, File, Kind


def recover(state: State) -> tuple[bytes, ...]:
    """Finish what is left over; the paths of the files that this was about.

    Where the union is only looked at, they are shown as they are. What cannot be finished
    now stays unfinished, and whoever has to do with the file is told why.
    """
    assert state.upper is not None
    journal = Journal(state.upper.work) if state.read_only else state.journal
    entries = {entry.ino: entry for entry in journal.load()}
    if not entries:
        return ()
    found = []
    with state.lock:
        for node, ino in _unfinished(state, entries):
            if _is_meant(state, node, entries[ino]):
                _adopt_locked(state, node, entries.pop(ino), believed=journal.same_epoch)
                found.append(state.nodes.path(node))
    if not state.read_only:
        for entry in entries.values():
            entry.done()  # it was whole already, or is gone
        _finish(state)
    return tuple(found)


def _finish(state: State) -> None:
    try:
        completion.finish_all(state)
        state.begin_anew()  # nobody has been watching what was read until now
    except OSError:
        with state.lock:
            completion.wake_locked(state)


def _unfinished(state: State, numbers: Iterable[int]) -> Iterator[tuple[Node, int]]:
    """The files of the upper layer that have these inode numbers, each once."""
    left = set(numbers)
    for path, ino in _files(state):
        if ino in left:
            node = _at(state, path)
            if node is not None and _number(state, node) == ino:
                left.discard(ino)
                yield node, ino


def _files(state: State) -> Iterator[tuple[bytes, int]]:
    """Paths in the union under which upper files may be found, and the files' numbers."""
    assert state.upper is not None
    waiting = [b""]
    while waiting:
        directory = waiting.pop()
        for name, kind in state.upper.store.scan(directory):
            path = join(directory, name)
            if kind is Kind.DIR:
                waiting.append(path)
            elif kind is Kind.FILE:
                yield path, state.upper.store.stat(path).ino
    for name in state.workdir.indexed():
        ino = state.upper.work.stat(join(INDEX, name)).ino
        for path in state.nodes.names_of_copy(join(INDEX, name)):
            yield path, ino


def _at(state: State, path: bytes) -> Node | None:
    """The node at a path of the upper layer; None where the union shows something else there."""
    try:
        node = state.nodes.root
        for name in path.split(b"/"):
            node = state.nodes.of(state.nodes.entry(node, name))
        return node
    except OSError:
        return None


def _number(state: State, node: Node) -> int:
    """The inode number of a node's file in the upper store."""
    store, path, _dialect = state.nodes.store_of(node)
    return store.stat(path).ino if node.upper else 0


def _is_meant(state: State, node: Node, entry: Entry) -> bool:
    return node.data is not None and completion.tag_of(state.nodes.lower_stat(node.data)) == entry.tag


def _adopt_locked(state: State, node: Node, entry: Entry, *, believed: bool) -> None:
    """Have a file unfinished again; where the journal is not `believed`, as far as its data is there."""
    assert state.upper is not None
    assert node.data is not None
    at = state.nodes.home(node)
    upper = (
        state.upper.tree(at).open(at.path, Access.READ)
        if state.read_only
        else completion.open_upper_locked(state, at)
    )
    lower = state.lowers[node.data.layer].store.open(node.data.path, Access.READ)
    if not believed:
        _doubt(entry, upper, lower)
    entry.limit = min(entry.limit, upper.stat().size)  # it may have been cut when it was whole
    entry.written.cut(entry.limit)
    node.partial = PartialFile(upper, lower, entry)
    node.stat = None
    if not state.read_only:
        state.pending.copying[node] = 0.0


def _doubt(entry: Entry, upper: File, lower: File) -> None:
    said, entry.written = entry.written, Ranges()
    for start, end in data_ranges(upper, upper.stat().size):
        for first, last, was_written in said.pieces(start, end):
            if was_written:
                entry.written.add(first, last)
    entry.limit = lower.stat().size
