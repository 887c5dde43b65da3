"""A conformance suite for stores that can be written.

A new store's test is a subclass that says how to make one:

    class TestMyStore(StoreSuite):
        def make_store(self) -> WritableStore:
            return MyStore(self.cleanup.enter_context(TemporaryDirectory()))

Run by pytest, which needs nothing but the class. `cleanup` is closed after each test.
"""

from __future__ import annotations

import errno
import os
import stat
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager

from unionfs.core import acl
from unionfs.core.acl import Entry, Tag
from unionfs.core.store import WritableStore
from unionfs.types import SEEK_DATA, SEEK_HOLE, Access, Kind, RenameFlags, XattrFlags, kind_of

READ_WRITE = Access.READ | Access.WRITE
SECOND = 10**9
_ACL = (
    Entry(Tag.USER_OBJ, 7),
    Entry(Tag.USER, 6, 1),
    Entry(Tag.GROUP_OBJ, 5),
    Entry(Tag.MASK, 6),
    Entry(Tag.OTHER, 0),
)


@contextmanager
def raises(*numbers: int, path: bytes | None = None) -> Iterator[None]:
    """The block must raise an `OSError` with one of these errnos, about `path` where it is given."""
    names = "/".join(errno.errorcode[number] for number in numbers)
    failure: OSError | None = None
    try:
        yield
    except OSError as caught:
        failure = caught
    assert failure is not None, f"{names} expected, nothing raised"
    assert failure.errno in numbers, f"{names} expected, got {failure}"
    assert path is None or failure.filename == path, f"about {failure.filename!r}, not {path!r}"


class StoreSuite:
    """What the docstrings of `unionfs.core.store` promise."""

    cleanup: ExitStack
    store: WritableStore

    def make_store(self) -> WritableStore:
        """A new, empty store that can be written."""
        raise NotImplementedError

    @property
    def privileged(self) -> bool:
        """Whether the store can make devices, trusted.* attributes, and files of other owners."""
        return os.geteuid() == 0

    @property
    def owner(self) -> tuple[int, int]:
        """Whose everything is that is made here."""
        return self.store.owner or (os.geteuid(), os.getegid())

    def setup_method(self) -> None:
        self.cleanup = ExitStack()
        self.store = self.make_store()
        self.cleanup.callback(self.store.close)

    def teardown_method(self) -> None:
        self.cleanup.close()

    def write(self, path: bytes, content: bytes = b"", mode: int = 0o644) -> None:
        file = self.store.create(path, mode)
        try:
            assert file.pwrite(content, 0) == len(content)
        finally:
            file.close()

    def read(self, path: bytes) -> bytes:
        file = self.store.open(path)
        try:
            return file.pread(1 << 20, 0)
        finally:
            file.close()

    def names(self, path: bytes = b"") -> set[bytes]:
        return {name for name, _ in self.store.scan(path)}

    def rename(self, old: bytes, new: bytes, flags: RenameFlags = RenameFlags.NONE) -> None:
        self.store.rename(old, self.store, new, flags)

    # Making and listing.

    def test_a_new_store_is_an_empty_directory(self) -> None:
        assert self.names() == set()
        assert self.store.stat(b"").kind is Kind.DIR

    def test_scan_tells_every_kind(self) -> None:
        self.write(b"file")
        self.store.mkdir(b"dir", 0o755)
        self.store.symlink(b"link", b"nowhere")
        self.store.mknod(b"fifo", stat.S_IFIFO | 0o600, 0)
        self.store.mknod(b"socket", stat.S_IFSOCK | 0o600, 0)
        expected = {
            b"file": Kind.FILE,
            b"dir": Kind.DIR,
            b"link": Kind.SYMLINK,
            b"fifo": Kind.FIFO,
            b"socket": Kind.SOCKET,
        }
        assert dict(self.store.scan(b"")) == expected
        assert {name: self.store.stat(name).kind for name in expected} == expected

    def test_devices_keep_their_number(self) -> None:
        if not self.privileged:
            return
        number = os.makedev(1, 3)
        for name, mode in ((b"char", stat.S_IFCHR | 0o640), (b"block", stat.S_IFBLK | 0o600)):
            self.store.mknod(name, mode, number)
            made = self.store.stat(name)
            assert (made.mode, made.rdev) == (mode, number)
        self.store.mknod(b"whiteout", stat.S_IFCHR, 0)
        assert self.store.stat(b"whiteout")[:1] == (stat.S_IFCHR,)

    def test_mknod_makes_neither_files_nor_directories(self) -> None:
        for mode in (stat.S_IFREG | 0o644, stat.S_IFDIR | 0o755):
            with raises(errno.EINVAL, errno.EPERM):
                self.store.mknod(b"node", mode, 0)

    def test_modes_are_exact_whatever_the_umask(self) -> None:
        before = os.umask(0o077)
        try:
            self.write(b"file", mode=0o4777)
            self.store.mkdir(b"dir", 0o3777)
            self.store.mknod(b"fifo", stat.S_IFIFO | 0o666, 0)
        finally:
            os.umask(before)
        modes = [stat.S_IMODE(self.store.stat(name).mode) for name in (b"file", b"dir", b"fifo")]
        assert modes == [0o4777, 0o3777, 0o666]

    def test_nothing_is_inherited_from_a_setgid_directory(self) -> None:
        self.store.mkdir(b"dir", 0o755)
        if self.privileged:
            self.store.chown(b"dir", 0, 12345)
        self.store.chmod(b"dir", 0o2755)
        self.write(b"dir/file", mode=0o644)
        self.store.mkdir(b"dir/sub", 0o755)
        self.store.symlink(b"dir/link", b"x")
        self.store.mknod(b"dir/fifo", stat.S_IFIFO | 0o600, 0)
        for name in (b"dir/file", b"dir/sub", b"dir/link", b"dir/fifo"):
            assert self.store.stat(name)[4:6] == self.owner
        assert stat.S_IMODE(self.store.stat(b"dir/sub").mode) == 0o755

    def test_what_is_there_is_not_made_again(self) -> None:
        self.write(b"a", b"data")
        for make in (
            lambda: self.store.create(b"a", 0o644),
            lambda: self.store.mkdir(b"a", 0o755),
            lambda: self.store.symlink(b"a", b"x"),
            lambda: self.store.mknod(b"a", stat.S_IFIFO, 0),
            lambda: self.store.link(b"a", self.store, b"a"),
        ):
            with raises(errno.EEXIST, path=b"a"):
                make()
        with raises(errno.EEXIST):
            self.store.mkdir(b"", 0o755)
        assert self.read(b"a") == b"data"

    def test_any_bytes_make_a_name(self) -> None:
        names = {b"caf\xc3\xa9", b"\xff\xfe", b" ", b"\n", b"...", b"x" * 255, b"#a"}
        for name in names:
            self.write(name, name)
        assert self.names() == names
        assert all(self.read(name) == name for name in names)

    def test_names_that_cannot_be(self) -> None:
        for name in (b".", b"..", b"a\0b", b"../a", b"./a", b"/a", b"a/"):
            with raises(errno.EINVAL, errno.ENOENT, errno.ENOTDIR, path=name):
                self.store.mkdir(name, 0o755)
        with raises(errno.ENAMETOOLONG):
            self.store.mkdir(b"x" * 256, 0o755)
        assert self.names() == set()

    def test_missing_and_wrong_parents(self) -> None:
        self.write(b"file")
        self.store.symlink(b"link", b".")
        for path, numbers in (
            (b"no", (errno.ENOENT,)),
            (b"no/x", (errno.ENOENT,)),
            (b"file/x", (errno.ENOTDIR,)),
            (b"link/file", (errno.ELOOP, errno.ENOTDIR)),
        ):
            with raises(*numbers, path=path):
                self.store.stat(path)
            with raises(*numbers, path=path):
                self.store.open(path)
            with raises(*numbers, path=path):
                self.store.unlink(path)

    def test_directories_deeper_than_path_max(self) -> None:
        path = b""
        for _ in range(25):
            path = path + b"/" + b"d" * 250 if path else b"d" * 250
            self.store.mkdir(path, 0o755)
        self.write(path + b"/file", b"deep")
        assert self.names(path) == {b"file"}
        assert self.read(path + b"/file") == b"deep"
        self.store.unlink(path + b"/file")
        while path:
            self.store.rmdir(path)
            path = path.rpartition(b"/")[0]

    # Attributes.

    def test_chmod(self) -> None:
        self.write(b"file")
        self.store.symlink(b"link", b"file")
        self.store.chmod(b"file", 0o6711)
        assert self.store.stat(b"file").mode == stat.S_IFREG | 0o6711
        self.store.chmod(b"", 0o1777)
        assert stat.S_IMODE(self.store.stat(b"").mode) == 0o1777
        with raises(errno.EOPNOTSUPP, path=b"link"):
            self.store.chmod(b"link", 0o600)

    def test_chown_changes_links_themselves_and_takes_set_id_bits(self) -> None:
        if not self.privileged:
            return
        self.write(b"file", mode=0o6755)
        self.store.symlink(b"link", b"file")
        self.store.chown(b"link", 7, -1)
        assert self.store.stat(b"link")[4:6] == (7, self.owner[1])
        assert self.store.stat(b"file").mode == stat.S_IFREG | 0o6755
        self.store.chown(b"file", -1, 8)
        assert self.store.stat(b"file")[4:6] == (self.owner[0], 8)
        assert self.store.stat(b"file").mode == stat.S_IFREG | 0o755

    def test_times_are_kept_to_the_nanosecond(self) -> None:
        self.write(b"file")
        self.store.symlink(b"link", b"file")
        for number, path in enumerate((b"file", b"link", b"")):
            atime, mtime = 10**18 + number, 10**18 - 1 - number
            self.store.utimens(path, atime, mtime)
            assert (self.store.stat(path).atime_ns, self.store.stat(path).mtime_ns) == (atime, mtime)

    def test_changes_of_a_directory_show_in_its_times(self) -> None:
        def changed() -> bool:
            now = self.store.stat(b"d").mtime_ns
            self.store.utimens(b"d", SECOND, SECOND)
            return now > SECOND

        self.store.mkdir(b"d", 0o755)
        changed()
        self.write(b"d/a", b"1")
        assert changed()
        self.store.link(b"d/a", self.store, b"d/b")
        assert changed()
        self.rename(b"d/b", b"d/c")
        assert changed()
        self.store.unlink(b"d/c")
        assert changed()
        self.store.chmod(b"d/a", 0o600)
        self.read(b"d/a")
        assert not changed()

    def test_extended_attributes(self) -> None:
        self.write(b"file")
        self.store.setxattr(b"file", b"user.a", b"1")
        self.store.setxattr(b"file", b"user.empty", b"")
        self.store.setxattr(b"", b"user.root", b"\0\xff")
        assert {b"user.a", b"user.empty"} <= set(self.store.listxattr(b"file"))
        assert self.store.getxattr(b"file", b"user.a") == b"1"
        assert self.store.getxattr(b"file", b"user.empty") == b""
        assert self.store.getxattr(b"", b"user.root") == b"\0\xff"
        self.store.removexattr(b"file", b"user.a")
        with raises(errno.ENODATA, path=b"file"):
            self.store.getxattr(b"file", b"user.a")
        with raises(errno.ENODATA, path=b"file"):
            self.store.removexattr(b"file", b"user.a")

    def test_setxattr_flags(self) -> None:
        self.write(b"file")
        with raises(errno.ENODATA):
            self.store.setxattr(b"file", b"user.a", b"1", XattrFlags.REPLACE)
        self.store.setxattr(b"file", b"user.a", b"1", XattrFlags.CREATE)
        with raises(errno.EEXIST):
            self.store.setxattr(b"file", b"user.a", b"2", XattrFlags.CREATE)
        self.store.setxattr(b"file", b"user.a", b"3", XattrFlags.REPLACE)
        assert self.store.getxattr(b"file", b"user.a") == b"3"

    def test_names_of_extended_attributes(self) -> None:
        self.write(b"file")
        for name, number in (
            (b"nonsense", errno.EOPNOTSUPP),
            (b"nonsense.x", errno.EOPNOTSUPP),
            (b"user.", errno.EINVAL),
            (b"", errno.ERANGE),
            (b"user." + b"x" * 251, errno.ERANGE),
        ):
            with raises(number):
                self.store.setxattr(b"file", name, b"")
        with raises(errno.E2BIG):
            self.store.setxattr(b"file", b"user.big", bytes(65537))

    def test_links_and_fifos_take_no_user_attributes(self) -> None:
        self.write(b"file")
        self.store.symlink(b"link", b"file")
        self.store.mknod(b"fifo", stat.S_IFIFO | 0o600, 0)
        for name in (b"link", b"fifo"):
            with raises(errno.EPERM):
                self.store.setxattr(name, b"user.a", b"")
            with raises(errno.ENODATA):
                self.store.getxattr(name, b"user.a")
            if self.privileged:
                self.store.setxattr(name, b"trusted.a", b"t")
                assert self.store.getxattr(name, b"trusted.a") == b"t"
        assert b"trusted.a" not in self.store.listxattr(b"file")

    # ACLs: on a file system that has them.

    def test_a_mode_follows_its_acl_and_the_acl_its_mode(self) -> None:
        self.write(b"file")
        self.store.setxattr(b"file", acl.ACCESS, acl.serialise(_ACL), XattrFlags.REPLACE)
        assert self.store.stat(b"file").mode == stat.S_IFREG | 0o760
        assert acl.ACCESS in self.store.listxattr(b"file")
        self.store.chmod(b"file", 0o604)
        assert self.store.getxattr(b"file", acl.ACCESS) == acl.serialise(acl.with_mode(_ACL, 0o604))
        for _ in range(2):
            self.store.removexattr(b"file", acl.ACCESS)
        assert self.store.stat(b"file").mode == stat.S_IFREG | 0o604

    def test_an_acl_that_says_no_more_than_a_mode_is_the_mode(self) -> None:
        self.write(b"file")
        minimal = (_ACL[0], _ACL[2], _ACL[4])
        self.store.setxattr(b"file", acl.ACCESS, acl.serialise(minimal))
        assert self.store.stat(b"file").mode == stat.S_IFREG | 0o750
        with raises(errno.ENODATA):
            self.store.getxattr(b"file", acl.ACCESS)

    def test_only_directories_have_default_acls(self) -> None:
        self.write(b"file")
        self.store.mkdir(b"dir", 0o755)
        self.store.setxattr(b"dir", acl.DEFAULT, acl.serialise(_ACL))
        assert self.store.getxattr(b"dir", acl.DEFAULT) == acl.serialise(_ACL)
        assert self.store.stat(b"dir").mode == stat.S_IFDIR | 0o755
        self.store.setxattr(b"dir", acl.DEFAULT, b"")
        for name in (b"dir", b"file"):
            with raises(errno.ENODATA):
                self.store.getxattr(name, acl.DEFAULT)
        with raises(errno.EACCES):
            self.store.setxattr(b"file", acl.DEFAULT, acl.serialise(_ACL))
        with raises(errno.EINVAL):
            self.store.setxattr(b"dir", acl.DEFAULT, acl.serialise(_ACL[1:]))

    def test_links_have_no_acls(self) -> None:
        self.store.symlink(b"link", b"to")
        with raises(errno.EOPNOTSUPP):
            self.store.setxattr(b"link", acl.ACCESS, acl.serialise(_ACL))
        with raises(errno.EOPNOTSUPP):
            self.store.getxattr(b"link", acl.ACCESS)

    # Symbolic and hard links.

    def test_symbolic_links_are_never_followed(self) -> None:
        self.store.symlink(b"link", b"../../etc/passwd")
        found = self.store.stat(b"link")
        assert (found.kind, found.size) == (Kind.SYMLINK, 16)
        assert self.store.readlink(b"link") == b"../../etc/passwd"
        with raises(errno.ELOOP):
            self.store.open(b"link")
        with raises(errno.ELOOP, errno.ENOTDIR):
            self.store.scan(b"link")

    def test_readlink_of_anything_else(self) -> None:
        self.write(b"file")
        for path in (b"file", b""):
            with raises(errno.EINVAL, path=path):
                self.store.readlink(path)

    def test_targets_of_symbolic_links(self) -> None:
        with raises(errno.ENOENT):
            self.store.symlink(b"empty", b"")
        with raises(errno.ENAMETOOLONG):
            self.store.symlink(b"long", b"x" * 4096)
        self.store.symlink(b"fits", b"x" * 4000)
        assert self.store.readlink(b"fits") == b"x" * 4000

    def test_hard_links_share_everything(self) -> None:
        self.write(b"a", b"one")
        self.store.link(b"a", self.store, b"b")
        assert self.store.stat(b"a") == self.store.stat(b"b")
        assert self.store.stat(b"a").nlink == 2
        assert self.store.handle(b"a") == self.store.handle(b"b")
        self.store.unlink(b"a")
        assert (self.read(b"b"), self.store.stat(b"b").nlink) == (b"one", 1)

    def test_a_symbolic_link_is_linked_itself(self) -> None:
        self.store.symlink(b"a", b"target")
        self.store.link(b"a", self.store, b"b")
        assert self.store.stat(b"a").ino == self.store.stat(b"b").ino

    def test_directories_are_not_linked(self) -> None:
        self.store.mkdir(b"d", 0o755)
        with raises(errno.EPERM):
            self.store.link(b"d", self.store, b"e")

    def test_handles_outlive_names(self) -> None:
        self.write(b"a")
        self.write(b"b")
        before = self.store.handle(b"a")
        if before is None:
            return
        assert before != self.store.handle(b"b")
        self.rename(b"a", b"c")
        assert self.store.handle(b"c") == before

    # Removing and renaming.

    def test_unlink_and_rmdir_each_refuse_the_other(self) -> None:
        self.write(b"file")
        self.store.mkdir(b"dir", 0o755)
        self.write(b"dir/x")
        with raises(errno.EISDIR):
            self.store.unlink(b"dir")
        with raises(errno.ENOTDIR):
            self.store.rmdir(b"file")
        with raises(errno.ENOTEMPTY):
            self.store.rmdir(b"dir")
        self.store.unlink(b"dir/x")
        self.store.rmdir(b"dir")
        assert self.names() == {b"file"}

    def test_rename_replaces(self) -> None:
        self.write(b"a", b"a")
        self.write(b"b", b"b")
        self.rename(b"a", b"b")
        assert (self.names(), self.read(b"b")) == ({b"b"}, b"a")

    def test_rename_of_one_inode_to_itself_does_nothing(self) -> None:
        self.write(b"a")
        self.store.link(b"a", self.store, b"b")
        self.rename(b"a", b"b")
        assert self.names() == {b"a", b"b"}

    def test_what_rename_refuses(self) -> None:
        self.write(b"file")
        for path in (b"empty", b"full", b"full/sub"):
            self.store.mkdir(path, 0o755)
        for old, new, number in (
            (b"no", b"x", errno.ENOENT),
            (b"file", b"empty", errno.EISDIR),
            (b"empty", b"file", errno.ENOTDIR),
            (b"empty", b"full", errno.ENOTEMPTY),
            (b"full/sub", b"full", errno.ENOTEMPTY),
            (b"full", b"full/sub/x", errno.EINVAL),
            (b"", b"x", errno.EBUSY),
            (b"full", b"", errno.EBUSY),
        ):
            with raises(number, path=old):
                self.rename(old, new)

    def test_a_renamed_directory_takes_its_content_along(self) -> None:
        self.store.mkdir(b"a", 0o755)
        self.store.mkdir(b"a/b", 0o755)
        self.write(b"a/b/file", b"1")
        self.rename(b"a", b"c")
        with raises(errno.ENOENT):
            self.store.stat(b"a/b/file")
        assert self.read(b"c/b/file") == b"1"
        self.store.mkdir(b"a", 0o755)
        self.store.mkdir(b"a/b", 0o755)
        assert self.names(b"a/b") == set()

    def test_rename_noreplace(self) -> None:
        self.write(b"a", b"a")
        self.write(b"b", b"b")
        with raises(errno.EEXIST):
            self.rename(b"a", b"b", RenameFlags.NOREPLACE)
        self.rename(b"a", b"c", RenameFlags.NOREPLACE)
        assert self.names() == {b"b", b"c"}

    def test_rename_exchange(self) -> None:
        self.write(b"file", b"1")
        self.store.mkdir(b"d", 0o755)
        self.store.mkdir(b"d/sub", 0o755)
        self.write(b"d/sub/x", b"2")
        self.rename(b"file", b"d/sub", RenameFlags.EXCHANGE)
        assert (self.read(b"d/sub"), self.read(b"file/x")) == (b"1", b"2")
        with raises(errno.ENOENT):
            self.rename(b"file", b"no", RenameFlags.EXCHANGE)
        with raises(errno.EINVAL):
            self.rename(b"file", b"d", RenameFlags.EXCHANGE | RenameFlags.NOREPLACE)

    def test_rename_whiteout(self) -> None:
        self.write(b"a", b"a")
        self.rename(b"a", b"b", RenameFlags.WHITEOUT)
        left = self.store.stat(b"a")
        assert (left.kind, left.rdev, self.read(b"b")) == (Kind.CHAR, 0, b"a")

    # Open files.

    def test_pread_and_pwrite(self) -> None:
        file = self.store.create(b"file", 0o644)
        self.cleanup.callback(file.close)
        assert file.pread(10, 0) == b""
        assert file.pwrite(memoryview(b"world"), 6) == 5
        assert file.pwrite(b"hello", 0) == 5
        assert file.pread(100, 0) == b"hello\0world"
        assert (file.pread(3, 9), file.pread(3, 11)) == (b"ld", b"")
        with raises(errno.EINVAL):
            file.pread(1, -1)
        with raises(errno.EINVAL):
            file.pwrite(b"x", -1)

    def test_access_is_kept_to(self) -> None:
        self.write(b"file", b"data")
        reader = self.store.open(b"file", Access.READ)
        writer = self.store.open(b"file", Access.WRITE)
        self.cleanup.callback(reader.close)
        self.cleanup.callback(writer.close)
        with raises(errno.EBADF):
            writer.pread(1, 0)
        with raises(errno.EBADF):
            reader.pwrite(b"x", 0)
        with raises(errno.EBADF):
            reader.truncate(0)
        with raises(errno.EBADF):
            reader.fallocate(0, 0, 1)
        assert self.read(b"file") == b"data"

    def test_append_and_truncate_on_open(self) -> None:
        self.write(b"file", b"1234")
        file = self.store.open(b"file", READ_WRITE | Access.APPEND)
        self.cleanup.callback(file.close)
        assert file.pwrite(b"5", 0) == 1
        assert self.read(b"file") == b"12345"
        self.store.open(b"file", Access.WRITE | Access.TRUNCATE).close()
        assert self.read(b"file") == b""

    def test_only_regular_files_open(self) -> None:
        self.store.mkdir(b"dir", 0o755)
        self.store.mknod(b"fifo", stat.S_IFIFO | 0o600, 0)
        self.store.mknod(b"socket", stat.S_IFSOCK | 0o600, 0)
        for access in (Access.READ, Access.WRITE, READ_WRITE):
            with raises(errno.EISDIR):
                self.store.open(b"dir", access)
            with raises(errno.EINVAL):
                self.store.open(b"fifo", access)
            with raises(errno.EINVAL):
                self.store.open(b"socket", access)

    def test_open_files_outlive_their_names(self) -> None:
        file = self.store.create(b"a", 0o644)
        self.cleanup.callback(file.close)
        file.pwrite(b"1", 0)
        self.rename(b"a", b"b")
        self.store.unlink(b"b")
        file.pwrite(b"2", 1)
        assert (file.pread(9, 0), file.stat().nlink, file.stat().size) == (b"12", 0, 2)
        assert kind_of(file.stat().mode) is Kind.FILE

    def test_truncate(self) -> None:
        file = self.store.create(b"file", 0o644)
        self.cleanup.callback(file.close)
        file.pwrite(b"x" * 5000, 0)
        file.truncate(10)
        file.truncate(6000)
        assert file.pread(9999, 0) == b"x" * 10 + bytes(5990)
        with raises(errno.EINVAL):
            file.truncate(-1)

    def test_holes_take_no_room(self) -> None:
        size = 1 << 40
        file = self.store.create(b"file", 0o644)
        self.cleanup.callback(file.close)
        file.truncate(size)
        file.pwrite(b"middle", size // 2)
        assert file.stat().size == size
        assert file.stat().blocks * 512 < 1 << 20
        assert file.pread(8, size // 2 - 1) == b"\0middle\0"
        assert file.pread(9, size - 4) == bytes(4)

    def test_seeking_data_and_holes(self) -> None:
        file = self.store.create(b"file", 0o644)
        self.cleanup.callback(file.close)
        start, size = 1 << 20, 3 << 20
        file.pwrite(b"d" * 4096, start)
        file.truncate(size)
        data = file.seek(0, SEEK_DATA)
        hole = file.seek(data, SEEK_HOLE)
        assert 0 <= data <= start < start + 4096 <= hole <= size
        assert file.seek(start, SEEK_DATA) == start
        assert file.seek(size - 1, SEEK_HOLE) in {size - 1, size}
        for whence in (SEEK_DATA, SEEK_HOLE):
            with raises(errno.ENXIO):
                file.seek(size, whence)
        with raises(errno.EINVAL):
            file.seek(0, os.SEEK_SET)

    def test_fallocate(self) -> None:
        file = self.store.create(b"file", 0o644)
        self.cleanup.callback(file.close)
        file.pwrite(b"x" * 10000, 0)
        file.fallocate(0, 0, 12000)
        assert file.stat().size == 12000
        file.fallocate(1, 0, 50000)
        assert file.stat().size == 12000
        file.fallocate(3, 10, 9980)
        assert file.pread(12000, 0) == b"x" * 10 + bytes(9980) + b"x" * 10 + bytes(2000)
        with raises(errno.EINVAL):
            file.fallocate(0, 0, 0)
        with raises(errno.EOPNOTSUPP):
            file.fallocate(2, 0, 1)

    def test_copying_between_files(self) -> None:
        self.write(b"from", b"0123456789")
        source = self.store.open(b"from")
        target = self.store.create(b"to", 0o644)
        self.cleanup.callback(source.close)
        self.cleanup.callback(target.close)
        assert target.copy_from(source, 2, 3) == 3
        assert target.pread(99, 0) == b"\0\x00234"
        assert target.copy_from(source, 8, 99) == 2
        assert target.copy_from(source, 10, 99) == 0

    def test_syncing(self) -> None:
        file = self.store.create(b"file", 0o644)
        self.cleanup.callback(file.close)
        file.sync()
        file.sync(data_only=True)
        self.store.sync()

    def test_statfs(self) -> None:
        found = self.store.statfs()
        assert found.namemax == 255
        assert found.bsize > 0
        assert found.blocks >= found.bfree
