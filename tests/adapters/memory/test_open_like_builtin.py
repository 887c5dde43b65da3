"""`open()` against the built-in one: the same contents, results and mistakes."""

from __future__ import annotations

import array
import io
import os
from collections.abc import Callable
from functools import partial
from typing import Any

import pytest
from comparison import Pair, failure_of
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from unionfs import MemoryStore, UnionFS

MODES = [kind + plus + text for kind in "rwax" for plus in ("", "+") for text in ("", "b")]
TEXT = "eins\nzwei\r\ndrei\rünï\n" * 3

Step = tuple[str, tuple[Any, ...]]


def steps(binary: bool) -> st.SearchStrategy[list[Step]]:
    written: st.SearchStrategy[Any] = st.binary(max_size=30) if binary else st.text("aü\n", max_size=10)
    sizes = st.integers(-1, 40)
    seeks = st.tuples(st.integers(-5, 60), st.sampled_from([0, 1, 2]))
    return st.lists(
        st.one_of(
            st.tuples(st.just("read"), st.tuples(sizes)),
            st.tuples(st.just("readline"), st.tuples(sizes)),
            st.tuples(st.just("write"), st.tuples(written)),
            st.tuples(st.just("seek"), seeks if binary else st.just((0, 0))),
            st.tuples(st.just("truncate"), st.one_of(st.just(()), st.tuples(st.integers(-1, 70)))),
            st.sampled_from([("tell", ()), ("flush", ()), ("readlines", ()), ("close", ())]),
            st.sampled_from([("readable", ()), ("writable", ()), ("seekable", ()), ("isatty", ())]),
        ),
        max_size=12,
    )


def play(
    opener: Callable[..., Any], path: object, mode: str, options: dict[str, Any], todo: list[Step]
) -> object:
    """What each step gives, then what the file holds."""
    seen: list[object] = []
    try:
        with opener(path, mode, **options) as file:
            file.seekable()  # or CPython takes a file for one that is not, when the first seek in it fails
            for name, arguments in todo:
                try:
                    seen.append(getattr(file, name)(*arguments))
                except (OSError, ValueError) as failure:
                    seen.append((type(failure), getattr(failure, "errno", None)))
    except (OSError, ValueError) as failure:
        seen.append((type(failure), getattr(failure, "errno", None)))
    with opener(path, "rb") as file:
        return seen, file.read()


@pytest.mark.parametrize("mode", MODES)
@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_random_use(mode: str, tmp_path_factory: pytest.TempPathFactory, data: st.DataObject) -> None:
    binary = "b" in mode
    options: dict[str, Any] = {"buffering": data.draw(st.sampled_from([-1, 2, 5, 17] + [0] * binary))}
    if not binary:
        options |= {
            "encoding": "utf-8",
            "newline": data.draw(st.sampled_from([None, "", "\n", "\r", "\r\n"])),
        }
    todo = data.draw(steps(binary))
    host = tmp_path_factory.mktemp("host") / "file"
    host.write_bytes(TEXT.encode())
    with UnionFS(MemoryStore.of({"file": TEXT.encode()})) as fs:
        assert play(fs.open, "file", mode, options, todo) == play(open, host, mode, options, todo)


@pytest.mark.parametrize("mode", ["", "z", "rw", "rr", "br+t", "+", "U", "rbw", "ab+t", "r++"])
def test_mode_mistakes(mode: str, fs: UnionFS) -> None:
    for opener, path in ((fs.open, "file"), (io.open, os.devnull)):
        with pytest.raises(ValueError, match="mode"):
            opener(path, mode)


@pytest.mark.parametrize(
    "options",
    [
        {"mode": "w", "buffering": 0},
        {"mode": "wb", "encoding": "utf-8"},
        {"mode": "wb", "errors": "strict"},
        {"mode": "wb", "newline": ""},
        {"mode": "w", "newline": "x"},
        {"mode": "w", "encoding": "no such"},
    ],
)
def test_argument_mistakes_leave_the_file_alone(options: dict[str, Any], fs: UnionFS) -> None:
    with pytest.raises((ValueError, LookupError)) as ours:
        fs.open("file", **options)
    with pytest.raises(ours.type):
        io.open(os.devnull, **options)  # noqa: SIM115, UP020
    assert fs.stat("file").st_size > 0


@pytest.mark.parametrize(
    ("mode", "buffering"), [(mode, size) for mode in MODES for size in (-1, 0 if "b" in mode else 1, 100)]
)
def test_layers_of_a_file_object(mode: Any, buffering: int, pair: Pair) -> None:
    path = "new" if "x" in mode else "file"
    ours: Any
    with pair.fs.open(path, mode, buffering) as ours, pair.host.open(path, mode, buffering) as theirs:
        assert isinstance(ours, io.RawIOBase) if buffering == 0 else type(ours) is type(theirs)
        assert ours.name == theirs.name
        for question in ("readable", "writable", "seekable", "isatty", "tell"):
            assert getattr(ours, question)() == getattr(theirs, question)()
        if "b" not in mode:
            assert (ours.mode, ours.encoding, ours.line_buffering) == (
                theirs.mode, theirs.encoding, theirs.line_buffering,
            )  # fmt: skip


def test_text_is_decoded_and_lines_are_iterated(fs: UnionFS) -> None:
    with fs.open("new", "w", encoding="latin-1", newline="\r\n") as file:
        file.writelines(["ä\n", "ö\n"])
    assert fs.path("new").read_bytes() == b"\xe4\r\n\xf6\r\n"
    with fs.open("new", encoding="latin-1") as file:
        assert list(file) == ["ä\n", "ö\n"]


def test_no_descriptor(fs: UnionFS) -> None:
    with fs.open("file") as file, pytest.raises(io.UnsupportedOperation):
        file.fileno()


def test_two_appenders_do_not_overwrite_each_other(fs: UnionFS) -> None:
    with fs.open("log", "ab", 0) as first, fs.open("log", "ab", 0) as second:
        first.write(b"1")
        second.write(b"2")
        first.write(b"3")
        assert (first.tell(), second.tell()) == (3, 2)
    assert fs.path("log").read_bytes() == b"123"


def test_a_reader_sees_what_is_written_later(fs: UnionFS) -> None:
    with fs.open("file", "rb", 0) as reader, fs.open("file", "r+b", 0) as writer:
        writer.write(b"ONE")
        assert reader.read() == b"ONE\ntwo\nthree\n"


def test_a_removed_file_lives_as_long_as_it_is_open(fs: UnionFS) -> None:
    with fs.open("dir/a.txt", "r+") as file:
        fs.remove("dir/a.txt")
        file.write("still")
        file.seek(0)
        assert file.read() == "still"
    assert not fs.exists("dir/a.txt")


def test_holes_are_found(fs: UnionFS) -> None:
    with fs.open("sparse", "w+b") as file:
        file.truncate(1 << 20)
        file.seek(1 << 19)
        file.write(b"x")
        file.flush()
        assert file.seek(0, os.SEEK_DATA) > 0
        assert file.seek(0, os.SEEK_HOLE) == 0


def test_large_files_are_read_whole(fs: UnionFS) -> None:
    data = os.urandom(3_000_001)
    fs.path("large").write_bytes(data)
    assert fs.path("large").read_bytes() == data
    with fs.open("large", "rb", 0) as file:
        assert file.read() == data
        assert file.read() == b""
    with fs.open("large", "rb") as file:
        file.seek(-2, os.SEEK_END)
        assert file.read(10) == data[-2:]


def test_a_closed_file_says_so(fs: UnionFS) -> None:
    file = fs.open("file", "r+b", 0)
    file.close()
    file.close()
    for call in (file.read, file.tell, file.readable, lambda: file.write(b"x"), lambda: file.seek(0)):
        with pytest.raises(ValueError, match="closed"):
            call()


def test_any_buffer_can_be_written(fs: UnionFS) -> None:
    with fs.open("new", "wb", 0) as file:
        file.write(array.array("H", [1, 2]))
    assert fs.stat("new").st_size == 4


@pytest.mark.parametrize("mode", ["r", "w", "a", "r+", "x"])
def test_what_is_no_file(mode: Any, pair: Pair) -> None:
    for path in ("dir", "loop"):
        ours, theirs = (failure_of(partial(api.open, path, mode)) for api in (pair.fs, pair.host))
        assert (type(ours), ours.errno, ours.filename) == (type(theirs), theirs.errno, theirs.filename)
