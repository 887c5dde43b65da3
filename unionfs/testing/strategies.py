"""Hypothesis strategies for stacks and histories. The only file here that needs Hypothesis.

Names come from an alphabet of three, and a history's paths mostly from its stack, so
that generated things keep meeting each other. A history is a list of episodes: single
commands, and short sequences about the same few paths, each the beginning of a story
that a union can get wrong.
"""

from __future__ import annotations

import os
import stat as stat_bits
from collections.abc import Sequence
from typing import NamedTuple

from hypothesis import strategies as st
from hypothesis.strategies import DrawFn, SearchStrategy

from unionfs.testing.commands import (
    Command,
    Crash,
    Create,
    GetStat,
    HandleClose,
    HandleRead,
    HandleStat,
    HandleTruncate,
    HandleWrite,
    History,
    Link,
    ListDir,
    MakeDir,
    MakeNode,
    MakeSymlink,
    MapWrite,
    Open,
    ReadLink,
    Remount,
    RemoveDir,
    RemoveXattr,
    Rename,
    SetMode,
    SetOwner,
    SetTimes,
    SetXattr,
    Truncate,
    Unlink,
    Write,
)
from unionfs.testing.printing import as_code
from unionfs.testing.stacks import (
    NAMES,
    OLD_NS,
    Dir,
    File,
    HardLink,
    Item,
    LayerData,
    Meta,
    Node,
    Stack,
    StackLayer,
    Symlink,
    Whiteout,
    flatten,
)
from unionfs.testing.trees import join
from unionfs.types import RenameFlags, XattrFlags

NULL_DEVICE = os.makedev(1, 3)

_names = st.sampled_from(NAMES)
_shallow = st.lists(_names, min_size=1, max_size=2).map(b"/".join)
_any_paths = _shallow | _shallow | st.lists(_names, min_size=3, max_size=3).map(b"/".join)
_data = st.sampled_from([b"", b"x", b"hello", b"y" * 100])
_offsets = st.sampled_from([0, 1, 3, 4096])
_sizes = st.sampled_from([0, 2, 4097])
_times = st.integers(0, 9).map(lambda n: OLD_NS + n * 1_000_000_007)
_owners = st.sampled_from([0, 1000, 65534])
_file_modes = st.sampled_from([0o644, 0o600, 0o000, 0o4755, 0o2755])
_dir_modes = st.sampled_from([0o755, 0o700, 0o1777, 0o2775])
_xattr_names = st.sampled_from([b"user.one", b"user.two"])
_xattr_values = st.sampled_from([b"", b"v", b"w" * 100])
_targets = st.sampled_from([b"a", b"../b", b"/nowhere", b"\xff"])
_special = st.sampled_from([(stat_bits.S_IFIFO, 0), (stat_bits.S_IFCHR, NULL_DEVICE)])
_slots = st.integers(0, 1)
_least = st.sampled_from([0, 4, 8])  # small examples shrink well, large ones find more: some of both


# Stacks.


def _meta(modes: SearchStrategy[int]) -> SearchStrategy[Meta]:
    xattrs = st.dictionaries(_xattr_names, _xattr_values, max_size=2).map(lambda d: tuple(sorted(d.items())))
    return st.builds(Meta, modes, _owners, _owners, _times, xattrs)


_plain_meta = st.builds(lambda uid, gid, mtime_ns: Meta(0o644, uid, gid, mtime_ns), _owners, _owners, _times)
_files = st.builds(File, _data, _meta(_file_modes))
_dirs = st.builds(Dir, _meta(_dir_modes), st.sampled_from([False, False, True]))
_symlinks = st.builds(lambda to, meta: Symlink(to, meta._replace(mode=0o777)), _targets, _plain_meta)
_nodes = st.builds(lambda special, meta: Node(special[0], special[1], meta), _special, _plain_meta)
_links = st.builds(HardLink, _any_paths)
_whiteouts = st.builds(Whiteout)
_items = st.one_of(_files, _files, _files, _dirs, _dirs, _symlinks | _nodes, _links, _links, _whiteouts)


@st.composite
def _layers(draw: DrawFn) -> StackLayer:
    root = Dir(Meta(0o755, mtime_ns=draw(_times)))
    drawn = draw(st.dictionaries(_any_paths, _items, min_size=draw(_least), max_size=12))
    return StackLayer(_made_whole(root, drawn), draw(st.sampled_from(["overlay", "aufs"])))


stacks: SearchStrategy[Stack] = st.lists(_layers(), min_size=1, max_size=4).map(tuple)
"""One to four lower layers, each in either dialect."""


def _made_whole(root: Dir, drawn: LayerData) -> LayerData:
    """`drawn` with its missing parents, without what lies below a file; every hard link links to a file."""
    items: dict[bytes, Item] = {b"": root}
    for path, item in sorted(drawn.items()):
        if _grow_parents(items, path):
            items[path] = item
    files = [path for path, item in items.items() if isinstance(item, File)]
    for path, item in items.items():
        if isinstance(item, HardLink) and item.to not in files:
            items[path] = HardLink(files[len(item.to) % len(files)]) if files else File()
    return items


def _grow_parents(items: dict[bytes, Item], path: bytes) -> bool:
    parent = b""
    for name in path.split(b"/")[:-1]:
        parent = join(parent, name)
        if not isinstance(items.setdefault(parent, Dir()), Dir):
            return False
    return True


# Histories.


class Scenario(NamedTuple):
    """A stack and what happens to it."""

    stack: Stack
    history: History

    def __repr__(self) -> str:
        return as_code(self)


class _Paths:
    """Paths to choose from, given a stack: mostly what is there at the start."""

    def __init__(self, stack: Stack) -> None:
        self.items = flatten(stack)
        self.any = _mostly([path for path in self.items if path])
        self.files = _mostly([path for path, item in self.items.items() if isinstance(item, File | HardLink)])
        dirs = [path for path, item in self.items.items() if isinstance(item, Dir)]
        self.dirs = _mostly([path for path in dirs if path])
        self.nested_files = _mostly(
            [path for path, item in self.items.items() if b"/" in path and isinstance(item, File)],
            otherwise=st.builds(join, _names, _names),
        )
        self.new = st.builds(join, st.sampled_from(dirs), _names) | _any_paths

    def below(self, directory: bytes) -> list[tuple[bytes, Item]]:
        """What is there at the start below a directory, children before their parents."""
        return sorted(
            (pair for pair in self.items.items() if pair[0].startswith(directory + b"/")), reverse=True
        )


def _mostly(paths: list[bytes], otherwise: SearchStrategy[bytes] = _any_paths) -> SearchStrategy[bytes]:
    return st.one_of(*[st.sampled_from(paths)] * 4, otherwise) if paths else otherwise


@st.composite
def scenarios(draw: DrawFn, max_episodes: int = 12) -> Scenario:
    """A stack, and a history of about three commands an episode."""
    stack = draw(stacks)
    fewest = min(draw(_least), max_episodes)
    episodes = draw(st.lists(_episodes(_Paths(stack)), min_size=fewest, max_size=max_episodes))
    return Scenario(stack, [command for episode in episodes for command in episode])


# Single commands, one function a family. They draw as they go: strategies built anew
# for every stack would cost more time than the file systems under test.


def _make(draw: DrawFn, paths: _Paths) -> Command:
    path = draw(paths.new)
    match draw(st.integers(0, 4)):
        case 0:
            return Create(path, draw(_file_modes))
        case 1:
            return MakeDir(path, draw(st.sampled_from([0o755, 0o700, 0o1777])))
        case 2:
            return MakeSymlink(path, draw(_targets))
        case 3:
            kind, rdev = draw(_special)
            return MakeNode(path, kind | 0o640, rdev)
        case _:
            return Link(draw(paths.files), path)


def _change_data(draw: DrawFn, paths: _Paths) -> Command:
    if draw(st.booleans()):
        return Truncate(draw(paths.files), draw(_sizes))
    arguments = draw(paths.files), draw(_data), draw(_offsets)
    return MapWrite(*arguments) if draw(st.integers(0, 2)) == 0 else Write(*arguments)


def _change_metadata(draw: DrawFn, paths: _Paths) -> Command:
    path = draw(st.one_of(*[paths.any] * 5, st.just(b"")))
    match draw(st.integers(0, 4)):
        case 0:
            return SetMode(path, draw(st.sampled_from([0o700, 0o1777, 0o2755, 0o4711])))
        case 1:
            return SetOwner(path, draw(_owners), draw(_owners))
        case 2:
            return SetTimes(path, draw(_times), draw(_times))
        case 3:
            flags = draw(st.sampled_from(XattrFlags))
            return SetXattr(path, draw(_xattr_names), draw(_xattr_values), flags)
        case _:
            return RemoveXattr(path, draw(_xattr_names))


def _remove(draw: DrawFn, paths: _Paths) -> Command:
    return RemoveDir(draw(paths.dirs)) if draw(st.booleans()) else Unlink(draw(paths.files))


def _rename(draw: DrawFn, paths: _Paths) -> Command:
    flags = draw(st.sampled_from([RenameFlags.NONE] * 3 + [RenameFlags.NOREPLACE, RenameFlags.EXCHANGE]))
    return Rename(draw(paths.any), draw(paths.any | paths.new), flags)


def _read(draw: DrawFn, paths: _Paths) -> Command:
    path = draw(paths.any)
    return _one(draw, [ListDir(path), GetStat(path), ReadLink(path), ListDir(b"")])


def _use_handle(draw: DrawFn, paths: _Paths) -> Command:
    slot = draw(_slots)
    match draw(st.integers(0, 5)):
        case 0 | 1:
            return Open(slot, draw(paths.files), draw(st.booleans()))
        case 2:
            return HandleRead(slot, 6000, draw(_offsets))
        case 3:
            return HandleWrite(slot, draw(_data), draw(_offsets))
        case 4:
            return HandleTruncate(slot, draw(_sizes))
        case _:
            return _one(draw, [HandleStat(slot), HandleClose(slot)])


def _remount(draw: DrawFn, paths: _Paths) -> Command:
    return _one(draw, [Remount(), Crash()])


_COMMANDS = (_make, _change_data, _change_metadata, _remove, _rename, _rename, _read, _use_handle, _remount)


@st.composite
def _commands(draw: DrawFn, paths: _Paths) -> Command:
    return draw(st.sampled_from(_COMMANDS))(draw, paths)


# Episodes.


@st.composite
def _episodes(draw: DrawFn, paths: _Paths) -> History:
    return draw(st.sampled_from(_EPISODES))(draw, paths)


def _anything(draw: DrawFn, paths: _Paths) -> History:
    return draw(st.lists(_commands(paths), max_size=6))


def _of_a_handle(draw: DrawFn, paths: _Paths) -> History:
    """A file is open while it is changed, renamed or removed."""
    slot, path, other = draw(_slots), draw(paths.files), draw(paths.new)
    meanwhile: History = [
        Unlink(path),
        Rename(path, other),
        Write(path, b"new"),
        SetMode(path, 0o600),
        Truncate(path, 0),
        Link(path, other),
    ]
    return [Open(slot, path, draw(st.booleans())), _one(draw, meanwhile), *_some(draw, _uses(slot), 3)]


def _of_a_removed_file(draw: DrawFn, paths: _Paths) -> History:
    """A file is used after its name is gone, and perhaps another has it."""
    slot, path, other = draw(_slots), draw(paths.files), draw(paths.files)
    removing: History = [Unlink(path), Rename(other, path)]
    again: History = [Create(path), Link(other, path), *_uses(slot), *_uses(slot)]
    return [Open(slot, path, True), _one(draw, removing), *_some(draw, again, 4)]


def _uses(slot: int) -> History:
    return [
        HandleWrite(slot, b"late", 2),
        HandleRead(slot, 6000),
        HandleStat(slot),
        HandleTruncate(slot, 1),
    ]


def _of_a_save(draw: DrawFn, paths: _Paths) -> History:
    """A file is replaced as editors do it."""
    path, new = draw(paths.files), draw(paths.new)
    return [Create(new), Write(new, b"saved"), Rename(new, path), *_some(draw, [Remount(), Unlink(path)], 1)]


def _of_a_replacement(draw: DrawFn, paths: _Paths) -> History:
    """A name goes and comes back as something else."""
    path, other, new = draw(paths.any), draw(paths.any), draw(paths.new)
    is_dir = isinstance(paths.items.get(path), Dir)
    going: History = [Rename(path, new), RemoveDir(path) if is_dir else Unlink(path)]
    coming: History = [
        MakeDir(path),
        Create(path),
        MakeSymlink(path, b"a"),
        Link(other, path),
        Rename(other, path, RenameFlags.NOREPLACE),
    ]
    return [_one(draw, going), _one(draw, coming), *_some(draw, [Remount(), ListDir(path)], 1)]


def _of_an_emptied_directory(draw: DrawFn, paths: _Paths) -> History:
    """What a directory holds is removed, then the directory goes, or another takes its place."""
    path, other = draw(paths.dirs), draw(paths.dirs)
    emptying: History = [
        RemoveDir(below) if isinstance(item, Dir) else Unlink(below) for below, item in paths.below(path)
    ]
    end = _one(draw, [RemoveDir(path), Rename(other, path)])
    return [*emptying, end, *_some(draw, [MakeDir(path), Create(path), ListDir(path)], 2)]


def _of_a_moved_directory(draw: DrawFn, paths: _Paths) -> History:
    """A directory is moved; things happen below its new place, at its old one, and after a remount."""
    path, _, name = draw(paths.nested_files).rpartition(b"/")
    new = draw(paths.new)
    inside = join(new, name)
    after: History = [
        MakeDir(path),
        Write(inside, b"moved"),
        SetMode(inside, 0o700),
        Unlink(inside),
        Create(inside),
        Rename(inside, path),
        Rename(new, path),
        RemoveDir(new),
        Remount(),
    ]
    return [Rename(path, new), *_some(draw, after, 4)]


def _of_an_exchange(draw: DrawFn, paths: _Paths) -> History:
    """Two things that are there change places, and one of them is changed then."""
    path, other = draw(paths.files | paths.dirs), draw(paths.dirs | paths.any)
    after: History = [Write(path, b"new"), Write(other, b"new"), RemoveDir(path), Unlink(other), Remount()]
    return [Rename(path, other, RenameFlags.EXCHANGE), *_some(draw, after, 2)]


def _of_late_data(draw: DrawFn, paths: _Paths) -> History:
    """A file's metadata are changed, later its data; it is open all the time."""
    slot, path = draw(_slots), draw(paths.files)
    first: History = [SetMode(path, 0o640), SetOwner(path, 1, 1), SetXattr(path, b"user.one", b"v")]
    then: History = [
        Write(path, b"late", 1),
        HandleWrite(slot, b"later", 3),
        HandleRead(slot, 6000),
        Remount(),
        Crash(),
        MapWrite(path, b"mapped", 2),
    ]
    return [Open(slot, path, draw(st.booleans())), *_some(draw, first, 1), *_some(draw, then, 3)]


def _of_hard_links(draw: DrawFn, paths: _Paths) -> History:
    """A file gets one more name; one name is changed or removed, the others are looked at."""
    path, other = draw(paths.files), draw(paths.any | paths.new)
    after: History = [
        Write(path, b"one"),
        SetMode(other, 0o640),
        Unlink(path),
        Unlink(other),
        Rename(path, other),
        Remount(),
        Truncate(other, 2),
    ]
    return [_one(draw, [Link(path, other), SetMode(path, 0o600)]), *_some(draw, after, 4)]


_EPISODES = (
    _anything,
    _anything,
    _anything,
    _of_a_handle,
    _of_a_removed_file,
    _of_a_save,
    _of_a_replacement,
    _of_an_emptied_directory,
    _of_a_moved_directory,
    _of_an_exchange,
    _of_late_data,
    _of_hard_links,
)


def _one(draw: DrawFn, choices: Sequence[Command]) -> Command:
    return draw(st.sampled_from(choices))


def _some(draw: DrawFn, choices: Sequence[Command], most: int) -> History:
    return draw(st.lists(st.sampled_from(choices), max_size=most + 1))
