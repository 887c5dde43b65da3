"""What a name is: stacks of layers in both dialects, from one layer to five hundred."""

from __future__ import annotations

import errno
from collections.abc import Mapping

import pytest
from hypothesis import given
from hypothesis import strategies as st
from spies import Calls
from stands import (
    AUFS,
    LONG_AGO,
    OVERLAY,
    Content,
    Stand,
    Symlink,
    View,
    age,
    errno_of,
    lower,
    read_only,
    stand,
)

from unionfs.core.dialect import Dialect, Listing
from unionfs.core.layer import Layer
from unionfs.core.lookup import merge
from unionfs.core.node import UPPER, Found
from unionfs.core.union import Union
from unionfs.layers.memory import MemoryStore
from unionfs.types import Kind

BOTH = pytest.mark.parametrize("dialect", [OVERLAY, AUFS], ids=["overlay", "aufs"])


def layer(
    dialect: Dialect,
    entries: Mapping[str, Content],
    whiteouts: tuple[str, ...] = (),
    opaque: tuple[str, ...] = (),
    xattrs: Mapping[tuple[str, str], bytes] | None = None,
) -> Layer:
    """A layer with marks, written the way its dialect's specification says."""
    store = MemoryStore.of(entries)
    for path in whiteouts:
        parent, _, name = path.encode().rpartition(b"/")
        at = parent + b"/" if parent else b""
        if dialect is AUFS:
            store.create(at + b".wh." + name, 0o444).close()
        else:
            store.mknod(at + name, 0o020000, 0)
    for path in opaque:
        if dialect is AUFS:
            store.create(path.encode() + b"/.wh..wh..opq", 0o444).close()
        else:
            store.setxattr(path.encode(), b"trusted.overlay.opaque", b"y")
    for (path, name), value in (xattrs or {}).items():
        store.setxattr(path.encode(), b"trusted.overlay." + name.encode(), value)
    age(store)
    return Layer(store, dialect)


FULL: dict[str, Content] = {"d/a": b"low", "d/sub/x": b"x", "f": b"low", "s": Symlink("f")}


@BOTH
@pytest.mark.parametrize("as_upper", [False, True])
class TestOneOverAnother:
    """The upper of two layers, as a lower and as the writable one, over one of the other dialect."""

    def view(self, dialect: Dialect, as_upper: bool, top: Layer) -> View:
        bottom = layer(AUFS if dialect is OVERLAY else OVERLAY, FULL)
        if not as_upper:
            return View(Union([top, bottom]))
        assert isinstance(top.store, MemoryStore)
        return Stand([bottom], dialect, top.store).view()

    def test_merges(self, dialect: Dialect, as_upper: bool) -> None:
        view = self.view(dialect, as_upper, layer(dialect, {"d/b": b"top", "f": b"top"}))
        assert view.names() == [b"d", b"f", b"s"]
        assert view.names(b"d") == [b"a", b"b", b"sub"]
        assert (view.read(b"f"), view.read(b"d/a"), view.read(b"d/b")) == (b"top", b"low", b"top")

    def test_whiteout(self, dialect: Dialect, as_upper: bool) -> None:
        view = self.view(dialect, as_upper, layer(dialect, {"d/b": b""}, ("f", "d/a", "d/never")))
        assert view.names() == [b"d", b"s"]
        assert view.names(b"d") == [b"b", b"sub"]
        assert errno_of(lambda: view.at(b"f")) == errno.ENOENT
        assert not view.has(b".wh.f")

    def test_whiteout_over_directory(self, dialect: Dialect, as_upper: bool) -> None:
        view = self.view(dialect, as_upper, layer(dialect, {}, ("d",)))
        assert view.names() == [b"f", b"s"]

    def test_opaque_directory(self, dialect: Dialect, as_upper: bool) -> None:
        view = self.view(dialect, as_upper, layer(dialect, {"d/b": b""}, (), ("d",)))
        assert view.names(b"d") == [b"b"]
        assert view.names() == [b"d", b"f", b"s"]

    def test_emptied_directory_hides_a_full_one(self, dialect: Dialect, as_upper: bool) -> None:
        view = self.view(dialect, as_upper, layer(dialect, {"d": None}, ("d/a", "d/sub")))
        assert view.names(b"d") == []

    def test_directory_over_file(self, dialect: Dialect, as_upper: bool) -> None:
        view = self.view(dialect, as_upper, layer(dialect, {"f/in": b"", "s/in": b""}))
        assert view.names(b"f") == [b"in"]
        assert view.names(b"s") == [b"in"]

    def test_file_over_directory(self, dialect: Dialect, as_upper: bool) -> None:
        view = self.view(dialect, as_upper, layer(dialect, {"d": b"file"}))
        assert view.read(b"d") == b"file"
        assert errno_of(lambda: view.at(b"d/a")) == errno.ENOTDIR

    def test_marks_are_not_shown(self, dialect: Dialect, as_upper: bool) -> None:
        view = self.view(dialect, as_upper, layer(dialect, {"d/b": b""}, ("f",), ("d",)))
        assert view.xattrs(b"d") == {}
        assert set(view.tree()) == {b"", b"d", b"d/b", b"s"}


def test_three_layers_each_in_another_way() -> None:
    top = layer(OVERLAY, {"d/new": b"3"}, ("x",))
    middle = layer(AUFS, {"x": b"2", "d": None}, ("d/gone",), ())
    view = View(Union([top, middle, layer(OVERLAY, {"d/gone": b"1", "d/stays": b"1", "x": b"1"})]))
    assert view.names() == [b"d"]
    assert view.names(b"d") == [b"new", b"stays"]


def test_recreation_over_a_whiteout() -> None:
    view = View(
        Union(
            [
                layer(OVERLAY, {"d/new": b"again"}),
                layer(AUFS, {}, ("d",)),
                layer(OVERLAY, {"d/old": b"hidden"}),
            ]
        )
    )
    assert view.names(b"d") == [b"new"]


def test_file_in_the_middle_ends_a_directory() -> None:
    view = read_only({"d/top": b""}, {"d": b"file"}, {"d/bottom": b""})
    assert view.names(b"d") == [b"top"]


REDIRECTS = [
    ("absolute", {"new/own": b""}, {("new", "redirect"): b"/d"}, b"new"),
    ("absolute, deep", {"a/b/new/own": b""}, {("a/b/new", "redirect"): b"/d"}, b"a/b/new"),
    ("relative", {"new/own": b""}, {("new", "redirect"): b"d"}, b"new"),
]


@pytest.mark.parametrize(
    ("_name", "entries", "marks", "path"), REDIRECTS, ids=[case[0] for case in REDIRECTS]
)
@pytest.mark.parametrize("as_upper", [False, True])
def test_redirects(
    _name: str, entries: dict[str, Content], marks: dict[tuple[str, str], bytes], path: bytes, as_upper: bool
) -> None:
    top = layer(OVERLAY, entries, ("d",), (), marks)
    bottom = layer(AUFS, FULL)
    assert isinstance(top.store, MemoryStore)
    view = Stand([bottom], OVERLAY, top.store).view() if as_upper else View(Union([top, bottom]))
    assert view.names(path) == [b"a", b"own", b"sub"]
    assert view.names(path + b"/sub") == [b"x"]
    assert view.read(path + b"/a") == b"low"
    assert not view.has(b"d")


def test_redirect_through_renamed_middle_layers() -> None:
    """The top renamed what the middle had renamed already; a child of it was renamed away too."""
    top = layer(
        OVERLAY,
        {"z/three": b"", "kid/k": b""},
        ("y",),
        (),
        {("z", "redirect"): b"/y", ("kid", "redirect"): b"/y/sub"},
    )
    middle = layer(OVERLAY, {"y/two": b"", "y/sub": None}, ("d",), (), {("y", "redirect"): b"/d"})
    bottom = layer(AUFS, FULL)
    view = View(Union([top, middle, bottom]))
    assert view.names() == [b"f", b"kid", b"s", b"z"]
    assert view.names(b"z") == [b"a", b"sub", b"three", b"two"]
    assert view.names(b"kid") == [b"k", b"x"]


def test_redirect_to_what_is_hidden_finds_nothing() -> None:
    top = layer(OVERLAY, {"new/own": b""}, (), (), {("new", "redirect"): b"/d"})
    view = View(Union([top, layer(AUFS, {}, ("d",)), layer(OVERLAY, FULL)]))
    assert view.names(b"new") == [b"own"]


def test_redirect_ends_at_an_opaque_directory() -> None:
    top = layer(OVERLAY, {"new": None}, (), (), {("new", "redirect"): b"/d"})
    view = View(Union([top, layer(AUFS, {"d/mid": b""}, (), ("d",)), layer(OVERLAY, FULL)]))
    assert view.names(b"new") == [b"mid"]


@pytest.mark.parametrize("redirect", [b"", b"/", b"/a//b", b"..", b"/../etc", b"a/b", b"/a/.", b"/a/"])
def test_redirect_that_is_no_path(redirect: bytes) -> None:
    view = View(Union([layer(OVERLAY, {"new": None}, (), (), {("new", "redirect"): redirect}), lower(FULL)]))
    assert errno_of(lambda: view.stat(b"new")) == errno.EIO
    assert errno_of(lambda: view.names(b"new")) == errno.EIO
    assert errno_of(lambda: view.names(b"new")) == errno.EIO, "not forgotten once said"


def chain(*, as_upper: bool) -> View:
    """Data in the lowest layer, its metadata changed in two above, under another name each time."""
    marks = {("c", "metacopy"): b"", ("c", "redirect"): b"/b"}
    top = layer(OVERLAY, {"c": b"\0" * 4}, ("b",), (), marks)
    marks = {("b", "metacopy"): b"", ("b", "redirect"): b"/dir/a"}
    middle = layer(OVERLAY, {"b": b"\0" * 4}, ("dir",), (), marks)
    bottom = layer(AUFS, {"dir/a": b"data"})
    assert isinstance(top.store, MemoryStore)
    top.store.chmod(b"c", 0o600)
    return (
        Stand([middle, bottom], OVERLAY, top.store).view() if as_upper else View(Union([top, middle, bottom]))
    )


@pytest.mark.parametrize("as_upper", [False, True])
def test_metacopy_chain(as_upper: bool) -> None:
    view = chain(as_upper=as_upper)
    assert view.names() == [b"c"]
    assert view.read(b"c") == b"data"
    assert view.stat(b"c").mode & 0o7777 == 0o600


def test_metacopy_chain_is_completed_by_a_write() -> None:
    view = chain(as_upper=True)
    view.write(b"c", b"X", 1)
    assert view.read(b"c") == b"dXta"


def test_metacopy_of_a_lower_metacopy() -> None:
    """A copy-up of metadata over a lower layer that has only the metadata itself."""
    marks = {("b", "metacopy"): b"", ("b", "redirect"): b"/a"}
    one = stand(layer(OVERLAY, {"b": b"\0" * 4}, ("a",), (), marks), lower({"a": b"data"}))
    view = one.view()
    view.set(b"b", mode=0o600)
    view.rename(b"b", b"c")
    for again in (view, one.view()):
        assert again.read(b"c") == b"data"
    again.write(b"c", b"X")
    assert one.view().read(b"c") == b"Xata"


def test_linked_metacopy_of_a_lower_metacopy() -> None:
    store = MemoryStore.of({"b": b"\0" * 4})
    store.setxattr(b"b", b"trusted.overlay.metacopy", b"")
    store.setxattr(b"b", b"trusted.overlay.redirect", b"/a")
    store.link(b"b", store, b"b2")
    store.mknod(b"a", 0o020000, 0)
    one = stand(Layer(store, OVERLAY), lower({"a": b"data"}))
    one.view().set(b"b", mode=0o600)
    again = one.view()
    assert again.read(b"b2") == b"data"
    assert again.read(b"b") == b"data"


def test_metacopy_without_data_beneath() -> None:
    top = layer(OVERLAY, {"m": b"\0" * 4}, (), (), {("m", "metacopy"): b""})
    view = View(Union([top, lower({"other": b""})]))
    assert errno_of(lambda: view.read(b"m")) == errno.EIO
    assert view.stat(b"m").size == 4


def test_removed_file_of_a_lower_metacopy_can_still_be_opened() -> None:
    marks = {("b", "metacopy"): b"", ("b", "redirect"): b"/a"}
    view = stand(layer(OVERLAY, {"b": b"\0" * 4}, ("a",), (), marks), lower({"a": b"data"})).view()
    node = view.at(b"b")
    view.unlink(b"b")
    assert errno_of(lambda: view.union.open(node)) in (0, errno.ENOENT)


# Many layers


def many(count: int) -> list[Layer]:
    """Layer i has a file of its own, a new version of `same`, and hides the file of layer i - 2."""
    layers = []
    for number in range(count):
        entries: dict[str, Content] = {f"d/own{number}": b"%d" % number, "d/same": b"%d" % number}
        gone = (f"d/own{number - 2}",) if number > 1 else ()
        layers.append(layer(AUFS if number % 2 else OVERLAY, entries, gone))
    return layers[::-1]


@pytest.mark.parametrize("count", [1, 2, 10, 500])
def test_many_layers(count: int) -> None:
    view = View(Union(many(count)))
    shown = [b"own%d" % number for number in range(max(0, count - 2), count)]
    assert view.names(b"d") == sorted([*shown, b"same"])
    assert view.read(b"d/same") == b"%d" % (count - 1)


@pytest.mark.parametrize("count", [1, 2, 10, 500])
def test_known_directory_costs_no_layer_access(count: int) -> None:
    calls = Calls()
    layers = [Layer(calls.spy(one.store), one.dialect) for one in many(count)]
    one = Stand(layers, OVERLAY)
    view = one.view(calls.spy)
    view.tree()
    calls.clear()
    node = view.at(b"d")
    for name in (b"same", b"own%d" % (count - 1)):
        assert view.union.getattr(view.union.lookup(node, name)).mtime_ns == LONG_AGO
    for name in (b"missing", b"own0x", b"same2", b"x" * 255):
        assert errno_of(lambda name=name: view.union.lookup(node, name)) == errno.ENOENT
    view.union.readdir(node)
    assert calls.total == 0


def test_first_lookup_reads_each_directory_once() -> None:
    calls = Calls()
    layers = [Layer(calls.spy(one.store), one.dialect) for one in many(10)]
    view = View(Union(layers))
    calls.clear()
    for name in (b"a", b"b", b"c"):
        errno_of(lambda name=name: view.at(name))
    assert calls.count["scan"] == 10


def test_changes_keep_a_directory_known() -> None:
    calls = Calls()
    one = Stand([Layer(calls.spy(lower(FULL).store), OVERLAY)], OVERLAY)
    view = one.view(calls.spy)
    view.tree()
    view.make(b"d/new")
    view.unlink(b"d/a")
    view.rename(b"d/sub", b"d/bus")
    view.mkdir(b"e")
    calls.clear()
    for path in (b"d/a", b"d/sub", b"e/x", b"d/bus/x", b"d/new"):
        view.has(path)
    assert calls.total == 0


# The merge, against one that says it name by name

NAMES = [b"a", b"b", b"c"]
LISTINGS = st.lists(
    st.builds(
        lambda entries, whiteouts: Listing(entries, frozenset(whiteouts)),
        st.dictionaries(st.sampled_from(NAMES), st.sampled_from([Kind.DIR, Kind.FILE, Kind.SYMLINK])),
        st.sets(st.sampled_from(NAMES)),
    ),
    max_size=5,
)


def naive(listings: list[tuple[int, Listing]], name: bytes) -> Found | None:
    found: Found | None = None
    for position, listing in listings:
        kind = listing.entries.get(name)
        if kind is not None and found is None:
            found = Found(kind, (position,))
        elif kind is Kind.DIR and found is not None:
            found = Found(Kind.DIR, (*found.where, position))
        elif kind is not None:
            return found
        if found is not None and found.kind is not Kind.DIR:
            return found
        if name in listing.whiteouts:
            return found
    return found


@given(LISTINGS, st.booleans())
def test_merge(listings: list[Listing], with_upper: bool) -> None:
    upper = listings[0] if with_upper and listings else None
    lowers = listings[1:] if upper else listings
    merged = merge(upper, lowers)
    numbered = list(enumerate(lowers))
    for name in NAMES:
        stack = [(UPPER, upper), *numbered] if upper else numbered
        assert merged.shown.get(name) == naive(stack, name)
        beneath = naive(numbered, name)
        shown = merged.shown.get(name)
        shows_lower = shown is not None and shown.where[-1] != UPPER
        assert (name in merged.hidden) == (beneath is not None and not shows_lower)
    assert merged.whiteouts == (set(upper.whiteouts) if upper else set())
