"""Layers that change beneath a union: it shows at once what a new union of them would show."""

from __future__ import annotations

import contextlib
from collections.abc import Callable

from hypothesis import example, given, settings
from hypothesis import strategies as st
from stands import OVERLAY, View

from unionfs.core.layer import Layer, UpperLayer
from unionfs.core.places import Place
from unionfs.core.store import Store
from unionfs.core.union import Union
from unionfs.core.whiteout import WhiteoutDevice
from unionfs.layers.memory import MemoryStore
from unionfs.types import Access, Kind, RenameFlags

NAMES = [b"a", b"b", b"c"]
PATHS = st.lists(st.sampled_from(NAMES), min_size=1, max_size=3).map(b"/".join)


class Watched:
    """Remembers what is to be watched; every change is noticed."""

    def __init__(self) -> None:
        self.places: set[Place] = set()

    def add(self, store: Store, place: Place) -> None:
        self.places.add(place)

    def remove(self, place: Place) -> None:
        self.places.remove(place)


class World:
    """Two lower layers under an upper one, all in memory, and a union of them that has been looked at."""

    def __init__(self) -> None:
        self.lowers = [MemoryStore("top"), MemoryStore("bottom")]
        self.store = MemoryStore("upper")
        self.work = MemoryStore("work", beside=self.store)
        self.watch = Watched()
        self.union = self.new(inspect=False)
        self.union.watch(self.watch)

    def new(self, *, inspect: bool) -> Union:
        layers = [Layer(store, OVERLAY) for store in self.lowers]
        return Union(layers, UpperLayer(self.store, OVERLAY, self.work), inspect=inspect)

    def notice(self) -> None:
        for place in sorted(self.watch.places):
            self.union.changed(place, None)

    def make(self, number: int, path: bytes) -> None:
        self.lowers[number].create(path, 0o644).close()

    def write(self, number: int, path: bytes) -> None:
        with contextlib.closing(self.lowers[number].open(path, Access.WRITE)) as file:
            file.pwrite(path, file.stat().size)

    def mkdir(self, number: int, path: bytes) -> None:
        self.lowers[number].mkdir(path, 0o755)

    def remove(self, number: int, path: bytes) -> None:
        store = self.lowers[number]
        (store.rmdir if store.stat(path).kind is Kind.DIR else store.unlink)(path)

    def move(self, number: int, path: bytes) -> None:
        self.lowers[number].rename(path, self.lowers[number], b"c", RenameFlags.NONE)

    def hide(self, number: int, path: bytes) -> None:
        WhiteoutDevice(self.lowers[number], b"w").make(self.lowers[number], path)

    def opaque(self, number: int, path: bytes) -> None:
        if self.lowers[number].stat(path).kind is Kind.DIR:
            self.lowers[number].setxattr(path, b"trusted.overlay.opaque", b"y")

    # What is done to the union itself

    def mkdir_above(self, number: int, path: bytes) -> None:
        directory, _, name = path.rpartition(b"/")
        self.union.mkdir(View(self.union).at(directory), name, 0o755)

    def remove_above(self, number: int, path: bytes) -> None:
        directory, _, name = path.rpartition(b"/")
        parent = View(self.union).at(directory)
        is_dir = self.union.lookup(parent, name).kind is Kind.DIR
        (self.union.rmdir if is_dir else self.union.unlink)(parent, name)

    def chmod_above(self, number: int, path: bytes) -> None:
        View(self.union).set(path, mode=0o700)


ACTS: list[Callable[[World, int, bytes], None]] = [
    World.make,
    World.write,
    World.mkdir,
    World.remove,
    World.move,
    World.hide,
    World.opaque,
    World.mkdir_above,
    World.remove_above,
    World.chmod_above,
]
HISTORIES = st.lists(st.tuples(st.sampled_from(ACTS), st.integers(0, 1), PATHS), max_size=12)


@settings(deadline=None)
@given(HISTORIES)
@example(
    [(World.mkdir, 1, b"a"), (World.mkdir_above, 0, b"a/b"), (World.mkdir, 0, b"a"), (World.make, 0, b"a/c")]
)
@example([(World.mkdir_above, 0, b"a"), (World.mkdir, 0, b"a"), (World.make, 0, b"a/b")])
def test_a_union_shows_what_a_new_one_would(history: list[tuple[Callable[..., None], int, bytes]]) -> None:
    world = World()
    tree(world.union)
    for act, number, path in history:
        with contextlib.suppress(OSError):
            act(world, number, path)
        world.notice()
        assert tree(world.union) == tree(world.new(inspect=True)), (act.__name__, number, path)


def tree(union: Union) -> dict[bytes, object]:
    view = View(union)
    seen: dict[bytes, object] = {}
    directories = [b""]
    for path in directories:
        for name in view.names(path):
            below = path + b"/" + name if path else name
            stat = view.stat(below)
            if stat.kind is Kind.DIR:  # which keeps its number while it is known, whatever merges with it
                directories.append(below)
                seen[below] = (stat.mode, stat.nlink)
            else:
                seen[below] = (stat.mode, stat.nlink, stat.ino, stat.size, content(view, below))
    return seen


def content(view: View, path: bytes) -> object:
    """Or the error, where a copy without data has lost what it was copied from."""
    try:
        return view.read(path)
    except OSError as failure:
        return failure.errno
