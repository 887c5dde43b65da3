"""A union of layers: every operation on it, by node.

Each operation gathers facts through the layers' ports, decides on a plan (`plans`) and
applies it (`apply`). This file is the list of operations and where the lock is taken;
what they do is in the file of that verb. For the lock itself see `state`.
"""

from __future__ import annotations

import errno
import stat as _s
from collections.abc import Callable, Iterator, Sequence

from unionfs.core import (
    attrs,
    completion,
    copyup,
    create,
    diff,
    fileflags,
    files,
    plain,
    recovery,
    remove,
    rename,
)
from unionfs.core.attrs import Changes
from unionfs.core.beneath import Beneath, Changed, Names, Watch
from unionfs.core.handle import Handle
from unionfs.core.layer import Layer, UpperLayer
from unionfs.core.node import Node
from unionfs.core.pending import Background, in_thread
from unionfs.core.places import Place
from unionfs.core.readdir import DirEntry, Listed, listed
from unionfs.core.state import State
from unionfs.core.store import Fetches, Store, TellsBirth
from unionfs.errors import error
from unionfs.types import (
    Access,
    CopyUp,
    FlagsForm,
    Kind,
    Owner,
    RenameFlags,
    Stat,
    StatFs,
    XattrFlags,
)

_ROOT = Owner(0, 0)

_NEAR = 16
"""Entries of a directory."""


class Union:
    """Any number of read-only layers, top-most first, and at most one writable layer above them.

    Operations work on nodes (`root`, `lookup`) and raise `OSError` as the system call of
    that name does; without an upper layer every change is EROFS. Names and paths are
    `bytes`. Nothing is checked against a caller's permissions: that is the business of
    whoever shows the union (the kernel for a mount). Safe for use by several threads.
    """

    def __init__(
        self,
        lowers: Sequence[Layer],
        upper: UpperLayer | None = None,
        *,
        inspect: bool = False,
        copy_up: CopyUp = CopyUp.AUTO,
        background: Background | None = in_thread,
    ) -> None:
        """With `inspect`, look at an upper layer that may be in use elsewhere; every change is EROFS.

        `background` runs what completes files behind their writers; without one they are
        completed by fsync and by closing the union. Files that an earlier union did not
        finish, because it was killed, are finished before this returns.
        """
        self._state = State(lowers, upper, inspect=inspect, copy_up=copy_up, background=background)
        self.recovered = recovery.recover(self._state) if upper else ()
        self._nodes = self._state.nodes
        self._lock = self._state.lock
        self._far = self._state.far
        self._beneath: Beneath | None = None

    @property
    def lowers(self) -> tuple[Layer, ...]:
        return self._state.lowers

    @property
    def upper(self) -> UpperLayer | None:
        return self._state.upper

    @property
    def is_far(self) -> bool:
        """Whether a layer is in a store that is far away."""
        return bool(self._far)

    @property
    def root(self) -> Node:
        return self._nodes.root

    # Names

    def lookup(self, parent: Node, name: bytes) -> Node:
        """The node called `name` in a directory. ENOENT, ENOTDIR, ENAMETOOLONG."""
        if self._far:
            self.fetch(parent, name)
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

    def readdir(self, node: Node, cookie: int = 0, limit: int | None = None) -> list[DirEntry]:
        """The entries of a directory behind `cookie` (at most `limit`), without ``.`` and ``..``."""
        if self._far:
            self.fetch(node, b"")
        with self._lock:
            return [
                DirEntry(entry.name, entry.kind, entry.node.ino if entry.node else 0, entry.cookie)
                for entry in self._nodes.table(node).after(cookie, limit)
            ]

    def readdirplus(self, node: Node, cookie: int, fits: Callable[[bytes], bool]) -> list[Listed]:
        """The entries behind `cookie`, each looked up, while `fits` says that there is room for the name."""
        if self._far:
            self.fetch(node, None)
        with self._lock:
            return list(listed(self._nodes, node, cookie, fits))

    def following(self, directory: Node) -> Node | None:
        """The directory that is listed behind this one where both are; None where none is near."""
        with self._lock:
            if directory is self.root or not directory.names:
                return None
            entry = directory.names[0]
            behind = self._nodes.table(entry.directory).after(entry.cookie, _NEAR)
            return next((other.node for other in behind if other.kind is Kind.DIR), None)

    def layer_of(self, node: Node) -> Layer | UpperLayer:
        """The layer that the node's attributes come from."""
        if node.upper and self.upper is not None:
            return self.upper
        return self.lowers[node.lowers[0].layer]

    def diff(self, above: int = 0) -> Iterator[diff.Change]:
        """What the upper layer changes of the lowers, as of now; see `unionfs.core.diff`.

        The `above` top-most lowers count to the change, as if they were one with the upper layer.
        """
        with self._lock:
            links_are_hidden = self.upper is not None and self._state.workdir.has_index()
            return iter(diff.changes(self._nodes, above=above, links_are_hidden=links_are_hidden))

    def is_at_hand(self, directory: Node, name: bytes | None) -> bool:
        """Whether reading a directory waits for no store that is far away; `name` as for `Fetches`."""
        return next(self._to_fetch(directory, name), None) is None

    def fetch(self, directory: Node, name: bytes | None) -> None:
        """Wait, without the lock, for what far stores have of a directory."""
        for store, path in self._to_fetch(directory, name):
            store.fetch(path, name)

    def _to_fetch(self, directory: Node, name: bytes | None) -> Iterator[tuple[Fetches, bytes]]:
        if not self._far or not directory.is_dir:
            return
        with self._lock:
            places = [(self._far[layer], path) for layer, path in directory.lowers if layer in self._far]
        for store, path in places:
            if not store.is_at_hand(path, name):
                yield store, path

    # Attributes

    def getattr(self, node: Node) -> Stat:
        """The node's attributes; `dev` is 0."""
        with self._lock:
            return self._nodes.stat(node)

    def setattr(self, node: Node, changes: Changes) -> Stat:
        """Change attributes. EISDIR, EINVAL for the size of what is no regular file."""
        self._need_upper()
        attrs.set_attributes(self._state, node, changes)
        return self.getattr(node)

    def readlink(self, node: Node) -> bytes:
        """A symbolic link's target. EINVAL for anything else."""
        if node.kind is not Kind.SYMLINK:
            raise error(errno.EINVAL)
        with self._lock:
            store, path, _dialect = self._nodes.store_of(node)
            return store.readlink(path)

    def has_xattrs(self) -> bool:
        """False where no file has an extended attribute, or ever will."""
        return self.upper is not None or any(layer.store.has_xattrs() for layer in self.lowers)

    def listxattr(self, node: Node) -> list[bytes]:
        """The names of the node's extended attributes, marks left out."""
        return attrs.list_xattrs(self._state, node)

    def getxattr(self, node: Node, name: bytes) -> bytes:
        """The value of an extended attribute; ENODATA where there is none."""
        return attrs.get_xattr(self._state, node, name)

    def setxattr(self, node: Node, name: bytes, value: bytes, flags: XattrFlags = XattrFlags.NONE) -> None:
        """Set an extended attribute. EEXIST, ENODATA by `flags`."""
        self._need_upper()
        attrs.set_xattr(self._state, node, name, value, flags)

    def removexattr(self, node: Node, name: bytes) -> None:
        """Remove an extended attribute; ENODATA where there is none."""
        self._need_upper()
        attrs.remove_xattr(self._state, node, name)

    def birth_ns(self, node: Node) -> int | None:
        """When the file that has the node's attributes was made: a copy when it was copied up.

        Nanoseconds since the epoch; None where nothing tells.
        """
        with self._lock:
            store: Store | TellsBirth
            store, path, _dialect = self._nodes.store_of(node)
            return store.birth_ns(path) if hasattr(store, "birth_ns") else None

    def flags(self, node: Node, form: FlagsForm) -> bytes:
        """The flags of chattr(1), for regular files and directories; ENOTTY where there are none."""
        return fileflags.get_flags(self._state, node, form)

    def set_flags(self, node: Node, form: FlagsForm, value: bytes) -> None:
        """Set the flags of chattr(1). EOPNOTSUPP for those that a union does not keep, see `fileflags`."""
        self._need_upper()
        fileflags.set_flags(self._state, node, form, value)

    def statfs(self) -> StatFs:
        """The file system that writes go to; without an upper layer, the top-most lower's."""
        return (self.upper.store if self.upper else self.lowers[0].store).statfs()

    # Open files

    def open(self, node: Node, access: Access = Access.READ) -> Handle:
        """Open a regular file; nothing is copied up. EISDIR, ELOOP for a symbolic link, ENXIO, EROFS."""
        if access != Access.READ:
            self._need_upper()
        return files.open_node(self._state, node, access)

    def create(
        self, parent: Node, name: bytes, mode: int, owner: Owner = _ROOT, umask: int = 0
    ) -> tuple[Node, Handle]:
        """Make a regular file and open it for reading and writing. EEXIST, also for what is no file."""
        with self._lock:
            mode = _s.S_IFREG | _s.S_IMODE(mode)
            node, file = create.make_locked(self._state, parent, name, mode, umask, owner)
            return node, files.open_made_locked(self._state, node, file)

    def tmpfile(self, parent: Node, mode: int, owner: Owner = _ROOT, umask: int = 0) -> tuple[Node, Handle]:
        """Make a regular file without a name and open it (open(2), O_TMPFILE); `link` can give it one."""
        self._need_upper()
        with self._lock:
            node, file = create.make_unnamed_locked(self._state, parent, _s.S_IMODE(mode), umask, owner)
            return node, files.open_unnamed_locked(self._state, node, file)

    # Making and removing. A default ACL of the directory takes the place of the umask (acl(5)).

    def mkdir(self, parent: Node, name: bytes, mode: int, owner: Owner = _ROOT, umask: int = 0) -> Node:
        """Make a directory. EEXIST."""
        with self._lock:
            mode = _s.S_IFDIR | _s.S_IMODE(mode)
            return create.make_locked(self._state, parent, name, mode, umask, owner)[0]

    def mknod(
        self, parent: Node, name: bytes, mode: int, rdev: int = 0, owner: Owner = _ROOT, umask: int = 0
    ) -> Node:
        """Make a regular file, device, fifo or socket. EEXIST; EPERM for a device that is a mark."""
        with self._lock:
            mode = create.mode_of_node(mode)
            node, file = create.make_locked(self._state, parent, name, mode, umask, owner, rdev=rdev)
            if file is not None:
                file.close()
            return node

    def symlink(self, parent: Node, name: bytes, target: bytes, owner: Owner = _ROOT) -> Node:
        """Make a symbolic link. EEXIST."""
        with self._lock:
            mode = _s.S_IFLNK | 0o777
            return create.make_locked(self._state, parent, name, mode, 0, owner, target=target)[0]

    def link(self, node: Node, parent: Node, name: bytes) -> None:
        """One more name for a file; no data is copied. EEXIST, EPERM for a directory."""
        self._need_upper()
        create.link(self._state, node, parent, name)

    def unlink(self, parent: Node, name: bytes) -> None:
        """Remove a name of something that is no directory (EISDIR); no data is copied."""
        self._need_upper()
        copyup.raise_links(self._state, self.lookup(parent, name))
        with self._lock:
            remove.unlink_locked(self._state, parent, name)

    def rmdir(self, parent: Node, name: bytes) -> None:
        """Remove a directory that shows nothing. ENOTDIR, ENOTEMPTY."""
        self._need_upper()
        with self._lock:
            remove.rmdir_locked(self._state, parent, name)

    def rename(
        self,
        parent: Node,
        name: bytes,
        new_parent: Node,
        new_name: bytes,
        flags: RenameFlags = RenameFlags.NONE,
    ) -> None:
        """renameat2(2) with NOREPLACE and EXCHANGE; EINVAL for WHITEOUT, as on overlayfs.

        Takes the same time whatever a directory holds, where the upper's dialect has redirects.
        """
        self._need_upper()
        rename.rename(self._state, parent, name, new_parent, new_name, flags)

    def forget(self, node: Node) -> None:
        """Whoever asked for the node needs it no more: free it, if it can be found again as it is."""
        with self._lock:
            if node not in self._state.copying and not self._state.pending.holds(node):
                self._nodes.forget(node)

    # Layers that change

    def watch(self, watch: Watch) -> None:
        """Have the lower layers watched from now on; `changed` is to be told what `watch` notices.

        To be called before the union is used. EBUSY after that: what has been read was not watched.
        """
        with self._lock:
            if self.root.table is not None:
                raise error(errno.EBUSY)
            self._beneath = Beneath(self._nodes, watch)
            self._nodes.before_reading = self._beneath.reading
            self._nodes.after_forgetting = self._beneath.forgotten

    def changed(self, place: Place, names: Names) -> list[Changed]:
        """A watched lower directory has changed in these names: what that changes here.

        None stands for any name, the empty one for the directory's own attributes.
        """
        with self._lock:
            return list(self._beneath.changed(place, names)) if self._beneath else []

    # The whole

    def adopt_root(self) -> None:
        """Give a new upper layer's root the attributes of the lowers' root."""
        self._need_upper()
        with self._lock:
            copyup.adopt_root_locked(self._state)

    def sync(self) -> None:
        """Return once everything written so far is on stable storage, and every file whole."""
        if self.upper and not self._state.read_only:
            completion.finish_all(self._state)
            self.upper.store.sync()

    def sync_names(self) -> None:
        """Return once every name made, changed or removed so far is on stable storage."""
        if self.upper and not self._state.read_only:
            self.upper.store.sync()

    def close(self, progress: completion.Progress | None = None) -> None:
        """Complete every file, make everything last, and close the stores.

        `progress` is told now and then how many bytes are still to be copied. What cannot
        be completed stays as it is, for the next union over these layers; the first
        failure is raised at the end.
        """
        try:
            if self.upper and not self._state.read_only:
                self._finish(self.upper, progress)
        finally:
            self._close_stores()

    def make_plain(self, *, files: bool, directories: bool) -> None:
        """Bring to the upper layer what its marks only refer to, for a reader that does not follow them.

        `files`: the data of files that have only their metadata there. `directories`: all
        that a renamed directory shows of lower layers.
        """
        self._need_upper()
        plain.make_plain(self._state, files=files, directories=directories)

    def _finish(self, upper: UpperLayer, progress: completion.Progress | None) -> None:
        try:
            completion.close(self._state, progress)
        finally:
            self._state.tidy_up()
            self._state.journal.close()
            upper.store.sync()

    def _close_stores(self) -> None:
        if self.upper:
            self.upper.store.close()
            self.upper.work.close()
        for layer in self.lowers:
            layer.store.close()

    def _need_upper(self) -> None:
        if self._state.read_only:
            raise error(errno.EROFS)
