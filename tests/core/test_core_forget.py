"""Nodes that nobody needs any more are freed at once, and are found again as they were."""

from __future__ import annotations

import gc
import weakref
from collections.abc import Iterator

import pytest
from stands import DIALECTS, View, stand

from unionfs.core.dialect import Dialect
from unionfs.core.node import Node
from unionfs.types import Access, Kind


@pytest.fixture(autouse=True)
def _without_the_garbage_collector() -> Iterator[None]:
    gc.disable()
    yield
    gc.enable()


def walk(view: View) -> list[Node]:
    """Every node but the root, directories before what they hold."""
    return [view.at(path) for path in sorted(view.tree()) if path]


def forget(view: View, nodes: list[Node]) -> list[weakref.ref[Node]]:
    """Have `nodes` forgotten, the last first, and let go of them."""
    watched = [weakref.ref(node) for node in nodes]
    while nodes:
        view.union.forget(nodes.pop())
    return [one for one in watched if one() is not None]


TREE = {"a/b/c": b"c", "a/d": b"d", "e": b"e"}


def test_a_tree_is_freed_from_the_leaves_up() -> None:
    view = stand(TREE).view()
    assert forget(view, walk(view)) == []
    assert view.read(b"a/b/c") == b"c"


def test_a_directory_stays_for_as_long_as_something_in_it_is_in_use() -> None:
    view = stand(TREE).view()
    nodes = walk(view)
    assert len(forget(view, list(reversed(nodes)))) == len(nodes)
    directory = view.at(b"a/b")
    assert directory in nodes
    assert forget(view, nodes) == [weakref.ref(directory)]


@pytest.mark.parametrize("dialect", DIALECTS.values(), ids=DIALECTS)
def test_what_was_changed_is_found_again(dialect: Dialect) -> None:
    view = stand(TREE, dialect=dialect).view()
    view.write(b"a/d", b"D")
    view.make(b"a/new", b"new")
    view.unlink(b"e")
    view.rename(b"a/b", b"moved")
    view.link(b"a/new", b"linked")
    before = view.tree()
    inos = {path: view.stat(path).ino for path in before}
    forget(view, walk(view))
    assert view.tree() == before
    assert {path: view.stat(path).ino for path in before} == inos


def test_an_open_file_is_not_forgotten() -> None:
    view = stand(TREE).view()
    handle = view.open(b"e", Access.READ | Access.WRITE)
    node = view.at(b"e")
    view.union.forget(node)
    handle.write(b"E", 0)
    assert view.at(b"e") is node
    assert handle.read(9, 0) == b"E"
    handle.close()
    assert view.read(b"e") == b"E"


def test_a_removed_directory_is_freed() -> None:
    view = stand(TREE).view()
    directory = view.at(b"a")
    for path in (b"a/b/c", b"a/d"):
        view.unlink(path)
    view.rmdir(b"a/b")
    view.rmdir(b"a")
    assert forget(view, [directory]) == [weakref.ref(directory)]
    view.union.forget(directory)


@pytest.mark.parametrize("dialect", DIALECTS.values(), ids=DIALECTS)
@pytest.mark.parametrize("upper_names", [1, 2])
def test_a_directory_does_not_stay_for_a_file_with_a_name_elsewhere(
    dialect: Dialect, upper_names: int
) -> None:
    view = stand({}, dialect=dialect).view()
    view.mkdir(b"one")
    view.mkdir(b"two")
    view.make(b"one/f", b"content")
    view.link(b"one/f", b"two/f")
    if upper_names == 1:
        view.rename(b"two/f", b"f")
    other = b"two/f" if upper_names == 2 else b"f"
    file = view.at(b"one/f")
    assert forget(view, [view.at(b"one")]) == []
    assert view.at(other) is file
    assert view.at(b"one/f") is file
    assert view.stat(b"one/f").nlink == 2
    view.unlink(other)
    assert (view.read(b"one/f"), view.stat(b"one/f").nlink, file.kind) == (b"content", 1, Kind.FILE)


def test_it_stays_for_a_file_with_two_names_in_it() -> None:
    view = stand({"d": None}).view()
    view.make(b"d/f")
    view.link(b"d/f", b"d/g")
    file, directory = view.at(b"d/f"), view.at(b"d")
    view.union.forget(directory)
    assert view.at(b"d") is directory
    assert view.union.path(file) in (b"d/f", b"d/g")


def test_nor_for_one_that_was_removed_there_meanwhile() -> None:
    view = stand({"one": None, "two": None}).view()
    view.make(b"one/f", b"content")
    view.link(b"one/f", b"two/f")
    handle = view.open(b"two/f", Access.READ | Access.WRITE)
    view.union.forget(view.at(b"one"))
    view.unlink(b"two/f")
    assert handle.stat().nlink == 1
    handle.write(b"C", 0)
    assert view.read(b"one/f") == b"Content"
    view.unlink(b"one/f")
    assert (handle.stat().nlink, handle.read(9, 0)) == (0, b"Content")
    handle.close()
