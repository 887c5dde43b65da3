"""Random histories of calls on the host and on the union: the same outcomes, the same tree after each."""

from __future__ import annotations

import contextlib
from functools import partial
from typing import Any

import pytest
from comparison import Api, Pair
from hypothesis import example, given, settings
from hypothesis import strategies as st

NAMES = st.sampled_from(
    ["file", "dir", "sub", "a.txt", "empty", "link", "to_dir", "dangling", "new", "x", ".", "é"]
)
PATHS = st.builds(
    lambda names, slash: "/".join(names) + slash,
    st.lists(NAMES, min_size=1, max_size=3),
    st.sampled_from(["", "", "", "/"]),
)
# No target climbs: at the root the union stops, while the host's tree goes on above (see test_resolving).
TARGETS = st.one_of(PATHS, st.sampled_from(["./file", "dir/./sub", "a.txt"]))
NUMBERS = st.integers(0, 5)
CALLS = st.one_of(
    st.tuples(st.sampled_from(["mkdir", "unlink", "rmdir", "listdir", "stat", "lstat"]), PATHS),
    st.tuples(st.just("makedirs"), PATHS),
    st.tuples(st.sampled_from(["rename", "link"]), PATHS, PATHS),
    st.tuples(st.just("symlink"), TARGETS, PATHS),
    st.tuples(st.just("chmod"), PATHS, st.sampled_from([0o600, 0o755, 0o2775, 0o4755])),
    st.tuples(st.just("chown"), PATHS, NUMBERS, NUMBERS),
    st.tuples(st.just("truncate"), PATHS, st.integers(0, 9)),
    st.tuples(st.just("write"), PATHS, st.sampled_from(["w", "a", "x", "r+"])),
)


def do(api: Api, call: tuple[Any, ...]) -> Any:
    name, *arguments = call
    if name != "write":
        return getattr(api, name)(*arguments)
    with api.open(*arguments) as file:
        return file.write("text")


@pytest.mark.parametrize("arrangement", ["upper", "lower", "directory"])
def test_histories(arrangement: str, tmp_path_factory: pytest.TempPathFactory) -> None:
    @settings(max_examples=40, deadline=None)
    @given(st.lists(CALLS, min_size=1, max_size=12))
    @example([("makedirs", "dangling/./file")])
    @example([("makedirs", "new/."), ("makedirs", "dir/.")])
    def check(history: list[tuple[Any, ...]]) -> None:
        with contextlib.chdir(tmp_path_factory.mktemp("pair")), Pair(arrangement) as pair:
            for call in history:
                assert pair.differences(partial(do, call=call), renew=False) == []

    check()
