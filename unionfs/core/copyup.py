"""Getting nodes into the upper layer, with no more of their data than the caller's change needs.

Where the dialect can say that only the metadata is there (metacopy), that alone is copied
here. The data follows with the first write, at once or behind it: see `completion`.
Otherwise the data is copied first, and then the copy is published.
"""

from __future__ import annotations

import errno

from unionfs.core import completion
from unionfs.core.apply import Build
from unionfs.core.completion import EVERYTHING
from unionfs.core.dialect import NO_MARKS, Feature, Links, Marks
from unionfs.core.node import UPPER, Entry, Node, join
from unionfs.core.places import Place
from unionfs.core.plans import copyup as plans
from unionfs.core.state import State
from unionfs.core.steps import At, Link, Plan, upper
from unionfs.errors import error
from unionfs.types import Access, File, Kind, Stat


def raise_node(state: State, node: Node, size: int | None = None) -> None:
    """Have a node in the upper layer: its metadata, and of its data `size` bytes there or coming.

    The caller does not hold the lock; while data is copied nobody does.
    """
    metacopy = state.writes(Feature.METACOPY)
    with state.lock:
        while node in state.copying:
            state.copied.wait()
        if node.is_dir:
            raise_dir_locked(state, node)
            return
        if size is None and not metacopy:
            size = EVERYTHING
        if node.upper and (size is None or node.data is None or node.partial is not None):
            return
        made = None
        at_once = metacopy and size == EVERYTHING and _is_copied_at_once_locked(state, node)
        if not node.upper and not at_once and (metacopy or node.kind is not Kind.FILE):
            made = _raise_metadata_locked(state, node, size)
            if size is None or node.data is None:
                if made is not None:
                    made.close()
                return
        state.copying.add(node)
    try:
        if node.upper and size is not None:
            completion.begin(state, node, made, size)
        else:
            _copy(state, node, EVERYTHING if size is None else size)
    finally:
        with state.lock:
            state.copying.discard(node)
            state.copied.notify_all()


def _is_copied_at_once_locked(state: State, node: Node) -> bool:
    """Whether a node is a small lower file, which is best published with its data."""
    if node.upper or node.kind is not Kind.FILE:
        return False
    size = state.nodes.stat(node).size
    return 0 < size <= completion.AT_ONCE and completion.is_quick(state, size)


def copies_at_length(state: State, node: Node) -> bool:
    """Whether the first write to a node copies so much that it may take a while."""
    if node.kind is not Kind.FILE or (node.upper and (node.data is None or node.partial is not None)):
        return False
    with state.lock:
        size = state.nodes.stat(node).size
    if size <= completion.AT_ONCE:
        return False
    return not state.writes(Feature.METACOPY) or completion.is_quick(state, size)


def raise_dir_locked(state: State, node: Node) -> None:
    """Have a directory, and so all that are above it, in the upper layer."""
    if node.upper:
        return
    if not node.names:
        raise error(errno.ENOENT)
    seen = state.nodes.stat(node)
    _raise_metadata_locked(state, node)
    node.stat = seen  # it looks as before; its time of change cannot be given back like the others


def adopt_root_locked(state: State) -> None:
    """Give the upper layer's root the attributes that the layers beneath have for theirs."""
    root = state.nodes.root
    if not root.lowers:
        return
    source = state.nodes.gather.source(root.lowers[0])
    state.publish_locked(Plan(commit=plans.finish(source, upper(b""), NO_MARKS, state.dialect)))
    root.stat = None


def raise_links(state: State, node: Node) -> None:
    """Before a lower file with several names loses one, have its link count where it can be written down."""
    if node.is_dir or node.upper or not state.writes(Feature.METACOPY):
        return
    with state.lock:
        links = state.nodes.stat(node).nlink
    if links > 1:
        raise_node(state, node)


def raise_for_move(state: State, node: Node) -> None:
    """Have something in the upper layer in a form that can be renamed there."""
    raise_node(state, node)
    if node.is_dir and node.lowers and not state.writes(Feature.REDIRECT):
        raise_tree(state, node)


def raise_tree(state: State, node: Node) -> None:
    """Copy up all that a directory holds, so that nobody has to be told where the rest of it is."""
    with state.lock:
        children = [state.nodes.of(entry) for entry in list(state.nodes.table(node).entries.values())]
    for child in children:
        try:
            raise_node(state, child, EVERYTHING)
            if child.is_dir and child.lowers:
                raise_tree(state, child)
        except FileNotFoundError:
            if child.names:
                raise  # otherwise it was removed meanwhile
    with state.lock:
        table = state.nodes.table(node)
        for entry in table.entries.values():
            raise_name_locked(state, entry)
            entry.where = (UPPER,)
        state.mark_locked(node, node.marks._replace(opaque=True, redirect=None))
        table.hidden.clear()
        node.lowers = ()


def raise_name_locked(state: State, entry: Entry) -> None:
    """Have this very name of a file that is in the upper layer there too."""
    if entry.in_upper:
        return
    node = state.nodes.of(entry)
    raise_dir_locked(state, entry.directory)
    path = state.nodes.path_of(entry)
    state.publish_locked(Plan(commit=(Link(state.nodes.home(node), upper(path)),)))
    _copied_name(state, entry)
    node.stat = None
    count_links_locked(state, node, node.extra_links - 1)


def count_links_locked(state: State, node: Node, extra: int) -> None:
    """Remember by how many links the union's count differs from the store's, for good where it is marked.

    Always done last: a count that is too high after a crash is harmless, while one that is
    too low would have the copy thrown away before its last name is gone.
    """
    node.extra_links = extra
    if node.upper and node.marks.links is not None:
        marks = node.marks._replace(links=Links(extra))
        at = state.nodes.home(node)
        state.publish_locked(Plan(tidy=state.dialect.mark(at, node.marks, marks)))
        node.marks = marks


# Carrying it out


def _raise_metadata_locked(state: State, node: Node, size: int | None = None) -> File | None:
    """Copy up anything without data: a directory, symbolic link or device, or a file as metacopy.

    A file whose data has yet to come is handed over open. One that shall have 0 bytes is whole.
    """
    source = state.nodes.gather.source(node.lowers[0])
    if size == 0:
        source = source._replace(stat=source.stat._replace(size=0))
    data = state.nodes.data_place(node) if node.kind is Kind.FILE and source.stat.size else None
    temp = state.temp()
    marks = _marks_locked(state, node, source.stat, metacopy=data is not None)
    build = state.build()
    build.run(plans.without_data(source, temp, marks, state.dialect))
    return _publish_locked(state, node, build, temp, source.stat, marks, data)


def _copy(state: State, node: Node, size: int) -> None:
    """Copy up a whole file, or its first `size` bytes.

    It is put on stable storage before it is shown; or, where the dialect can say so, it is
    marked until it has been as if its data were missing, so that many share one sync.
    """
    with state.lock:
        data = state.nodes.data_place(node)
        assert data is not None
        source = state.nodes.gather.source(node.lowers[0])
        temp = state.temp()
        build = state.build()
        build.run((plans.make(source, temp),))
    entry = None
    try:
        file = build.file(temp)
        lower = _copy_data(state, data, file, min(size, source.stat.size))
        if state.writes(Feature.METACOPY):
            entry = completion.put_down(state, file, lower)
        else:
            file.sync(data_only=True)
    except BaseException:
        build.undo()
        raise
    with state.lock:
        try:
            marks = _marks_locked(state, node, source.stat, metacopy=entry is not None)
            build.run(plans.finish(source, temp, marks, state.dialect))
            _publish_locked(state, node, build, temp, source.stat, marks, None)
        except BaseException:
            if entry is not None:
                entry.done()
            raise
        if entry is not None:
            completion.settle_later_locked(state, node, entry)


def _copy_data(state: State, place: Place, target: File, size: int) -> Stat:
    """Copy `size` bytes; the attributes of the file that they come from."""
    source = state.lowers[place.layer].store.open(place.path, Access.READ)
    try:
        stat = source.stat()
        plans.copy_whole(source, stat, target, size)
        return stat
    finally:
        source.close()


def _marks_locked(state: State, node: Node, stat: Stat, *, metacopy: bool) -> Marks:
    if not state.dialect.can_mark(node.kind):
        return NO_MARKS
    origin = state.nodes.gather.origin(node.lowers[0], stat.ino)
    redirect = b"/" + node.below if metacopy and not _is_found_by_name(node, stat) else None
    links = None
    if origin is not None and origin.handle and _has_lower_names(node, stat):
        links = Links(_links_left(node, stat) + 1)  # until the copy has its name beside the index
    return Marks(origin=origin, metacopy=metacopy, redirect=redirect, links=links)


def _is_found_by_name(node: Node, stat: Stat) -> bool:
    """Whether a copy's data is where its name in the upper layer says; a new name brings a redirect along."""
    if stat.nlink > 1 or not node.names:
        return False
    entry = node.names[0]
    return node.below == join(entry.directory.below, entry.name)


def _publish_locked(
    state: State, node: Node, build: Build, temp: At, stat: Stat, marks: Marks, data: Place | None
) -> File | None:
    """Show a finished copy under the node's name; or only keep it, if it has lost its names meanwhile.

    The file is handed over open if its data has yet to come.
    """
    try:
        file = _show_locked(state, node, build, temp, stat) if node.names else _keep_locked(node, build, temp)
    except BaseException:
        build.undo()
        raise
    node.upper, node.marks, node.data, node.stat = True, marks, data, None
    if marks.links is not None:
        count_links_locked(state, node, node.extra_links)
    if file is None or data is not None:
        return file
    _hand_over(node, file)
    return None


def _keep_locked(node: Node, build: Build, temp: At) -> File | None:
    """Leave a finished copy in the work tree, for those who have the file open; ENOENT if nobody has."""
    if node.files is None:
        raise error(errno.ENOENT)
    file = build.publish(Plan(), keep=temp)
    node.aside = temp
    node.extra_links = -1
    return file


def _show_locked(state: State, node: Node, build: Build, temp: At, stat: Stat) -> File | None:
    entry = node.names[0]
    parent = entry.directory
    raise_dir_locked(state, parent)
    path = state.nodes.path_of(entry)
    index = _index_locked(state, node, stat)
    around = state.nodes.stat(parent)
    plan = plans.publish(
        temp, path, node.kind, index, state.nodes.path(parent), around, state.dialect, state.temp()
    )
    file = build.publish(plan, keep=upper(path))
    _copied_name(state, entry)
    parent.stat = around  # nothing in it has changed; its time of change cannot be given back like the others
    if index is not None:
        state.workdir.add(index)
        node.aside = index
        node.extra_links = _links_left(node, stat)
        node.upper = True
        state.nodes.remember_links(node)
    return file


def _index_locked(state: State, node: Node, stat: Stat) -> At | None:
    """Where the copy of a lower file with several names is linked, so that all of them find it."""
    if not _has_lower_names(node, stat):
        return None
    layer, path = node.lowers[0]
    handle = state.lowers[layer].store.handle(path)
    return state.workdir.index(handle) if handle else state.temp()


def _has_lower_names(node: Node, stat: Stat) -> bool:
    return not node.is_dir and stat.nlink > 1 and bool(node.names)


def _links_left(node: Node, stat: Stat) -> int:
    """What a new copy's own links lack: it has one name in the upper layer and one in the index."""
    return stat.nlink + node.extra_links - 2


def _copied_name(state: State, entry: Entry) -> None:
    if entry.kind is Kind.DIR:
        entry.where = (UPPER, *entry.where)
    else:
        state.nodes.table(entry.directory).hidden.add(entry.name)
        entry.where = (UPPER,)


def _hand_over(node: Node, file: File) -> None:
    """Let the open handles of a file go on with its copy, which `file` has open for writing."""
    if node.files is None:
        file.close()
    else:
        node.files.switch(file, writable=True)
