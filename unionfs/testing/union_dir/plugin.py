"""What pytest loads, in every run of everybody who has this package: so it imports next to nothing."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, NoReturn

import pytest

if TYPE_CHECKING:
    from unionfs.errors import UnionError
    from unionfs.testing.union_dir.asking import Keeper
    from unionfs.testing.union_dir.path import UnionDir

_LAYERS = "union_dir"
_WITHOUT_FUSE = "union_dir_without_fuse"
_CHOICES = ("fail", "skip")


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addini(
        _LAYERS,
        "what the fixture union_dir shows: a directory, or several layers, the top-most first, one a line;"
        " relative to rootdir, which is the default",
        type="linelist",
    )
    parser.addini(
        _WITHOUT_FUSE,
        f"what becomes of tests with union_dir where nothing can be mounted: {' or '.join(_CHOICES)}",
        default=_CHOICES[0],
    )


def pytest_configure(config: pytest.Config) -> None:
    config.addinivalue_line(
        "markers", "union_dir(*layers): what the fixture union_dir shows to this test, relative to rootdir"
    )


@pytest.fixture(scope="session")
def _union_keeper() -> Iterator[Keeper]:
    from unionfs.testing.union_dir.asking import Keeper

    with Keeper() as keeper:
        yield keeper


@pytest.fixture
def union_dir(request: pytest.FixtureRequest) -> Iterator[UnionDir]:
    """A directory of the project, mounted so that what is done to it is gone after the test.

    By default pytest's rootdir; another one, or several layers, are named by the marker
    ``@pytest.mark.union_dir("tests/data")`` or the ini option ``union_dir``. It is a
    `pathlib.Path`; its ``diff()`` is what the test has changed.
    """
    from unionfs.errors import UnionError
    from unionfs.testing.union_dir.path import UnionDir

    keeper: Keeper = request.getfixturevalue("_union_keeper")
    try:
        mounted = keeper.mount(_layers(request))
    except UnionError as failure:
        _give_up(request.config, failure)
    try:
        yield UnionDir.at(mounted)
    finally:
        keeper.discard(mounted)


def _layers(request: pytest.FixtureRequest) -> list[str]:
    from unionfs.layers.urls import is_url

    marker = request.node.get_closest_marker(_LAYERS)
    names = marker.args if marker else request.config.getini(_LAYERS)
    root = request.config.rootpath
    return [str(name) if is_url(str(name)) else str(root / name) for name in names or [root]]


def _give_up(config: pytest.Config, failure: UnionError) -> NoReturn:
    from unionfs.testing.union_dir.asking import NoMountError

    reason = f"union_dir: {failure}"
    if not isinstance(failure, NoMountError):
        raise pytest.fail.Exception(reason, pytrace=False) from None
    choice = config.getini(_WITHOUT_FUSE)
    if choice not in _CHOICES:
        raise pytest.UsageError(f"{_WITHOUT_FUSE}={choice}: not one of {', '.join(_CHOICES)}") from None
    if choice == "skip":
        pytest.skip(reason)
    hint = f"{_WITHOUT_FUSE}=skip in pytest's configuration skips such tests"
    raise pytest.fail.Exception(f"{reason} ({hint})", pytrace=False) from None
