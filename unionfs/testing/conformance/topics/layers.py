"""What a union makes of its layers: merging, whiteouts, opaque directories, files over directories.

All of it also holds for a plain directory with what the union shows (`--prepare --flat`).
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from errno import EEXIST, ENOENT, ENOTEMPTY

from unionfs.testing.conformance import calls, kinds
from unionfs.testing.conformance.check import Given, Topic
from unionfs.testing.conformance.expect import done, refused, refused_with, same
from unionfs.testing.conformance.needs import Need
from unionfs.testing.stacks import Dir, File, HardLink, Item, Meta, Symlink, Whiteout

TOPIC = Topic("layers")

_MERGED: tuple[Given, Given] = (
    {"d": Dir(), "d/top": File(b"top"), "d/both": File(b"upper one"), "d/gone": Whiteout(), "d/e": Dir(),
     "d/e/top": File(b"top"), "d/opaque": Dir(opaque=True), "d/opaque/new": File(b"new")},
    {"d": Dir(), "d/low": File(b"low"), "d/both": File(b"lower one"), "d/gone": File(b"gone"), "d/e": Dir(),
     "d/e/low": File(b"low"), "d/opaque": Dir(), "d/opaque/old": File(b"old")},
)  # fmt: skip


def _tree(top: str) -> list[str]:
    return sorted(
        os.path.relpath(os.path.join(path, name), top)
        for path, directories, files in os.walk(top)
        for name in [*directories, *files]
    )


def _content(path: str) -> bytes:
    with open(path, "rb") as file:
        return file.read()


_SHOWN = ["both", "e", "e/low", "e/top", "low", "opaque", "opaque/new", "top"]


@TOPIC.check(layers=_MERGED)
def merge() -> None:
    same("the tree", _tree("d"), _SHOWN)
    same("what both have", _content("d/both"), b"upper one")
    refused(ENOENT, os.lstat, "d/gone")
    refused(ENOENT, os.lstat, "d/opaque/old")


@TOPIC.check(layers=_MERGED)
def names_that_are_hidden_are_free() -> None:
    refused(ENOENT, os.unlink, "d/gone")
    refused(ENOENT, os.rename, "d/gone", "d/x")
    with open("d/gone", "xb") as file:
        file.write(b"again")
    same("content", _content("d/gone"), b"again")
    os.unlink("d/gone")
    done(os.mkdir, "d/gone")
    same("what it holds", os.listdir("d/gone"), [])
    done(os.mkdir, "d/opaque/old")
    same("what it holds", os.listdir("d/opaque/old"), [])


@TOPIC.check(layers=_MERGED)
def removed_by_name() -> None:
    for name in ("both", "low", "top"):
        done(os.unlink, f"d/{name}")
        refused(ENOENT, os.lstat, f"d/{name}")
    same("the tree", _tree("d"), ["e", "e/low", "e/top", "opaque", "opaque/new"])
    refused_with((ENOTEMPTY, EEXIST), os.rmdir, "d/e")
    os.unlink("d/e/top")
    refused_with((ENOTEMPTY, EEXIST), os.rmdir, "d/e")
    os.unlink("d/e/low")
    done(os.rmdir, "d/e")
    os.unlink("d/opaque/new")
    done(os.rmdir, "d/opaque")
    done(os.rmdir, "d")
    refused(ENOENT, os.lstat, "d")


@TOPIC.check(Need.REMOUNT, layers=_MERGED)
def removed_for_good() -> Iterator[None]:
    os.unlink("d/both")
    shutil.rmtree("d/e")
    shutil.rmtree("d/opaque")
    os.mkdir("d/opaque")
    yield
    same("the tree", _tree("d"), ["low", "opaque", "top"])
    os.mkdir("d/e")
    yield
    same("the tree", _tree("d"), ["e", "low", "opaque", "top"])
    shutil.rmtree("d")
    yield
    refused(ENOENT, os.lstat, "d")
    os.mkdir("d")
    yield
    same("the tree", _tree("d"), [])


@TOPIC.check(Need.REMOUNT, layers=_MERGED)
def renamed_for_good() -> Iterator[None]:
    done(os.rename, "d/e", "moved")
    done(os.rename, "d", "n")
    os.mkdir("d")
    yield
    same("the tree", _tree("n"), ["both", "low", "opaque", "opaque/new", "top"])
    same("what was moved", _tree("moved"), ["low", "top"])
    same("the new one", _tree("d"), [])
    done(os.rename, "moved", "n/e")
    done(os.rmdir, "d")
    done(os.rename, "n", "d")
    yield
    same("the tree", _tree("d"), _SHOWN)
    done(calls.rename_exchange, "d/e", "d/opaque")
    yield
    same("the tree", _tree("d"), ["both", "e", "e/new", "low", "opaque", "opaque/low", "opaque/top", "top"])


@TOPIC.check(layers=_MERGED)
def a_merged_directory_is_renamed_over_another() -> None:
    shutil.rmtree("d/opaque")
    os.mkdir("x")
    done(os.rename, "d/e", "x")
    same("the tree", _tree("x"), ["low", "top"])
    os.mkdir("d/e")
    same("the new one", os.listdir("d/e"), [])
    done(os.rename, "x", "d/e")
    same("the tree", _tree("d/e"), ["low", "top"])


_OVER: tuple[Given, Given] = (
    {f"{top},{bottom}": kinds.KINDS[top] for top in kinds.KINDS for bottom in kinds.KINDS},
    {f"{top},{bottom}": kinds.KINDS[bottom] for top in kinds.KINDS for bottom in kinds.KINDS}
    | {f"{top},dir/below": File(b"below") for top in kinds.KINDS},
)


@TOPIC.check(Need.ROOT, layers=_OVER)
def every_kind_over_every_kind() -> None:
    for top, item in kinds.KINDS.items():
        for bottom in kinds.KINDS:
            name = f"{top},{bottom}"
            same(f"what {name} is", os.lstat(name).st_mode & 0o170000, kinds.format_of(item))
            if top == "dir":
                same(f"what {name} holds", os.listdir(name), ["below"] if bottom == "dir" else [])


@TOPIC.check(Need.ROOT, layers=_OVER)
def removing_every_kind_over_every_kind() -> None:
    for name in sorted(os.listdir()):
        if os.path.isdir(name) and not os.path.islink(name):
            shutil.rmtree(name)
        else:
            os.unlink(name)
        refused(ENOENT, os.lstat, name)
        os.mkdir(name)
        same(f"what {name} holds", os.listdir(name), [])
    same("how many", len(os.listdir()), len(kinds.KINDS) ** 2)


_WHITEOUTS: tuple[Given, Given] = (
    {"d": Dir()} | {f"d/{kind}": Whiteout() for kind in kinds.KINDS},
    {"d": Dir()} | {f"d/{kind}": item for kind, item in kinds.KINDS.items()} | {"d/dir/x": File(b"")},
)


@TOPIC.check(Need.ROOT, layers=_WHITEOUTS)
def whiteouts_over_every_kind() -> None:
    same("what d holds", os.listdir("d"), [])
    for kind in kinds.KINDS:
        refused(ENOENT, os.lstat, f"d/{kind}")
    done(os.rename, "d", "e")
    same("what it holds", os.listdir("e"), [])
    done(os.rmdir, "e")


@TOPIC.check(Need.ROOT, layers=_WHITEOUTS)
def renaming_over_a_directory_of_whiteouts() -> None:
    os.mkdir("n")
    os.mkdir("n/x")
    done(os.rename, "n", "d")
    same("what it holds", os.listdir("d"), ["x"])


_LINKED: tuple[Given, Given] = (
    {"d": Dir(), "d/upper": File(b"upper"), "d/upper2": HardLink(b"d/upper"), "d/two": Whiteout()},
    {"d": Dir(), "d/one": File(b"lower"), "d/two": HardLink(b"d/one"), "d/three": HardLink(b"d/one")},
)


@TOPIC.check(layers=_LINKED)
def hard_links_in_layers() -> None:
    same("number", os.stat("d/one").st_ino, os.stat("d/three").st_ino)
    same("links of the hidden one's others", os.stat("d/one").st_nlink, 2)
    same("links", os.stat("d/upper").st_nlink, 2)
    with open("d/three", "r+b") as file:
        file.write(b"LOW")
    same("content of the other", _content("d/one"), b"LOWer")
    same("links", os.stat("d/one").st_nlink, 2)
    done(os.link, "d/one", "d/two")
    same("links", os.stat("d/one").st_nlink, 3)
    os.unlink("d/one")
    same("links", os.stat("d/three").st_nlink, 2)
    same("content", _content("d/two"), b"LOWer")


_META = Meta(0o4751, 11, 22, 1_500_000_000_123_456_789, ((b"user.a", b"1"), (b"trusted.b", b"2")))
_DRESSED: tuple[Given, ...] = (
    {},
    {
        "d": Dir(_META._replace(mode=0o2751)),
        "d/f": File(b"x" * 5000, _META),
        "d/l": Symlink(b"f", Meta(0o777, 11, 22)),
    },
)


@TOPIC.check(Need.ROOT, Need.TRUSTED, layers=_DRESSED)
def everything_is_copied_up() -> None:
    def dress(path: str) -> tuple[object, ...]:
        found = os.lstat(path)
        xattrs = [
            (name, os.getxattr(path, name)) for name in sorted(os.listxattr(path)) if "selinux" not in name
        ]
        return (
            *found[:2],
            found.st_uid,
            found.st_gid,
            found.st_size,
            found.st_mtime_ns,
            found.st_atime_ns,
            xattrs,
        )

    before = {path: dress(path) for path in ("d", "d/f")}
    os.setxattr("d/f", "user.new", b"")
    os.removexattr("d/f", "user.new")
    same("attributes of d/f", dress("d/f"), before["d/f"])
    same("attributes of d", dress("d"), before["d"])
    os.lchown("d/l", 11, 22)
    same("target of the link", os.readlink("d/l"), "f")
    fd = os.open("d/f", os.O_RDWR)
    os.pwrite(fd, b"x", 0)
    os.close(fd)
    same("content", _content("d/f"), b"x" * 5000)
    same("owner", os.stat("d/f")[4:6], (11, 22))


_SPARSE: tuple[Given, ...] = ({}, {"f": File(bytes(1 << 20) + b"end")})


@TOPIC.check(layers=_SPARSE)
def a_copy_keeps_size_and_content() -> None:
    with open("f", "r+b") as file:
        file.seek(100)
        file.write(b"x")
    content = _content("f")
    same("size", len(content), (1 << 20) + 3)
    same("content", content, bytes(100) + b"x" + bytes((1 << 20) - 101) + b"end")


def _deep(levels: int, last: Item) -> dict[str, Item]:
    path = ""
    items: dict[str, Item] = {}
    for level in range(levels):
        path = f"{path}d{level}/"
        items[path.rstrip("/")] = Dir()
    items[path + "f"] = last
    return items


_DEEP: tuple[Given, ...] = ({}, _deep(12, File(b"deep")))
_BOTTOM = "/".join(f"d{level}" for level in range(12))


@TOPIC.check(layers=_DEEP)
def a_copy_deep_down() -> None:
    with open(f"{_BOTTOM}/f", "ab") as file:
        file.write(b" down")
    same("content", _content(f"{_BOTTOM}/f"), b"deep down")
    os.rename("d0/d1", "x")
    same("content", _content(f"x/{_BOTTOM.removeprefix('d0/d1/')}/f"), b"deep down")
    done(os.mkdir, "d0/d1")
    same("what it holds", os.listdir("d0/d1"), [])


@TOPIC.check(Need.REMOUNT, layers=_DEEP)
def renamed_at_every_level() -> Iterator[None]:
    path = ""
    for level in range(12):
        os.rename(f"{path}d{level}", f"{path}n{level}")
        path = f"{path}n{level}/"
    same("content", _content(f"{path}f"), b"deep")
    yield
    same("content", _content(f"{path}f"), b"deep")
    with open(f"{path}f", "ab") as file:
        file.write(b"!")
    os.rename("n0", "d0")
    yield
    same("content", _content("d0" + path.removeprefix("n0") + "f"), b"deep!")


_MODES: tuple[Given, ...] = (
    {},
    {
        "d": Dir(),
        "file": File(b"file"),
        "d/old": File(b"old"),
        "link": Symlink(b"file"),
        "linked": HardLink(b"file"),
    },
)


@TOPIC.check(Need.REMOUNT, layers=_MODES)
def all_changes_last() -> Iterator[None]:
    os.chmod("file", 0o600)
    os.utime("d", ns=(1, 2))
    os.rename("link", "d/link")
    os.truncate("d/old", 1)
    os.setxattr("d", "user.x", b"1")
    os.symlink("x", "new")
    yield
    same("mode", os.stat("file").st_mode & 0o777, 0o600)
    same("mtime", os.stat("d").st_mtime_ns != 2, True)
    same("target", os.readlink("d/link"), "file")
    same("content", _content("d/old"), b"o")
    same("xattr", os.getxattr("d", "user.x"), b"1")
    same("target", os.readlink("new"), "x")
    same("links", os.stat("file").st_nlink, 2)
    same("mode of the other name", os.stat("linked").st_mode & 0o777, 0o600)
