"""Extended attributes of every name space, file capabilities and POSIX ACLs."""

from __future__ import annotations

import os
import struct
from errno import EACCES, EEXIST, EINVAL, ENODATA, EOPNOTSUPP, EPERM, ERANGE

from unionfs.testing.conformance import calls, kinds
from unionfs.testing.conformance.caller import OTHER, USER, Caller
from unionfs.testing.conformance.check import Topic
from unionfs.testing.conformance.expect import done, holds, mode, refused, refused_with, same
from unionfs.testing.conformance.needs import Need
from unionfs.testing.conformance.pathcalls import PathCall
from unionfs.testing.stacks import Dir, File, Item, Meta, Symlink

TOPIC = Topic("xattrs")

_DRESSED = Meta(0o644, xattrs=((b"user.given", b"value"), (b"user.empty", b"")))
_GIVEN: dict[str, Item] = {"file": File(b"content", _DRESSED), "dir": Dir(_DRESSED._replace(mode=0o755))}
_BOTH = kinds.each(("file", "dir"))


def _own(path: str) -> list[str]:
    """The names in the user name space."""
    return sorted(name for name in os.listxattr(path) if name.startswith("user."))


@TOPIC.check(given=_GIVEN, cases=_BOTH)
def what_is_there(path: str) -> None:
    same("names", _own(path), ["user.empty", "user.given"])
    same("value", os.getxattr(path, "user.given"), b"value")
    same("an empty value", os.getxattr(path, "user.empty"), b"")


@TOPIC.check(given=_GIVEN, cases=_BOTH)
def set_replaced_and_removed(path: str) -> None:
    done(os.setxattr, path, "user.new", b"1")
    done(os.setxattr, path, "user.new", b"two\0three")
    done(os.setxattr, path, "user.given", b"other")
    same("names", _own(path), ["user.empty", "user.given", "user.new"])
    same("value", os.getxattr(path, "user.new"), b"two\0three")
    done(os.removexattr, path, "user.given")
    done(os.removexattr, path, "user.empty")
    same("names", _own(path), ["user.new"])
    refused(ENODATA, os.getxattr, path, "user.given")
    refused(ENODATA, os.removexattr, path, "user.given")


@TOPIC.check(given=_GIVEN, cases=_BOTH)
def set_by_flags(path: str) -> None:
    refused(EEXIST, os.setxattr, path, "user.given", b"", os.XATTR_CREATE)
    refused(ENODATA, os.setxattr, path, "user.none", b"", os.XATTR_REPLACE)
    done(os.setxattr, path, "user.none", b"1", os.XATTR_CREATE)
    done(os.setxattr, path, "user.given", b"2", os.XATTR_REPLACE)
    same("value", os.getxattr(path, "user.given"), b"2")


@TOPIC.check(given=_GIVEN, cases=_BOTH)
def values_of_many_sizes(path: str) -> None:
    for size in (0, 1, 255, 1024, 2000):
        done(os.setxattr, path, "user.sized", bytes(size))
        same("size of the value", len(os.getxattr(path, "user.sized")), size)
    refused_with((7, 28, ERANGE), os.setxattr, path, "user.sized", bytes(65537))


@TOPIC.check(given=_GIVEN, cases=_BOTH)
def names_that_cannot_be(path: str) -> None:
    refused(EOPNOTSUPP, os.setxattr, path, "nonsense", b"")
    refused(EOPNOTSUPP, os.setxattr, path, "nonsense.x", b"")
    refused(EINVAL, os.setxattr, path, "user.", b"")
    refused(ERANGE, os.setxattr, path, "user." + "x" * 251, b"")
    done(os.setxattr, path, "user." + "x" * 250, b"")
    holds("the long name is there", "user." + "x" * 250 in os.listxattr(path))


@TOPIC.check(given=_GIVEN, cases=_BOTH)
def many_names(path: str) -> None:
    names = [f"user.number{number}" for number in range(50)]
    for name in names:
        os.setxattr(path, name, name.encode())
    same("how many", len(_own(path)), 52)
    for name in names:
        same(name, os.getxattr(path, name), name.encode())


@TOPIC.check(
    Need.ROOT, Need.TRUSTED, given=_GIVEN | {"symlink": Symlink(b"file"), "fifo": kinds.KINDS["fifo"]}
)
def trusted_ones_of_every_kind() -> None:
    for path in ("file", "dir", "symlink", "fifo"):
        os.setxattr(path, "trusted.x", b"1", follow_symlinks=False)
        same("value", os.getxattr(path, "trusted.x", follow_symlinks=False), b"1")
        holds("it is listed", "trusted.x" in os.listxattr(path, follow_symlinks=False))
        os.removexattr(path, "trusted.x", follow_symlinks=False)
        refused(ENODATA, os.getxattr, path, "trusted.x")


@TOPIC.check(Need.ROOT, Need.TRUSTED, given=_GIVEN)
def trusted_ones_are_for_root() -> None:
    os.chmod("file", 0o666)
    os.setxattr("file", "trusted.x", b"1")
    refused_with((ENODATA, EPERM), os.getxattr, "file", "trusted.x", by=USER)
    refused(EPERM, os.setxattr, "file", "trusted.y", b"", by=USER)
    refused(EPERM, os.removexattr, "file", "trusted.x", by=USER)


@TOPIC.check(Need.ROOT, given=_GIVEN)
def user_ones_go_by_permission() -> None:
    os.chmod("file", 0o600)
    refused(EACCES, os.getxattr, "file", "user.given", by=USER)
    refused(EACCES, os.setxattr, "file", "user.x", b"", by=USER)
    os.chmod("file", 0o644)
    same("value", USER.run(os.getxattr, "file", "user.given"), b"value")
    refused(EACCES, os.setxattr, "file", "user.x", b"", by=USER)
    refused(EACCES, os.removexattr, "file", "user.given", by=USER)
    os.chmod("file", 0o666)
    done(os.setxattr, "file", "user.x", b"", by=USER)


@TOPIC.check(
    Need.ROOT,
    given=kinds.KINDS,
    cases=kinds.each(("symlink", "fifo", "socket", "char", "block")),
)
def user_ones_are_for_files_and_directories(kind: str) -> None:
    refused(EPERM, _set_on_itself, kind)


def _set_on_itself(path: str) -> None:
    os.setxattr(path, "user.x", b"1", follow_symlinks=False)


@TOPIC.check(Need.ROOT, given={"d": Dir(Meta(0o1777, OTHER.uid, OTHER.gid))})
def user_ones_of_a_sticky_directory_are_its_owners() -> None:
    refused(EPERM, os.setxattr, "d", "user.x", b"", by=USER)
    done(os.setxattr, "d", "user.x", b"", by=OTHER)


@TOPIC.check(given=_GIVEN, cases=_BOTH)
def overlays_own_names_are_kept_as_given(path: str) -> None:
    for name in (
        "user.overlay.opaque",
        "user.overlay.redirect",
        "user.overlay.whiteout",
        "user.overlay.other",
    ):
        done(os.setxattr, path, name, b"y")
        same(name, os.getxattr(path, name), b"y")
        holds(f"{name} is listed", name in os.listxattr(path))
        done(os.removexattr, path, name)
    holds("it is still what it was", os.path.exists(path))


@TOPIC.check(given=_GIVEN)
def kept_through_changes() -> None:
    os.chmod("file", 0o600)
    with open("file", "r+b") as file:
        file.write(b"x")
    os.rename("file", "renamed")
    os.link("renamed", "linked")
    for path in ("renamed", "linked"):
        same("names", _own(path), ["user.empty", "user.given"])
        same("value", os.getxattr(path, "user.given"), b"value")


@TOPIC.check(given=_GIVEN)
def by_descriptor() -> None:
    fd = os.open("file", os.O_RDONLY)
    os.setxattr(fd, "user.x", b"1")
    same("by name", os.getxattr("file", "user.x"), b"1")
    os.unlink("file")
    same("without a name", os.getxattr(fd, "user.given"), b"value")
    os.close(fd)


# Capabilities


def _write(path: str) -> None:
    with open(path, "r+b") as file:
        file.write(b"x")


@TOPIC.check(
    Need.ROOT,
    Need.CAPABILITIES,
    given={"f": File(b"data", Meta(0o777, xattrs=((b"security.capability", calls.NET_RAW),)))},
)
def capabilities_are_dropped_on_write() -> None:
    same("what is there", os.getxattr("f", calls.CAPABILITY), calls.NET_RAW)
    os.chmod("f", 0o766)
    same("after chmod", os.getxattr("f", calls.CAPABILITY), calls.NET_RAW)
    os.rename("f", "g")
    same("after a rename", os.getxattr("g", calls.CAPABILITY), calls.NET_RAW)
    done(_write, "g")
    refused(ENODATA, os.getxattr, "g", calls.CAPABILITY)


_LOSING = {
    "write": (_write,),
    "truncate": (lambda path: os.truncate(path, 1),),
    "open-truncating": (lambda path: os.close(os.open(path, os.O_WRONLY | os.O_TRUNC)),),
    "chown": (lambda path: os.chown(path, 5, 6),),
    "append": (lambda path: _append(path),),
}


def _append(path: str) -> None:
    with open(path, "ab") as file:
        file.write(b"x")


@TOPIC.check(Need.ROOT, Need.CAPABILITIES, given={"f": File(b"data", Meta(0o777))}, cases=_LOSING)
def capabilities_go_with(change: PathCall) -> None:
    os.setxattr("f", calls.CAPABILITY, calls.NET_RAW)
    done(change, "f")
    refused(ENODATA, os.getxattr, "f", calls.CAPABILITY)


@TOPIC.check(Need.ROOT, Need.CAPABILITIES, given={"f": File(b"data", Meta(0o777))})
def capabilities_are_roots_to_give() -> None:
    os.chown("f", USER.uid, USER.gid)
    refused(EPERM, os.setxattr, "f", calls.CAPABILITY, calls.NET_RAW, by=USER)


# ACLs

_FOR_OTHER = calls.acl(owner=6, group=4, other=0, users={OTHER.uid: 6}, mask=6)
_MINE = Meta(0o640, USER.uid, USER.gid)
_ACLED: dict[str, Item] = {"f": File(b"data", _MINE), "d": Dir(_MINE._replace(mode=0o750))}


def _read(path: str) -> bytes:
    with open(path, "rb") as file:
        return file.read()


@TOPIC.check(Need.ROOT, Need.ACLS, given=_ACLED)
def an_acl_grants() -> None:
    refused(EACCES, _read, "f", by=OTHER)
    done(os.setxattr, "f", calls.ACCESS_ACL, _FOR_OTHER, by=USER)
    same("the ACL", os.getxattr("f", calls.ACCESS_ACL), _FOR_OTHER)
    mode("f", 0o660)  # the group's bits are the mask
    done(_read, "f", by=OTHER)
    done(_write, "f", by=OTHER)
    refused(EACCES, _read, "f", by=Caller(1, 1))
    os.chmod("f", 0o640)
    refused(EACCES, _write, "f", by=OTHER)
    done(_read, "f", by=OTHER)


@TOPIC.check(Need.ROOT, Need.ACLS, given=_ACLED)
def an_acl_grants_a_group() -> None:
    os.setxattr("f", calls.ACCESS_ACL, calls.acl(owner=6, group=0, other=0, groups={7: 4}, mask=4))
    done(_read, "f", by=OTHER._replace(groups=(7,)))
    refused(EACCES, _write, "f", by=OTHER._replace(groups=(7,)))
    refused(EACCES, _read, "f", by=OTHER)


@TOPIC.check(Need.ROOT, Need.ACLS, given=_ACLED)
def an_acl_that_says_no_more_than_the_mode_is_the_mode() -> None:
    os.setxattr("f", calls.ACCESS_ACL, calls.acl(owner=7, group=5, other=1))
    mode("f", 0o751)
    holds("no ACL is listed", calls.ACCESS_ACL not in os.listxattr("f"))
    refused(ENODATA, os.getxattr, "f", calls.ACCESS_ACL)


@TOPIC.check(Need.ROOT, Need.ACLS, given=_ACLED)
def chmod_changes_an_acl() -> None:
    os.setxattr("f", calls.ACCESS_ACL, _FOR_OTHER)
    os.chmod("f", 0o644)
    wanted = calls.acl(owner=6, group=4, other=4, users={OTHER.uid: 6}, mask=4)
    same("the ACL", os.getxattr("f", calls.ACCESS_ACL), wanted)
    done(_read, "f", by=OTHER)
    refused(EACCES, _write, "f", by=OTHER)


@TOPIC.check(Need.ROOT, Need.ACLS, given=_ACLED)
def acls_are_the_owners_to_set() -> None:
    refused(EPERM, os.setxattr, "f", calls.ACCESS_ACL, _FOR_OTHER, by=OTHER)
    refused(EINVAL, os.setxattr, "f", calls.ACCESS_ACL, struct.pack("<IHHI", 2, 1, 6, 0))
    refused_with((EACCES, EPERM), os.setxattr, "f", calls.DEFAULT_ACL, _FOR_OTHER)
    os.setxattr("f", calls.ACCESS_ACL, _FOR_OTHER)
    done(os.removexattr, "f", calls.ACCESS_ACL, by=USER)
    refused(EACCES, _read, "f", by=OTHER)


@TOPIC.check(Need.ROOT, Need.ACLS, given={"d": Dir(Meta(0o2775, USER.uid, 7))})
def an_acl_takes_setgid_but_a_default_one_does_not() -> None:
    """Of a caller who is not in the group (linux, fs/posix_acl.c, posix_acl_update_mode)."""
    done(os.setxattr, "d", calls.DEFAULT_ACL, _FOR_OTHER, by=USER)
    mode("d", 0o2775)
    done(os.setxattr, "d", calls.ACCESS_ACL, _FOR_OTHER, by=USER._replace(groups=(7,)))
    mode("d", 0o2660)
    done(os.setxattr, "d", calls.ACCESS_ACL, _FOR_OTHER, by=USER)
    mode("d", 0o660)


_DEFAULT = calls.acl(owner=7, group=5, other=0, users={OTHER.uid: 7}, mask=7)


@TOPIC.check(Need.ROOT, Need.ACLS, given=_ACLED)
def a_default_acl_is_inherited() -> None:
    os.umask(0o077)
    done(os.setxattr, "d", calls.DEFAULT_ACL, _DEFAULT, by=USER)
    mode("d", 0o750)
    done(_make_in, "d", by=USER)
    mode("d/file", 0o660)  # the umask does not count
    same(
        "ACL of the file",
        os.getxattr("d/file", calls.ACCESS_ACL),
        calls.acl(owner=6, group=5, other=0, users={OTHER.uid: 7}, mask=6),
    )
    mode("d/dir", 0o770)
    same("ACL of the directory", os.getxattr("d/dir", calls.ACCESS_ACL), _DEFAULT)
    same("default ACL of the directory", os.getxattr("d/dir", calls.DEFAULT_ACL), _DEFAULT)
    os.mkfifo("d/fifo", 0o666)
    mode("d/fifo", 0o660)
    os.symlink("x", "d/symlink")
    mode("d/symlink", 0o777)


def _make_in(directory: str) -> None:
    os.close(os.open(f"{directory}/file", os.O_CREAT | os.O_WRONLY, 0o666))
    os.mkdir(f"{directory}/dir", 0o777)


@TOPIC.check(Need.ROOT, Need.ACLS, given=_ACLED)
def without_a_default_acl_the_umask_counts() -> None:
    os.umask(0o027)
    done(_make_in, "d", by=USER)
    mode("d/file", 0o640)
    mode("d/dir", 0o750)
    os.setxattr("d", calls.DEFAULT_ACL, _DEFAULT)
    os.removexattr("d", calls.DEFAULT_ACL)
    os.mkdir("d/other", 0o777)
    mode("d/other", 0o750)


@TOPIC.check(Need.ROOT, Need.ACLS, given=_ACLED)
def acls_are_kept_through_changes() -> None:
    os.setxattr("f", calls.ACCESS_ACL, _FOR_OTHER)
    os.setxattr("d", calls.DEFAULT_ACL, _DEFAULT)
    _write("f")
    os.rename("f", "d/g")
    os.rename("d", "e")
    same("the ACL", os.getxattr("e/g", calls.ACCESS_ACL), _FOR_OTHER)
    same("the default ACL", os.getxattr("e", calls.DEFAULT_ACL), _DEFAULT)


@TOPIC.check(Need.ROOT, Need.ACLS, Need.TMPFILE, given=_ACLED)
def an_unnamed_file_inherits_too() -> None:
    os.umask(0o077)
    os.setxattr("d", calls.DEFAULT_ACL, _DEFAULT)
    fd = os.open("d", os.O_TMPFILE | os.O_RDWR, 0o666)
    same("mode", os.fstat(fd).st_mode & 0o777, 0o660)
    os.close(fd)
