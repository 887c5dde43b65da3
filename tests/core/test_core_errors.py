"""What fails, and with which errno: that of the kernel, asked the same in a directory of the host."""

from __future__ import annotations

import ctypes
import errno
import os
import stat as _s
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NamedTuple

import pytest
from stands import AUFS, OVERLAY, Content, Stand, Symlink, View, errno_of, lower, read_only

from unionfs.core.dialect import Dialect
from unionfs.types import Access, RenameFlags, XattrFlags

TREE: dict[str, Content] = {
    "f": b"data",
    "g": b"",
    "d/in": b"",
    "d/sub/x": b"",
    "empty": None,
    "s": Symlink("f"),
}
PATHS = [b"f", b"d", b"empty", b"s", b"fifo", b"none", b"f/below", b"none/below", b"d/in", b"x" * 256]
NEW = [b"new", b"f", b"d", b"empty", b"s", b"d/new", b"f/new", b"none/new", b"d/sub/new", b"y" * 256]

_libc = ctypes.CDLL(None, use_errno=True)


class Host:
    """The calls of `View`, made to the kernel."""

    def __init__(self, root: Path) -> None:
        self.root = os.fsencode(root)

    def _path(self, path: bytes) -> bytes:
        return self.root + b"/" + path

    def open(self, path: bytes, access: Access) -> None:
        flags = os.O_WRONLY if access & Access.WRITE else os.O_RDONLY
        flags |= os.O_TRUNC if access & Access.TRUNCATE else 0
        os.close(os.open(self._path(path), flags | os.O_NOFOLLOW | os.O_NONBLOCK))

    def make(self, path: bytes) -> None:
        os.close(os.open(self._path(path), os.O_CREAT | os.O_EXCL | os.O_RDWR))

    def mkdir(self, path: bytes) -> None:
        os.mkdir(self._path(path))

    def mknod(self, path: bytes, mode: int) -> None:
        os.mknod(self._path(path), mode)

    def symlink(self, path: bytes, target: bytes) -> None:
        os.symlink(target, self._path(path))

    def link(self, path: bytes, new: bytes) -> None:
        os.link(self._path(path), self._path(new), follow_symlinks=False)

    def unlink(self, path: bytes) -> None:
        os.unlink(self._path(path))

    def rmdir(self, path: bytes) -> None:
        os.rmdir(self._path(path))

    def rename(self, old: bytes, new: bytes, flags: RenameFlags) -> None:
        at = -100
        if _libc.renameat2(at, self._path(old), at, self._path(new), int(flags)):
            raise OSError(ctypes.get_errno(), "renameat2")

    def readlink(self, path: bytes) -> None:
        os.readlink(self._path(path))

    def truncate(self, path: bytes, size: int) -> None:
        if os.path.islink(self._path(path)):
            raise OSError(errno.EINVAL, "there is no ltruncate(2)")
        os.truncate(self._path(path), size)

    def listdir(self, path: bytes) -> None:
        os.close(os.open(self._path(path), os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW))

    def setxattr(self, path: bytes, name: bytes, flags: int) -> None:
        os.setxattr(self._path(path), name, b"v", flags, follow_symlinks=False)

    def getxattr(self, path: bytes, name: bytes) -> None:
        os.getxattr(self._path(path), name, follow_symlinks=False)

    def removexattr(self, path: bytes, name: bytes) -> None:
        os.removexattr(self._path(path), name, follow_symlinks=False)

    def chmod(self, path: bytes, mode: int) -> None:
        os.chmod(self._path(path), mode, follow_symlinks=not os.path.islink(self._path(path)))


class Call(NamedTuple):
    name: str
    ours: Callable[[View], object]
    host: Callable[[Host], object]


def calls() -> Iterator[Call]:
    """Every call on every kind of thing."""
    for p in PATHS:
        openable = () if p in (b"d", b"empty", b"fifo") else (Access.READ,)
        for access in (*openable, Access.WRITE, Access.WRITE | Access.TRUNCATE):
            yield Call(
                f"open {p!r} {access!r}",
                lambda v, p=p, a=access: v.open(p, a).close(),
                lambda h, p=p, a=access: h.open(p, a),
            )
        yield Call(f"unlink {p!r}", lambda v, p=p: v.unlink(p), lambda h, p=p: h.unlink(p))
        yield Call(f"rmdir {p!r}", lambda v, p=p: v.rmdir(p), lambda h, p=p: h.rmdir(p))
        yield Call(f"readlink {p!r}", lambda v, p=p: v.union.readlink(v.at(p)), lambda h, p=p: h.readlink(p))
        yield Call(f"readdir {p!r}", lambda v, p=p: v.names(p), lambda h, p=p: h.listdir(p))
        for size in (2, -1) if p == b"f" else (2,):
            yield Call(
                f"truncate {p!r} {size}",
                lambda v, p=p, s=size: v.set(p, size=s),
                lambda h, p=p, s=size: h.truncate(p, s),
            )
        for name in (b"user.a", b"trusted.a", b"nonsense"):
            for flags in XattrFlags:
                yield Call(
                    f"setxattr {p!r} {name!r} {flags!r}",
                    lambda v, p=p, n=name, f=flags: v.union.setxattr(v.at(p), n, b"v", f),
                    lambda h, p=p, n=name, f=flags: h.setxattr(p, n, f),
                )
            yield Call(
                f"getxattr {p!r} {name!r}",
                lambda v, p=p, n=name: v.union.getxattr(v.at(p), n),
                lambda h, p=p, n=name: h.getxattr(p, n),
            )
            yield Call(
                f"removexattr {p!r} {name!r}",
                lambda v, p=p, n=name: v.union.removexattr(v.at(p), n),
                lambda h, p=p, n=name: h.removexattr(p, n),
            )
    for p in [*PATHS, *NEW]:
        yield Call(f"create {p!r}", lambda v, p=p: v.make(p), lambda h, p=p: h.make(p))
        yield Call(f"mkdir {p!r}", lambda v, p=p: v.mkdir(p), lambda h, p=p: h.mkdir(p))
        yield Call(f"symlink {p!r}", lambda v, p=p: v.symlink(p, b"to"), lambda h, p=p: h.symlink(p, b"to"))
        never = () if p.startswith((b"none/", b"f/")) else (_s.S_IFDIR, _s.S_IFLNK)
        for kind in (0, _s.S_IFREG, _s.S_IFIFO, _s.S_IFSOCK, *never):
            yield Call(
                f"mknod {p!r} {kind:o}",
                lambda v, p=p, k=kind: v.union.mknod(*v.place(p), k | 0o644),
                lambda h, p=p, k=kind: h.mknod(p, k | 0o644),
            )
    yield Call("symlink to nothing", lambda v: v.symlink(b"new", b""), lambda h: h.symlink(b"new", b""))
    yield Call(
        "symlink far", lambda v: v.symlink(b"new", b"x" * 5000), lambda h: h.symlink(b"new", b"x" * 5000)
    )
    for old in PATHS:
        for new in [*PATHS, *NEW]:
            yield Call(
                f"link {old!r} {new!r}",
                lambda v, o=old, n=new: v.link(o, n),
                lambda h, o=old, n=new: h.link(o, n),
            )
            for flags in range(3):
                yield Call(
                    f"rename {old!r} {new!r} {flags}",
                    lambda v, o=old, n=new, f=flags: v.rename(o, n, RenameFlags(f)),
                    lambda h, o=old, n=new, f=flags: h.rename(o, n, RenameFlags(f)),
                )


CALLS = list(calls())


def fill_host(root: Path) -> Host:
    for name, content in TREE.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        if content is None:
            path.mkdir()
        elif isinstance(content, Symlink):
            path.symlink_to(os.fsdecode(content.target))
        else:
            path.write_bytes(content)
    os.mkfifo(root / "fifo")
    return Host(root)


def union(dialect: Dialect, *, raised: bool) -> View:
    layer = lower(TREE)
    layer.store.mknod(b"fifo", 0o010644, 0)  # type: ignore[attr-defined]
    view = Stand([layer], dialect).view()
    if raised:
        for path in view.tree():
            view.set(path, atime_ns=0)
    return view


NO_USER = (b"s", b"fifo")
ABSENCE_FIRST = {
    f"{call} {path!r} {name!r}{flags}"
    for path in PATHS
    for name in (b"nonsense", *((b"user.a",) if path in NO_USER else ()))
    for call, flags in (("setxattr", f" {XattrFlags.REPLACE!r}"), ("removexattr", ""))
}
"""ENODATA for an attribute that could not be there anyway: asking the store would take a copy-up."""


def outcome(act: Callable[[], object]) -> str:
    return errno.errorcode.get(errno_of(act), "works")


@pytest.fixture(scope="module")
def kernel(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """What the kernel says to every call, each made in a tree that no call has changed."""
    outcomes = {}
    host = fill_host(tmp_path_factory.mktemp("host"))
    for call in CALLS:
        outcomes[call.name] = outcome(lambda call=call, host=host: call.host(host))
        if outcomes[call.name] == "works":
            host = fill_host(tmp_path_factory.mktemp("host"))
    return outcomes


@pytest.mark.parametrize("raised", [False, True], ids=["lower", "upper"])
@pytest.mark.parametrize("dialect", [OVERLAY, AUFS], ids=["overlay", "aufs"])
def test_errno_is_the_kernels(dialect: Dialect, raised: bool, kernel: dict[str, str]) -> None:
    wrong = []
    view = union(dialect, raised=raised)
    for call in CALLS:
        ours = outcome(lambda call=call, view=view: call.ours(view))
        if ours == "works":
            view = union(dialect, raised=raised)
        if call.name in ABSENCE_FIRST and ours == "ENODATA":
            continue
        if ours != kernel[call.name]:
            wrong.append(f"{call.name}: {ours}, the kernel: {kernel[call.name]}")
    assert not wrong, "\n" + "\n".join(wrong)


def changes(view: View) -> list[Callable[[], object]]:
    u, root, f, d = view.union, view.union.root, view.at(b"f"), view.at(b"d")
    return [
        lambda: view.open(b"f", Access.WRITE),
        lambda: view.open(b"f", Access.READ | Access.TRUNCATE),
        lambda: view.open(b"f", Access.WRITE | Access.APPEND),
        lambda: u.create(root, b"new", 0o644),
        lambda: u.mkdir(root, b"new", 0o755),
        lambda: u.mknod(root, b"new", 0o010644),
        lambda: u.symlink(root, b"new", b"to"),
        lambda: u.link(f, root, b"new"),
        lambda: u.unlink(root, b"f"),
        lambda: u.unlink(root, b"none"),
        lambda: u.rmdir(root, b"empty"),
        lambda: u.rename(root, b"f", d, b"new"),
        lambda: view.set(b"f", mode=0o600),
        lambda: view.set(b"f", size=0),
        lambda: view.set(b"d", uid=1),
        lambda: u.setxattr(f, b"user.a", b"b"),
        lambda: u.removexattr(f, b"user.a"),
    ]


def test_read_only_union_refuses_every_change() -> None:
    view = read_only(TREE)
    before = view.tree()
    assert [errno_of(act) for act in changes(view)] == [errno.EROFS] * len(changes(view))
    assert view.tree() == before


def test_names_that_would_be_marks() -> None:
    view = union(AUFS, raised=False)
    for name in (b".wh.x", b".wh..wh..opq", b".wh."):
        acts: list[Callable[[], object]] = [
            lambda name=name: view.make(name),
            lambda name=name: view.mkdir(b"d/" + name),
            lambda name=name: view.link(b"f", name),
            lambda name=name: view.rename(b"f", name),
        ]
        assert [errno_of(act) for act in acts] == [errno.EPERM] * 4
        assert errno_of(lambda name=name: view.at(name)) == errno.ENOENT
    other = union(OVERLAY, raised=False)
    assert errno_of(lambda: other.union.mknod(other.at(b"d"), b"new", 0o020644, 0)) == errno.EPERM
    other.make(b".wh.x")
    assert other.has(b".wh.x")


def test_marks_cannot_be_set_by_a_user() -> None:
    view = union(OVERLAY, raised=False)
    view.mkdir(b"d/sub/over")
    for name in (b"opaque", b"redirect", b"metacopy", b"origin", b"nlink"):
        full = b"trusted.overlay." + name
        view.setxattr(b"d", full, b"y")
        assert view.xattrs(b"d")[full] == b"y"
    assert view.names(b"d") == [b"in", b"sub"]
    for name in (b"opaque", b"redirect"):
        view.union.removexattr(view.at(b"d"), b"trusted.overlay." + name)
    assert len(view.xattrs(b"d")) == 3


def test_errors_name_what_they_are_about() -> None:
    view = union(OVERLAY, raised=False)
    with pytest.raises(FileNotFoundError) as missing:
        view.at(b"d/none")
    assert missing.value.filename == b"none"
    with pytest.raises(FileExistsError) as exists:
        view.mkdir(b"f")
    assert exists.value.filename == b"f"


def test_rename_into_itself() -> None:
    view = union(OVERLAY, raised=False)
    assert errno_of(lambda: view.rename(b"d", b"d/sub/new")) == errno.EINVAL
    assert errno_of(lambda: view.rename(b"d/sub", b"d")) == errno.ENOTEMPTY
    assert errno_of(lambda: view.rename(b"d/sub", b"d", RenameFlags.EXCHANGE)) == errno.EINVAL
    view.rename(b"d", b"d")
