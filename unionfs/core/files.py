"""Opening regular files, and the one open file that all handles of a node share."""

from __future__ import annotations

import errno

from unionfs.core.attrs import Changes, set_attributes
from unionfs.core.completion import EVERYTHING, finish, is_quick, raise_failure
from unionfs.core.copyup import copies_at_length, raise_node
from unionfs.core.dialect import Dialect, Feature
from unionfs.core.handle import Handle
from unionfs.core.node import Node, OpenFiles
from unionfs.core.remove import forget_aside_locked
from unionfs.core.state import State
from unionfs.errors import error
from unionfs.types import Access, File, Kind, Stat, TellsXattrs

_NOT_OPENED = {Kind.DIR: errno.EISDIR, Kind.SYMLINK: errno.ELOOP}


class SharedFile:
    """What a `Handle` needs of its union: the node's file, wherever its data is at the moment."""

    def __init__(self, state: State, node: Node) -> None:
        self._state = state
        self.node = node

    def readable(self) -> File:
        files = self.node.files
        if files is None or files.current is None:
            raise error(errno.EBADF)
        return files.current

    def writable(self) -> File:
        """The file in the upper layer; copies it up the first time.

        Whatever failed in the background since the last write is told to the next one.
        """
        if self._state.pending.failures:
            raise_failure(self._state, self.node)
        files = self.node.files
        if files is not None and files.writable:
            return self.readable()
        raise_node(self._state, self.node, EVERYTHING)
        with self._state.lock:
            files = self.node.files
            if files is not None and not files.writable:
                files.switch(_open_data_locked(self._state, self.node, Access.READ | Access.WRITE), True)
                self.node.stat = None
            return self.readable()

    def waits(self, size: int, offset: int) -> bool:
        """Whether a write would have to wait: for the file to be copied, or for just these bytes of it."""
        if self._state.far:
            with self._state.lock:
                if self._state.is_far_locked(self.node):
                    return True
        partial = self.node.partial
        if partial is not None:
            return partial.is_busy(offset, size)
        return copies_at_length(self._state, self.node)

    def is_copied_later(self) -> bool:
        """Whether the file has data that is, or would be, copied behind a writer."""
        if not self.node.lacks_data or not self._state.writes(Feature.METACOPY):
            return False
        return self.node.partial is not None or not is_quick(self._state, self.stat().size)

    def append(self, data: bytes | memoryview) -> int:
        """Write at the end, as one step among all writers."""
        file = self.writable()
        files = self.node.files
        assert files is not None
        with files.appending:
            return file.pwrite(data, file.stat().size)

    def truncate(self, size: int) -> None:
        set_attributes(self._state, self.node, Changes(size=size))

    def sync(self, data_only: bool) -> None:
        """Finish the file first. That a copy is whole has to last too: fdatasync(2) is not enough."""
        if self.node.upper:
            finish(self._state, self.node)
            self.readable().sync(data_only and self.node.marks.origin is None)

    def flush(self) -> None:
        raise_failure(self._state, self.node)

    def stat(self) -> Stat:
        with self._state.lock:
            return self._state.nodes.stat(self.node)

    def release(self) -> None:
        """One handle less."""
        with self._state.lock:
            files = self.node.files
            assert files is not None
            files.count -= 1
            if files.count == 0:
                files.close()
                self.node.files = None
                forget_aside_locked(self._state, self.node)


def open_node(state: State, node: Node, access: Access) -> Handle:
    if node.kind is not Kind.FILE:
        raise error(_NOT_OPENED.get(node.kind, errno.ENXIO))
    if access.has(Access.TRUNCATE):
        set_attributes(state, node, Changes(size=0))
    if _has_another_length(state, node):
        raise_node(state, node, EVERYTHING)
    with state.lock:
        return _open_locked(state, node, access)


def _has_another_length(state: State, node: Node) -> bool:
    """Whether a crash came between resizing a copy without data and writing down that it was resized."""
    if state.read_only:
        return False
    with state.lock:
        if not node.upper or node.data is None or node.files is not None or node.partial is not None:
            return False
        return state.nodes.stat(node).size != state.nodes.lower_stat(node.data).size


def open_made_locked(state: State, node: Node, file: File | None) -> Handle:
    """A handle on a file that was made just now and is open already."""
    if file is not None:
        node.files = OpenFiles()
        node.files.switch(file, writable=True)
    return _open_locked(state, node, Access.READ | Access.WRITE)


def open_unnamed_locked(state: State, node: Node, file: File | None) -> Handle:
    """A handle on a file without a name; the file goes with its last handle, unless it gets one."""
    handle = open_made_locked(state, node, file)
    assert node.files is not None
    node.files.unnamed = True
    return handle


def _open_locked(state: State, node: Node, access: Access) -> Handle:
    if node.files is None:
        node.files = OpenFiles()
    if node.files.current is None and node.partial is not None:
        node.files.switch(node.partial.hold(), writable=not state.read_only)
    if node.files.current is None:
        node.files.switch(_open_data_locked(state, node, Access.READ), writable=False)
    node.files.count += 1
    return Handle(SharedFile(state, node), access)


def _open_data_locked(state: State, node: Node, access: Access) -> File:
    if node.data is None and not node.upper:
        place, layer = node.lowers[0], state.lowers[node.lowers[0].layer]
        file = layer.store.open(place.path, access)
        if _is_unmarked(file, layer.dialect):
            node.data = place
            return file
        file.close()
    data = state.nodes.data_place(node)
    if data is not None:
        return state.lowers[data.layer].store.open(data.path, access)
    store, path, _dialect = state.nodes.store_of(node)
    return store.open(path, access)


def _is_unmarked(file: File | TellsXattrs, dialect: Dialect) -> bool:
    """Whether an open file tells that it has no mark: asking it takes a fifth of asking by path."""
    if not hasattr(file, "xattrs"):
        return False
    return all(dialect.shown_xattr(name) is not None for name in file.xattrs())
