"""A union of layers, operation by operation: gather, decide, apply.

Locks. There is one, `Union._lock`, and all state of nodes, tables and open files is
changed under it; `_locked` in a name says that the caller holds it. Data is read and
written without it. A copy-up that copies data lets go of it for as long as the copy
takes: the node is in `_copying` meanwhile, and whoever needs that node in the upper
layer waits on `_copied`, holding nothing; every other caller goes on. Such waiting
happens before an operation takes the lock for good (`_raise`), never within one.
"""

from __future__ import annotations

import errno
import stat as _s
import sys
from collections.abc import Iterator, Sequence
from threading import Condition, RLock

from unionfs.core import copyup, create, diff, remove, rename
from unionfs.core.apply import Build, discard
from unionfs.core.attrs import Changes, change
from unionfs.core.dialect import Feature, Links, Marks, Occupant
from unionfs.core.handle import Handle
from unionfs.core.layer import Layer, UpperLayer
from unionfs.core.node import UPPER, Entry, Node, OpenFiles, Place, join
from unionfs.core.nodes import Nodes
from unionfs.core.readdir import DirEntry
from unionfs.core.rename import Moved
from unionfs.core.steps import At, Link, Plan, RemoveXattr, SetXattr
from unionfs.core.steps import upper as upper_at
from unionfs.core.workdir import WorkDirectory
from unionfs.errors import error
from unionfs.types import NAME_MAX, Access, File, Kind, Owner, RenameFlags, Stat, StatFs, XattrFlags

_EVERYTHING = sys.maxsize
_NO_CHANGES = Changes()
_ROOT = Owner(0, 0)


class Union:
    """Any number of read-only layers, top-most first, and at most one writable layer above them.

    Operations work on nodes (`root`, `lookup`) and raise `OSError` as the system call of
    that name does; without an upper layer every change is EROFS. Names and paths are
    `bytes`. Nothing is checked against a caller's permissions: that is the business of
    whoever shows the union (the kernel for a mount). Safe for use by several threads.
    """

    def __init__(self, lowers: Sequence[Layer], upper: UpperLayer | None = None) -> None:
        self.lowers = tuple(lowers)
        self.upper = upper
        self._lock = RLock()
        self._copied = Condition(self._lock)
        self._copying: set[Node] = set()
        self._workdir = WorkDirectory(upper.work) if upper else None
        self._nodes = Nodes(self.lowers, upper, self._workdir)

    # Names

    @property
    def root(self) -> Node:
        return self._nodes.root

    def lookup(self, parent: Node, name: bytes) -> Node:
        """The node called `name` in a directory. ENOENT, ENOTDIR, ENAMETOOLONG."""
        with self._lock:
            return self._nodes.of(self._nodes.entry(parent, name))

    def parent(self, node: Node) -> Node:
        """The directory that holds the node (one of them, if several do); the root's is the root."""
        with self._lock:
            if node is self.root:
                return node
            if not node.names:
                raise error(errno.ENOENT)
            return node.names[0].directory

    def path(self, node: Node) -> bytes:
        """The node's path (one of them, for a file with several names); ENOENT where it has none left."""
        with self._lock:
            return self._nodes.path(node)

    def readdir(self, node: Node, cookie: int = 0) -> list[DirEntry]:
        """The entries of a directory behind `cookie`, without ``.`` and ``..``."""
        with self._lock:
            if not node.is_dir:
                raise error(errno.ENOTDIR)
            return [
                DirEntry(entry.name, entry.kind, entry.node.ino if entry.node else 0, entry.cookie)
                for entry in self._nodes.table(node).after(cookie)
            ]

    def layer_of(self, node: Node) -> Layer | UpperLayer:
        """The layer that the node's attributes come from."""
        if node.upper:
            return self._writable_layer()
        return self.lowers[node.lowers[0].layer]

    def diff(self) -> Iterator[diff.Change]:
        """What the upper layer changes of the lowers, as of now; see `unionfs.core.diff`."""
        if self._workdir is None:
            return iter(())
        with self._lock:
            return iter(diff.changes(self._nodes, links_are_hidden=self._workdir.has_index()))

    # Attributes

    def getattr(self, node: Node) -> Stat:
        """The node's attributes; `dev` is 0."""
        with self._lock:
            return self._nodes.stat(node)

    def readlink(self, node: Node) -> bytes:
        """A symbolic link's target. EINVAL for anything else."""
        if node.kind is not Kind.SYMLINK:
            raise error(errno.EINVAL)
        with self._lock:
            store, path, _dialect = self._nodes.store_of(node)
            return store.readlink(path)

    def listxattr(self, node: Node) -> list[bytes]:
        """The names of the node's extended attributes, marks left out."""
        with self._lock:
            store, path, dialect = self._nodes.store_of(node)
            shown = map(dialect.shown_xattr, store.listxattr(path))
            return [name for name in shown if name is not None]

    def getxattr(self, node: Node, name: bytes) -> bytes:
        """The value of an extended attribute; ENODATA where there is none."""
        with self._lock:
            store, path, dialect = self._nodes.store_of(node)
            return store.getxattr(path, dialect.stored_xattr(name))

    def setxattr(self, node: Node, name: bytes, value: bytes, flags: XattrFlags = XattrFlags.NONE) -> None:
        self._check_xattr(node, name, flags)
        self._raise(node)
        with self._lock:
            stored = self._writable_layer().dialect.stored_xattr(name)
            self._publish_locked(Plan(commit=(SetXattr(self._nodes.home(node), stored, value, flags),)))
            node.stat = None

    def removexattr(self, node: Node, name: bytes) -> None:
        self._check_xattr(node, name, XattrFlags.REPLACE)
        self._raise(node)
        with self._lock:
            stored = self._writable_layer().dialect.stored_xattr(name)
            self._publish_locked(Plan(commit=(RemoveXattr(self._nodes.home(node), stored),)))
            node.stat = None

    def _check_xattr(self, node: Node, name: bytes, flags: XattrFlags) -> None:
        """Fail before a copy-up, not after it."""
        self._writable_layer()
        if not flags:
            return
        exists = name in self.listxattr(node)
        if exists and flags & XattrFlags.CREATE:
            raise error(errno.EEXIST)
        if not exists and flags & XattrFlags.REPLACE:
            raise error(errno.ENODATA)

    def setattr(self, node: Node, changes: Changes) -> Stat:
        """Change attributes; no data is copied unless `size` leaves some of it in place."""
        self._writable_layer()
        if changes.size is not None and node.kind is not Kind.FILE:
            raise error(errno.EISDIR if node.is_dir else errno.EINVAL)
        if changes != _NO_CHANGES:
            self._raise(node, changes.size)
            with self._lock:
                plan = change(self._nodes.home(node), self._nodes.stat(node), changes)
                self._publish_locked(plan)
                node.stat = None
        return self.getattr(node)

    def statfs(self) -> StatFs:
        """The file system that writes go to; without an upper layer, the top-most lower's."""
        return (self.upper.store if self.upper else self.lowers[0].store).statfs()

    # Open files

    def open(self, node: Node, access: Access = Access.READ) -> Handle:
        """Open a regular file. EISDIR, ELOOP for a symbolic link, EROFS."""
        if node.is_dir:
            raise error(errno.EISDIR)
        if node.kind is not Kind.FILE:
            raise error(errno.ELOOP if node.kind is Kind.SYMLINK else errno.ENXIO)
        if access & (Access.WRITE | Access.TRUNCATE | Access.APPEND):
            self._writable_layer()
        if access & Access.TRUNCATE:
            self.setattr(node, Changes(size=0))
        with self._lock:
            return self._open_locked(node, access)

    def _open_locked(self, node: Node, access: Access) -> Handle:
        if node.files is None:
            node.files = OpenFiles()
        if node.files.current is None:
            node.files.switch(self._open_data_locked(node, Access.READ), writable=False)
        node.files.count += 1
        return Handle(self, node, access)

    def _open_data_locked(self, node: Node, access: Access) -> File:
        place = self._nodes.data_place(node)
        if place is not None:
            return self.lowers[place.layer].store.open(place.path, access)
        at = self._nodes.home(node)
        return self._writable_layer().tree(at).open(at.path, access)

    def file(self, node: Node) -> File:
        """The open file that a node's handles read from. For `Handle`."""
        files = node.files
        if files is None or files.current is None:
            raise error(errno.EBADF)
        return files.current

    def writable_file(self, node: Node) -> File:
        """The open file that a node's handles write to; copies the file up. For `Handle`."""
        files = node.files
        if files is not None and files.writable and files.current is not None:
            return files.current
        self._raise(node, _EVERYTHING)
        with self._lock:
            if node.files is None:
                raise error(errno.EBADF)
            if not node.files.writable:
                file = self._open_data_locked(node, Access.READ | Access.WRITE)
                node.files.switch(file, writable=True)
                node.stat = None
            return self.file(node)

    def append(self, node: Node, file: File, data: bytes | memoryview) -> int:
        """Write at the end of an open file, as one step among all writers. For `Handle`."""
        with self._lock:
            return file.pwrite(data, file.stat().size)

    def release(self, node: Node) -> None:
        """One handle less. For `Handle`."""
        with self._lock:
            files = node.files
            assert files is not None
            files.count -= 1
            if files.count:
                return
            files.close()
            node.files, node.stat = None, None
            if not node.names:
                self._forget_aside_locked(node)

    def sync(self) -> None:
        """Return once everything written so far is on stable storage."""
        if self.upper:
            self.upper.store.sync()

    def close(self) -> None:
        """Make everything last, and close the stores."""
        self.sync()
        if self.upper:
            self.upper.store.close()
            self.upper.work.close()
        for layer in self.lowers:
            layer.store.close()

    # Making

    def create(self, parent: Node, name: bytes, mode: int, owner: Owner = _ROOT) -> tuple[Node, Handle]:
        """Make a regular file and open it for reading and writing. EEXIST, also for what is no file."""
        with self._lock:
            node, file = self._make_locked(parent, name, _s.S_IFREG | _s.S_IMODE(mode), owner)
            node.files = OpenFiles()
            if file is not None:
                node.files.switch(file, writable=True)
            return node, self._open_locked(node, Access.READ | Access.WRITE)

    def mkdir(self, parent: Node, name: bytes, mode: int, owner: Owner = _ROOT) -> Node:
        with self._lock:
            return self._make_locked(parent, name, _s.S_IFDIR | _s.S_IMODE(mode), owner)[0]

    def mknod(self, parent: Node, name: bytes, mode: int, rdev: int = 0, owner: Owner = _ROOT) -> Node:
        """Make a regular file, device, fifo or socket. EPERM for a device that would be a whiteout."""
        with self._lock:
            if not self._writable_layer().dialect.allows_node(mode, rdev):
                raise error(errno.EPERM, name)
            node, file = self._make_locked(parent, name, mode, owner, rdev=rdev)
            if file is not None:
                file.close()
            return node

    def symlink(self, parent: Node, name: bytes, target: bytes, owner: Owner = _ROOT) -> Node:
        with self._lock:
            return self._make_locked(parent, name, _s.S_IFLNK | 0o777, owner, target=target)[0]

    def _make_locked(
        self, parent: Node, name: bytes, mode: int, owner: Owner, *, rdev: int = 0, target: bytes = b""
    ) -> tuple[Node, File | None]:
        layer = self._free_name_locked(parent, name)
        table = self._nodes.table(parent)
        around = self._nodes.stat(parent)
        mode, owner = create.inherit(around, mode, owner)
        path = self._path_in(parent, name)
        temp, spare = self._temp(), self._temp()
        plan = create.new(
            path,
            mode,
            owner,
            rdev=rdev,
            target=target,
            natural=owner == layer.store.owner and not around.mode & _s.S_ISGID,
            over_whiteout=name in table.whiteouts,
            opaque=table.covers(name),
            dialect=layer.dialect,
            temp=temp,
            spare=spare,
        )
        file = self._publish_locked(plan, keep=upper_at(path))
        node = self._nodes.created(path)
        node.marks = Marks(opaque=node.is_dir and table.covers(name))
        self._nodes.add(parent, name, node)
        self._changed_locked(parent)
        return node, file

    def link(self, node: Node, parent: Node, name: bytes) -> None:
        """One more name for a file; no data is copied. EPERM for a directory."""
        if node.is_dir:
            raise error(errno.EPERM, name)
        with self._lock:
            self._free_name_locked(parent, name)
        self._raise(node)
        with self._lock:
            layer = self._free_name_locked(parent, name)
            if not node.names:
                raise error(errno.ENOENT, name)
            plan = create.link(
                self._nodes.home(node),
                self._path_in(parent, name),
                over_whiteout=name in self._nodes.table(parent).whiteouts,
                kind=node.kind,
                dialect=layer.dialect,
                temp=self._temp(),
                spare=self._temp(),
            )
            self._mark_locked(node, self._moved_marks(node, covered=False))
            self._publish_locked(plan)
            self._nodes.add(parent, name, node)
            self._nodes.remember_links(node, self._upper_stat_locked(node))
            self._changed_locked(parent)

    def _free_name_locked(self, parent: Node, name: bytes) -> UpperLayer:
        """Check that something may be made under a name, and have its directory in the upper layer."""
        layer = self._writable_layer()
        if self._nodes.find(parent, name) is not None:
            raise error(errno.EEXIST, name)
        if len(name) > NAME_MAX:
            raise error(errno.ENAMETOOLONG, name)
        if not layer.dialect.allows_name(name):
            raise error(errno.EPERM, name)
        self._raise_dir_locked(parent)
        return layer

    # Removing

    def unlink(self, parent: Node, name: bytes) -> None:
        """Remove a name of something that is no directory (EISDIR); no data is copied."""
        self._writable_layer()
        self._raise_links(parent, name)
        with self._lock:
            entry = self._nodes.entry(parent, name)
            node = self._nodes.of(entry)
            if node.is_dir:
                raise error(errno.EISDIR, name)
            self._raise_dir_locked(parent)
            keep = self._keep_locked(entry)
            plan = remove.remove(
                self._nodes.path_of(entry),
                node.kind,
                in_upper=entry.in_upper,
                covers=self._nodes.table(parent).covers(name),
                keep=keep,
                dialect=self._writable_layer().dialect,
                temp=self._temp(),
                spare=self._temp(),
            )
            self._publish_locked(plan)
            self._lost_name_locked(entry, keep)
            self._changed_locked(parent)

    def rmdir(self, parent: Node, name: bytes) -> None:
        """Remove a directory that shows nothing. ENOTDIR, ENOTEMPTY."""
        layer = self._writable_layer()
        with self._lock:
            entry = self._nodes.entry(parent, name)
            node = self._nodes.of(entry)
            if not node.is_dir:
                raise error(errno.ENOTDIR, name)
            if self._nodes.table(node).entries:
                raise error(errno.ENOTEMPTY, name)
            self._raise_dir_locked(parent)
            plan = remove.remove_dir(
                self._nodes.path_of(entry),
                in_upper=entry.in_upper,
                covers=self._nodes.table(parent).covers(name),
                holds_marks=self._holds_marks_locked(entry),
                dialect=layer.dialect,
                temp=self._temp(),
                spare=self._temp(),
            )
            last = self._nodes.stat(node)
            self._publish_locked(plan)
            self._lost_name_locked(entry, None)
            node.stat = last._replace(nlink=0)
            self._changed_locked(parent)

    def _holds_marks_locked(self, entry: Entry) -> bool:
        """Whether the upper layer's part of a directory that shows nothing holds something all the same."""
        if not entry.in_upper:
            return False
        return any(True for _ in self._writable_layer().store.scan(self._nodes.path_of(entry)))

    def _keep_locked(self, entry: Entry) -> At | None:
        """Where an open file goes that is about to lose its last name in the upper layer."""
        node = entry.node
        assert node is not None
        others = any(other.in_upper for other in node.names if other is not entry)
        if node.files is None or not entry.in_upper or others or node.aside is not None:
            return None
        return self._temp()

    def _lost_name_locked(self, entry: Entry, keep: At | None) -> None:
        """Bring nodes up to date with a name that has been removed."""
        node = entry.node
        assert node is not None
        self._nodes.table(entry.directory).take(entry.name)
        node.names.remove(entry)
        node.stat = None
        if node.is_dir:
            node.upper, node.lowers = False, ()
            return
        if keep is not None:
            node.aside = keep
            node.extra_links -= 1
        elif not entry.in_upper:
            self._count_links_locked(node, node.extra_links - 1)
        if not node.names and node.files is None:
            self._forget_aside_locked(node)

    def _count_links_locked(self, node: Node, extra: int) -> None:
        node.extra_links = extra
        if node.upper and node.marks.links is not None:
            self._mark_locked(node, node.marks._replace(links=Links(extra)))

    def _forget_aside_locked(self, node: Node) -> None:
        """Throw away what the work tree keeps of a file that nothing names or has open any more."""
        if node.aside is None or self._workdir is None:
            return
        if self._nodes.stat(node).nlink > 0:
            return  # lower names that were never looked at still lead to it
        self._workdir.drop(node.aside)
        discard(self._writable_layer().work, node.aside.path)
        node.aside = None

    # Renaming

    def rename(
        self,
        parent: Node,
        name: bytes,
        new_parent: Node,
        new_name: bytes,
        flags: RenameFlags = RenameFlags.NONE,
    ) -> None:
        """renameat2(2) with NOREPLACE and EXCHANGE. Takes the same time whatever a directory holds."""
        self._writable_layer()
        if flags not in (RenameFlags.NONE, RenameFlags.NOREPLACE, RenameFlags.EXCHANGE):
            raise error(errno.EINVAL, new_name)
        with self._lock:
            source, target = self._renamed_locked(parent, name, new_parent, new_name, flags)
            nodes = [self._nodes.of(entry) for entry in (source, target) if entry is not None]
        if len(nodes) == 2 and nodes[0] is nodes[1]:
            return
        self._raise_moving(nodes[0])
        if flags is RenameFlags.EXCHANGE:
            self._raise_moving(nodes[1])
        elif target is not None:
            self._raise_links(new_parent, new_name)
        with self._lock:
            source, target = self._renamed_locked(parent, name, new_parent, new_name, flags)
            for directory in (parent, new_parent):
                self._raise_dir_locked(directory)
            self._raise_name_locked(source)
            if flags is RenameFlags.EXCHANGE:
                assert target is not None
                self._raise_name_locked(target)
                self._exchange_locked(source, target)
            else:
                self._rename_locked(source, new_parent, new_name, target)
            self._changed_locked(parent)
            self._changed_locked(new_parent)

    def _renamed_locked(
        self, parent: Node, name: bytes, new_parent: Node, new_name: bytes, flags: RenameFlags
    ) -> tuple[Entry, Entry | None]:
        """What a rename is about, checked in the order in which Linux checks."""
        source = self._nodes.entry(parent, name)
        target = self._nodes.find(new_parent, new_name)
        if flags is RenameFlags.NOREPLACE and target is not None:
            raise error(errno.EEXIST, new_name)
        if flags is RenameFlags.EXCHANGE and target is None:
            raise error(errno.ENOENT, new_name)
        moved, replaced = self._nodes.of(source), self._nodes.of(target) if target else None
        if self._is_within(new_parent, moved):
            raise error(errno.EINVAL, new_name)
        if replaced is not None and self._is_within(parent, replaced):
            raise error(errno.EINVAL if flags is RenameFlags.EXCHANGE else errno.ENOTEMPTY, new_name)
        if target is None and not self._writable_layer().dialect.allows_name(new_name):
            raise error(errno.EPERM, new_name)
        if replaced is not None and flags is not RenameFlags.EXCHANGE:
            self._check_replaceable_locked(moved, replaced, new_name)
        return source, target

    def _check_replaceable_locked(self, moved: Node, replaced: Node, name: bytes) -> None:
        if moved.is_dir and not replaced.is_dir:
            raise error(errno.ENOTDIR, name)
        if replaced.is_dir and not moved.is_dir:
            raise error(errno.EISDIR, name)
        if replaced.is_dir and self._nodes.table(replaced).entries:
            raise error(errno.ENOTEMPTY, name)

    def _is_within(self, node: Node, directory: Node) -> bool:
        while node is not directory:
            if node is self.root or not node.names:
                return False
            node = node.names[0].directory
        return directory.is_dir

    def _rename_locked(self, source: Entry, new_parent: Node, new_name: bytes, target: Entry | None) -> None:
        dialect = self._writable_layer().dialect
        table = self._nodes.table(new_parent)
        moved = self._moved_locked(source, covered=table.covers(new_name))
        path = self._path_in(new_parent, new_name)
        keep = self._keep_locked(target) if target is not None else None
        if target is not None and target.kind is Kind.DIR and self._holds_marks_locked(target):
            plan = rename.over_marked_dir(moved, path, dialect=dialect, temp=self._temp(), spare=self._temp())
        else:
            onto = self._occupant_locked(new_parent, new_name)
            plan = rename.rename(moved, path, onto=onto, dialect=dialect, temp=self._temp())
        if keep is not None:
            plan = rename.keep_aside(upper_at(path), keep) + plan
        self._publish_locked(plan)
        if target is not None:
            self._lost_name_locked(target, keep)
        self._nodes.table(source.directory).take(source.name)
        table.put(source, new_parent, new_name)
        self._now_marked(source, moved)

    def _exchange_locked(self, source: Entry, target: Entry) -> None:
        one = self._moved_locked(source, covered=self._covers(target))
        other = self._moved_locked(target, covered=self._covers(source))
        self._publish_locked(rename.exchange(one, other, self._writable_layer().dialect))
        places = (source.directory, source.name), (target.directory, target.name)
        for directory, name in places:
            self._nodes.table(directory).take(name)
        for entry, (directory, name) in zip((target, source), places, strict=True):
            self._nodes.table(directory).put(entry, directory, name)
        self._now_marked(source, one)
        self._now_marked(target, other)

    def _covers(self, entry: Entry) -> bool:
        return self._nodes.table(entry.directory).covers(entry.name)

    def _moved_locked(self, entry: Entry, covered: bool) -> Moved:
        node = self._nodes.of(entry)
        return Moved(
            self._nodes.path_of(entry),
            node.kind,
            self._covers(entry),
            node.marks,
            self._moved_marks(node, covered),
        )

    def _moved_marks(self, node: Node, covered: bool) -> Marks:
        return rename.marks_at(
            node.marks, below=node.below, merges=bool(node.lowers), covered=covered, kind=node.kind
        )

    def _now_marked(self, entry: Entry, moved: Moved) -> None:
        assert entry.node is not None
        entry.node.marks = moved.new
        entry.node.stat = None

    def _occupant_locked(self, parent: Node, name: bytes) -> Occupant:
        table = self._nodes.table(parent)
        entry = table.entries.get(name)
        if entry is not None and entry.in_upper:
            return Occupant.ENTRY
        return Occupant.WHITEOUT if name in table.whiteouts else Occupant.NOTHING

    # Copy-up

    def _raise(self, node: Node, size: int | None = None) -> None:
        """Have a node in the upper layer: its metadata, and with `size` as many bytes of its data.

        Metadata alone is enough only where the upper's dialect can say so. The lock is
        not held by the caller; while data is copied nobody holds it.
        """
        layer = self._writable_layer()
        with self._lock:
            while node in self._copying:
                self._copied.wait()
            if node.is_dir:
                self._raise_dir_locked(node)
                return
            if node.kind is Kind.FILE and size is None and Feature.METACOPY not in layer.dialect.features:
                size = _EVERYTHING
            if node.upper and (size is None or node.data is None):
                return
            if node.kind is not Kind.FILE or (size is None and node.names):
                self._raise_metadata_locked(node)
                return
            self._copying.add(node)
        try:
            if node.upper:
                self._complete(node, _EVERYTHING if size is None else size)
            else:
                self._copy(node, _EVERYTHING if size is None else size)
        finally:
            with self._lock:
                self._copying.discard(node)
                self._copied.notify_all()

    def _raise_links(self, parent: Node, name: bytes) -> None:
        """Before a lower file with several names loses one, have its link count written down."""
        if Feature.METACOPY not in self._writable_layer().dialect.features:
            return
        with self._lock:
            node = self._nodes.of(self._nodes.entry(parent, name))
            counted = node.is_dir or node.upper or self._nodes.stat(node).nlink < 2
        if not counted:
            self._raise(node)

    def _raise_moving(self, node: Node) -> None:
        """Have something in the upper layer in a form that can be renamed there."""
        self._raise(node)
        if node.is_dir and node.lowers and Feature.REDIRECT not in self._writable_layer().dialect.features:
            self._raise_tree(node)

    def _raise_tree(self, node: Node) -> None:
        """Copy up a directory with all it holds, for a dialect that cannot say where the rest of it is."""
        with self._lock:
            children = [self._nodes.of(entry) for entry in list(self._nodes.table(node).entries.values())]
        for child in children:
            self._raise_moving(child)
        with self._lock:
            table = self._nodes.table(node)
            for entry in table.entries.values():
                self._raise_name_locked(entry)
                entry.where = (UPPER,)
            self._mark_locked(node, node.marks._replace(opaque=True))
            table.hidden.clear()
            node.lowers = ()

    def _raise_name_locked(self, entry: Entry) -> None:
        """Have not only the file but this very name of it in the upper layer."""
        node = self._nodes.of(entry)
        if entry.in_upper:
            return
        path = self._nodes.path_of(entry)
        self._raise_dir_locked(entry.directory)
        self._count_links_locked(node, node.extra_links - 1)
        self._publish_locked(Plan(commit=(Link(self._nodes.home(node), upper_at(path)),)))
        self._nodes.table(entry.directory).hidden.add(entry.name)
        entry.where = (UPPER,)
        node.stat = None

    def _raise_dir_locked(self, node: Node) -> None:
        if node.upper:
            return
        if not node.names:
            raise error(errno.ENOENT)
        self._raise_metadata_locked(node)

    def _raise_metadata_locked(self, node: Node) -> None:
        """Copy up anything without data: a directory, symbolic link or device, or a file as metacopy."""
        layer = self._writable_layer()
        source = self._nodes.gather.source(node.lowers[0])
        data = self._nodes.data_place(node) if node.kind is Kind.FILE and source.stat.size else None
        temp = self._temp()
        marks = self._copy_marks_locked(node, source.stat, metacopy=data is not None)
        build = Build(layer)
        if node.kind is Kind.FILE:
            build.run(copyup.metadata_only(source, temp, marks, layer.dialect))
        else:
            build.run((copyup.make(source, temp), *copyup.finish(source, temp, marks, layer.dialect)))
        self._publish_copy_locked(node, build, temp, source.stat, marks, data)

    def _copy(self, node: Node, size: int) -> None:
        """Copy up a whole file, or its first `size` bytes."""
        layer = self._writable_layer()
        with self._lock:
            data = self._nodes.data_place(node)
            assert data is not None
            source = self._nodes.gather.source(node.lowers[0])
            temp = self._temp()
            build = Build(layer)
            build.run((copyup.make(source, temp),))
        try:
            self._copy_data(data, build.file(temp), min(size, source.stat.size))
        except BaseException:
            build.undo()
            raise
        with self._lock:
            marks = self._copy_marks_locked(node, source.stat, metacopy=False)
            build.run(copyup.finish(source, temp, marks, layer.dialect))
            self._publish_copy_locked(node, build, temp, source.stat, marks, None)

    def _complete(self, node: Node, size: int) -> None:
        """Bring the data, or its first `size` bytes, to a copy that has only its metadata."""
        layer = self._writable_layer()
        with self._lock:
            place = node.data
            assert place is not None
            at = self._nodes.home(node)
            stat = self._nodes.stat(node)
            file = layer.tree(at).open(at.path, Access.READ | Access.WRITE)
        try:
            self._copy_data(place, file, min(size, stat.size))
        except BaseException:
            file.close()
            raise
        with self._lock:
            plan = copyup.complete(self._nodes.home(node), node.marks, layer.dialect, stat)
            self._publish_locked(plan)
            node.marks = node.marks._replace(metacopy=False, redirect=None)
            node.data, node.stat = None, None
            self._follow_copy_locked(node, file)

    def _copy_data(self, place: Place, target: File, size: int) -> None:
        source = self.lowers[place.layer].store.open(place.path, Access.READ)
        try:
            target.truncate(size)
            copyup.copy_data(source, target, size)
            target.sync(data_only=True)
        finally:
            source.close()

    def _copy_marks_locked(self, node: Node, stat: Stat, *, metacopy: bool) -> Marks:
        origin = self._nodes.gather.origin(node.lowers[0], stat.ino)
        redirect = b"/" + node.below if metacopy else None
        links = None
        if origin is not None and origin.handle and self._is_linked(node, stat):
            links = Links(_copied_links(node, stat))
        return Marks(origin=origin, metacopy=metacopy, redirect=redirect, links=links)

    def _is_linked(self, node: Node, stat: Stat) -> bool:
        return not node.is_dir and stat.nlink > 1 and bool(node.names)

    def _publish_copy_locked(
        self, node: Node, build: Build, temp: At, stat: Stat, marks: Marks, data: Place | None
    ) -> None:
        """Show a finished copy under the node's name; or only keep it, if it has lost its names meanwhile."""
        if node.names:
            keep = self._show_copy_locked(node, build, temp, stat)
        else:
            node.aside = temp
            node.extra_links = -1
            keep = build.publish(Plan(), keep=temp)
        node.upper, node.marks, node.data, node.stat = True, marks, data, None
        self._follow_copy_locked(node, keep)

    def _show_copy_locked(self, node: Node, build: Build, temp: At, stat: Stat) -> File | None:
        entry = node.names[0]
        parent = entry.directory
        self._raise_dir_locked(parent)
        path = self._nodes.path_of(entry)
        index = self._index_locked(node, stat)
        plan = copyup.publish(
            temp,
            path,
            node.kind,
            index,
            self._nodes.path(parent),
            self._nodes.stat(parent),
            self._writable_layer().dialect,
            self._temp(),
        )
        keep = build.publish(plan, keep=upper_at(path))
        if index is not None:
            node.aside = index
            node.extra_links = _copied_links(node, stat)
            self._nodes.remember_links(node, self._writable_layer().store.stat(path))
        self._copied_name_locked(entry)
        parent.stat = None
        return keep

    def _index_locked(self, node: Node, stat: Stat) -> At | None:
        """Where the copy of a lower file with several names is linked, so that all of them find it."""
        if not self._is_linked(node, stat) or self._workdir is None:
            return None
        layer, path = node.lowers[0]
        handle = self.lowers[layer].store.handle(path)
        return self._workdir.add(handle) if handle else self._temp()

    def _copied_name_locked(self, entry: Entry) -> None:
        if entry.kind is Kind.DIR:
            entry.where = (UPPER, *entry.where)
        else:
            self._nodes.table(entry.directory).hidden.add(entry.name)
            entry.where = (UPPER,)

    def _follow_copy_locked(self, node: Node, file: File | None) -> None:
        """Hand the open handles of a file over to its copy, which `file` has open for writing."""
        if file is None:
            return
        if node.files is None or node.data is not None:
            file.close()
        else:
            node.files.switch(file, writable=True)

    # Helpers

    def _writable_layer(self) -> UpperLayer:
        if self.upper is None:
            raise error(errno.EROFS)
        return self.upper

    def _publish_locked(self, plan: Plan, keep: At | None = None) -> File | None:
        return Build(self._writable_layer()).publish(plan, keep)

    def _mark_locked(self, node: Node, marks: Marks) -> None:
        if marks != node.marks:
            dialect = self._writable_layer().dialect
            self._publish_locked(Plan(commit=dialect.mark(self._nodes.home(node), node.marks, marks)))
            node.marks = marks

    def _temp(self) -> At:
        assert self._workdir is not None
        return self._workdir.temp()

    def _path_in(self, parent: Node, name: bytes) -> bytes:
        return join(self._nodes.path(parent), name)

    def _upper_stat_locked(self, node: Node) -> Stat:
        at = self._nodes.home(node)
        return self._writable_layer().tree(at).stat(at.path)

    def _changed_locked(self, directory: Node) -> None:
        """Something was made in or removed from a directory: its times and link count are new."""
        directory.stat = None


def _copied_links(node: Node, stat: Stat) -> int:
    """What a new copy's links lack: it has one name in the upper layer and one in the index."""
    return stat.nlink + node.extra_links - 2
