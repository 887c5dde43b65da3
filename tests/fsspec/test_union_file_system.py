"""A union as a file system of fsspec: what it shows, what lasts, and who else can use it."""

from __future__ import annotations

import errno
import gc
import json
import pickle
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import fsspec
import pytest
from upath import UPath

from unionfs import ConfigError, MemoryStore, Symlink, UnionFS
from unionfs.cli import demo_image
from unionfs.fsspec import UnionFileSystem
from unionfs.upath import UnionUPath


@pytest.fixture
def base(tmp_path: Path) -> Path:
    base = tmp_path / "base"
    (base / "data/deep").mkdir(parents=True)
    (base / "data/table.csv").write_text("name,value\none,1\ntwo,2\n")
    (base / "data/deep/readme").write_text("0123456789")
    return base


@pytest.fixture
def fs(base: Path) -> UnionFileSystem:
    return fsspec.filesystem("unionfs", lowers=[str(base)])


@pytest.fixture
def kept(base: Path, tmp_path: Path) -> dict[str, Any]:
    """The arguments of a union whose changes are kept in a directory."""
    for name in ("upper", "work"):
        (tmp_path / name).mkdir()
    return {"lowers": [str(base)], "upper": str(tmp_path / "upper"), "work": str(tmp_path / "work")}


# What makes one


def test_it_survives_pickle_and_json(kept: dict[str, Any]) -> None:
    options = {**kept, "dialect": "overlay", "owner": [1, 2], "url_options": {"s3": {"anon": True}}}
    fs = fsspec.filesystem("unionfs", **options)
    fs.pipe("/new", b"new")
    assert json.loads(fs.to_json())["upper"] == kept["upper"]
    for again in (
        pickle.loads(pickle.dumps(fs)),
        fsspec.AbstractFileSystem.from_json(fs.to_json()),
        fsspec.AbstractFileSystem.from_dict(fs.to_dict()),
    ):
        assert again == fs
        assert again.cat("/new") == b"new"
    assert fs.info("/new")["uid"] == 1


def test_the_same_arguments_are_the_same_union_in_every_thread(fs: UnionFileSystem, base: Path) -> None:
    fs.pipe("/new", b"new")
    seen: list[object] = []
    thread = threading.Thread(
        target=lambda: seen.append(fsspec.filesystem("unionfs", lowers=[str(base)]).cat("/new"))
    )
    thread.start()
    thread.join()
    assert seen == [b"new"]
    assert not fsspec.filesystem("unionfs", lowers=[str(base)], read_only=True).exists("/new")


def test_one_over_a_union_that_is_there_is_its_own(base: Path) -> None:
    with UnionFS(base) as union:
        fs = UnionFileSystem.over(union)
        fs.pipe("/new", b"new")
        assert [change.path for change in union.diff()] == ["/new"]
        assert not UnionFileSystem.over(UnionFS(base)).exists("/new")
        with pytest.raises(TypeError):
            pickle.dumps(fs)


def test_any_mix_of_layers(base: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("UNIONFS_STORE", str(tmp_path / "store"))
    memory = fsspec.filesystem("memory")
    memory.pipe(f"{tmp_path}/etc/top", b"top")
    (base / "etc").mkdir()
    (base / "etc/middle").write_text("middle")
    image = demo_image.make(str(tmp_path / "image"))
    fs = fsspec.filesystem("unionfs", lowers=[f"memory://{tmp_path}", str(base), image], read_only=True)
    names = {path.removeprefix("/etc/") for path in fs.ls("/etc", detail=False)}
    assert names >= {"top", "middle"}
    assert names - {"top", "middle"}
    assert fs.cat("/etc/top") == b"top"


def test_changes_in_a_directory_are_there_for_the_next_process(kept: dict[str, Any], base: Path) -> None:
    (base / "large").write_bytes(b"\0" * (64 << 20))
    script = """
import fsspec, json, sys
fs = fsspec.filesystem("unionfs", **json.loads(sys.argv[1]))
fs.pipe("/new", b"new")
fs.rm("/data", recursive=True)
with fs.open("/large", "r+b") as file:
    file.write(b"x")
"""
    subprocess.run([sys.executable, "-W", "error", "-c", script, json.dumps(kept)], check=True, timeout=60)
    assert not (Path(kept["work"]) / "pending").exists()  # all of the large file has been copied
    fs = fsspec.filesystem("unionfs", **kept)
    assert fs.find("/") == ["/large", "/new"]
    assert (fs.cat_file("/large", 0, 2), fs.size("/large")) == (b"x\0", 64 << 20)


def test_an_upper_directory_belongs_to_one_process(kept: dict[str, Any]) -> None:
    fs = fsspec.filesystem("unionfs", **kept)
    script = f"import fsspec; fsspec.filesystem('unionfs', **{kept!r})"
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, timeout=60)
    assert "ConfigError: upperdir=" in done.stderr
    assert "in use by another mount" in done.stderr
    assert fs.exists("/data")


FORKS = """
import fsspec, json, multiprocessing, sys

arguments = json.loads(sys.argv[1])

def child(answers):
    try:
        fsspec.filesystem("unionfs", **arguments)
    except Exception as failure:
        answers.put(str(failure))
    answers.put(fsspec.filesystem("unionfs", lowers=arguments["lowers"], read_only=True).size("/large"))

with fsspec.filesystem("unionfs", **arguments).open("/large", "r+b") as file:
    file.write(b"parent's")
del file
context = multiprocessing.get_context("fork")
answers = context.Queue()
process = context.Process(target=child, args=(answers,))
process.start()
print(answers.get(timeout=20).partition(": ")[2])
print(answers.get(timeout=20))
process.join()
print(fsspec.filesystem("unionfs", **arguments).cat_file("/large", 0, 9))
"""


def test_a_forked_process_leaves_its_parents_unions_alone(kept: dict[str, Any], base: Path) -> None:
    (base / "large").write_bytes(b"\0" * (128 << 20))
    command = [sys.executable, "-c", FORKS, json.dumps(kept)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60)
    assert done.stderr == ""
    assert done.stdout.splitlines() == ["in use by another mount", str(128 << 20), 'b"parent\'s\\x00"']


def test_a_union_is_closed_with_its_last_instance(kept: dict[str, Any]) -> None:
    fs = fsspec.filesystem("unionfs", **kept, skip_instance_cache=True)
    file = fs.open("/new", "wb")
    file.write(b"new")
    del fs
    gc.collect()
    file.close()
    del file
    gc.collect()
    with UnionFS(*kept["lowers"], upper=kept["upper"], work=kept["work"]) as union:
        assert union.path("new").read_bytes() == b"new"


def test_arguments_that_do_not_fit(base: Path) -> None:
    with pytest.raises(ConfigError, match="a read-only union has no upper layer"):
        fsspec.filesystem("unionfs", lowers=[str(base)], upper="/tmp", read_only=True)
    with pytest.raises(ConfigError, match="lowerdir=/nowhere: No such file"):
        fsspec.filesystem("unionfs", lowers=["/nowhere"])
    with pytest.raises(ConfigError, match="unknown dialect 'klingon'"):
        fsspec.filesystem("unionfs", lowers=[str(base)], dialect="klingon")


# Reading


def test_infos_and_listings(fs: UnionFileSystem, base: Path) -> None:
    info = fs.info("unionfs://data/deep/readme")
    assert (info["name"], info["size"], info["type"]) == ("/data/deep/readme", 10, "file")
    assert (info["mtime"], info["mode"]) == ((base / "data/deep/readme").stat().st_mtime, 0o100644)
    assert fs.ls("/data", detail=False) == ["/data/deep", "/data/table.csv"]
    assert {each["name"]: each["type"] for each in fs.ls("data/")} == {
        "/data/deep": "directory",
        "/data/table.csv": "file",
    }
    assert fs.ls("/data/table.csv", detail=False) == ["/data/table.csv"]
    assert fs.info("")["name"] == fs.info("/")["name"] == fs.info("unionfs://")["name"] == "/"
    with pytest.raises(FileNotFoundError, match="/data/none"):
        fs.info("/data/none")
    with pytest.raises(FileNotFoundError):
        fs.ls("/none")
    assert (fs.modified("/data") - datetime.now(UTC)) < timedelta(minutes=1)
    assert fs.created("/data").tzinfo is UTC


def test_walks_and_patterns(fs: UnionFileSystem) -> None:
    assert list(fs.walk("/")) == [
        ("/", ["data"], []),
        ("/data", ["deep"], ["table.csv"]),
        ("/data/deep", [], ["readme"]),
    ]
    assert fs.find("/", withdirs=True) == ["/", "/data", "/data/deep", "/data/deep/readme", "/data/table.csv"]
    assert fs.glob("/data/*") == ["/data/deep", "/data/table.csv"]
    assert fs.glob("/**/read?") == []
    assert fs.glob("unionfs://**/read*") == ["/data/deep/readme"]
    assert (fs.du("/"), fs.du("/data/deep")) == (33, 10)
    assert fs.du("/data", total=False) == {"/data/deep/readme": 10, "/data/table.csv": 23}
    assert fs.isdir("/data")
    assert not fs.isfile("/data")
    assert fs.isfile("/data/table.csv")


def test_symbolic_links_are_what_they_lead_to() -> None:
    tree = {"d/f": b"data", "to-d": Symlink("d"), "to-f": Symlink("d/f"), "to-nothing": Symlink("nowhere")}
    fs = UnionFileSystem.over(UnionFS(MemoryStore.of(tree)))
    kinds = {info["name"]: (info["type"], info["size"], info["islink"]) for info in fs.ls("/")}
    assert kinds.pop("/d")[0] == kinds.pop("/to-d")[0] == "directory"
    assert kinds == {"/to-f": ("file", 4, True), "/to-nothing": ("link", 7, True)}
    assert fs.info("/to-f")["destination"] == "d/f"
    assert (fs.islink("/to-f"), fs.exists("/to-nothing"), fs.lexists("/to-nothing")) == (True, False, True)
    fs.symlink("/d/f", "/another")
    fs.link("/d/f", "/d/g")
    assert (fs.cat("/another"), fs.info("/d/g")["nlink"]) == (b"data", 2)
    fs.rm("/to-d", recursive=True)
    fs.rm(["/to-f", "/to-nothing"])
    assert fs.find("/") == ["/another", "/d/f", "/d/g"]


def test_ranges(fs: UnionFileSystem) -> None:
    path = "/data/deep/readme"
    assert fs.cat_ranges([path] * 3, [0, 5, -3], [2, 99, None]) == [b"01", b"56789", b"789"]
    assert (fs.head(path, 3), fs.tail(path, 3)) == (b"012", b"789")
    assert (fs.cat_file(path, 8, 2), fs.cat_file(path, -4, -2)) == (b"", b"67")
    assert fs.read_block(path, 2, 4) == b"2345"
    with fs.open(path) as file:
        assert (file.size, file.seek(-2, 2), file.read()) == (10, 8, b"89")
    with fs.open(path, "rt", encoding="ascii") as file:
        assert file.readline() == "0123456789"


# Changing


def test_modes_of_open(fs: UnionFileSystem) -> None:
    path = "/data/deep/readme"
    with fs.open(path, "ab") as file:
        file.write(b"!")
    with fs.open(path, "r+b") as file:
        file.write(b"X")
        assert file.read(2) == b"12"
    assert fs.cat(path) == b"X123456789!"
    with pytest.raises(FileExistsError):
        fs.open(path, "xb")
    with fs.open("/none", "wb") as file:
        file.write(b"1")
        file.flush()
        assert file.size == 1
    with pytest.raises(FileExistsError):
        fs.pipe_file("/none", b"2", mode="create")
    with pytest.raises(FileNotFoundError):
        fs.open("/no/parent", "wb")
    with pytest.raises(IsADirectoryError):
        fs.open("/data", "rb")


def test_nothing_below_is_touched(fs: UnionFileSystem, base: Path) -> None:
    fs.rm("/data/deep", recursive=True)
    fs.pipe("/data/table.csv", b"")
    assert (base / "data/deep/readme").read_text() == "0123456789"
    assert (base / "data/table.csv").stat().st_size == 23
    assert [(change.letter, change.path) for change in fs.union.diff()] == [
        ("C", "/data"),
        ("D", "/data/deep"),
        ("C", "/data/table.csv"),
    ]


def test_touch(fs: UnionFileSystem) -> None:
    before = fs.modified("/data/table.csv")
    fs.touch("/data/table.csv", truncate=False)
    assert (fs.size("/data/table.csv"), fs.modified("/data/table.csv") > before) == (23, True)
    fs.touch("/data/table.csv")
    fs.touch("/new")
    assert fs.size("/data/table.csv") == fs.size("/new") == 0


def test_moving_renames(fs: UnionFileSystem) -> None:
    numbers = [fs.info(path)["ino"] for path in ("/data/deep/readme", "/data/table.csv")]
    fs.mv("/data/deep", "/moved")
    fs.mv("/data/table.csv", "/moved")
    assert [fs.info(path)["ino"] for path in ("/moved/readme", "/moved/table.csv")] == numbers
    with pytest.raises(FileNotFoundError):
        fs.mv("/moved/readme", "/no/parent")
    with pytest.raises(FileNotFoundError):
        fs.mv("/none", "/new")
    fs.mkdir("/target")
    fs.mv(["/moved/readme", "/moved/table.csv"], "/target/")
    fs.mv("/target/*.csv", "/")
    assert fs.find("/") == ["/table.csv", "/target/readme"]


def test_directories(fs: UnionFileSystem) -> None:
    fs.mkdir("/a/b/c")
    fs.makedirs("/a/b", exist_ok=True)
    for make in (fs.mkdir, fs.makedirs):
        with pytest.raises(FileExistsError):
            make("/a/b")
    with pytest.raises(FileNotFoundError):
        fs.mkdir("/x/y", create_parents=False)
    for remove in (fs.rmdir, fs.rm):
        with pytest.raises(OSError, match="/a") as told:
            remove("/a")
        assert told.value.errno == errno.ENOTEMPTY
    with pytest.raises(OSError, match="not empty"):
        fs.rm("/a", recursive=True, maxdepth=1)
    fs.rm("/a", recursive=True)
    assert not fs.exists("/a")
    with pytest.raises(FileNotFoundError):
        fs.rm("/a")


def test_directories_are_made_where_that_is_wanted(base: Path) -> None:
    fs = fsspec.filesystem("unionfs", lowers=[str(base)], auto_mkdir=True)
    fs.pipe("/a/b/c", b"1")
    fs.touch("/d/e")
    fs.cp("/a/b/c", "/f/g")
    fs.mv("/d/e", "/h/i")
    assert [path for path in fs.find("/") if "data" not in path] == ["/a/b/c", "/f/g", "/h/i"]


def test_nothing_can_be_changed_in_what_is_read_only(base: Path) -> None:
    fs = fsspec.filesystem("unionfs", lowers=[str(base)], read_only=True)
    for change in (
        lambda: fs.pipe("/new", b""),
        lambda: fs.rm("/data", recursive=True),
        lambda: fs.mkdir("/new"),
        lambda: fs.touch("/data/table.csv"),
        lambda: fs.mv("/data", "/moved"),
    ):
        with pytest.raises(OSError, match="Read-only") as told:
            change()
        assert told.value.errno == errno.EROFS
    assert len(fs.find("/")) == 2


def test_transactions(fs: UnionFileSystem) -> None:
    with fs.transaction:
        for name in ("/new", "/data/table.csv"):
            with fs.open(name, "wb") as file:
                file.write(b"committed")
        assert not fs.exists("/new")
        assert fs.size("/data/table.csv") == 23
    assert fs.cat(["/new", "/data/table.csv"]) == {"/new": b"committed", "/data/table.csv": b"committed"}
    with suppress(KeyError), fs.transaction:
        fs.open("/new", "wb").write(b"discarded")
        raise KeyError
    assert fs.cat("/new") == b"committed"
    assert fs.ls("/", detail=False) == ["/data", "/new"]


# Programs that know fsspec alone


def test_upath(base: Path) -> None:
    root = UPath("unionfs:///", lowers=[str(base)])
    assert type(root) is UnionUPath
    data = root / "data"
    assert sorted(path.name for path in data.iterdir()) == ["deep", "table.csv"]
    assert (data / "deep/readme").read_text() == "0123456789"
    assert (data.parent, data.parts) == (root, ("/", "data"))
    assert [str(path) for path in root.glob("**/read*")] == ["unionfs:///data/deep/readme"]
    (data / "a/b").mkdir(parents=True)
    (data / "a/b/c").write_bytes(b"new")
    (data / "a/b/c").rename(data / "d")
    assert (data / "d").stat().st_size == 3
    (data / "d").unlink()
    (data / "a").rmdir(recursive=True)
    assert not (data / "a").exists()
    assert UPath("unionfs://data/table.csv", lowers=[str(base)]).is_file()


def test_pandas(fs: UnionFileSystem, base: Path) -> None:
    import pandas

    options = {"lowers": [str(base)]}
    frame = pandas.read_csv("unionfs:///data/table.csv", storage_options=options)
    frame.to_parquet("unionfs:///data/table.parquet", storage_options=options)
    again = pandas.read_parquet("unionfs:///data/table.parquet", storage_options=options)
    assert again["value"].sum() == 3
    assert not (base / "data/table.parquet").exists()


def test_pyarrow(fs: UnionFileSystem) -> None:
    from pyarrow import dataset, parquet

    table = dataset.dataset("/data/table.csv", format="csv", filesystem=fs).to_table()
    parquet.write_table(table, "/data/a.parquet", filesystem=fs)
    parquet.write_table(table, "/data/b.parquet", filesystem=fs)
    assert parquet.read_table("/data/a.parquet", filesystem=fs, columns=["value"]).to_pydict() == {
        "value": [1, 2]
    }
    fs.rm("/data/table.csv")
    fs.rm("/data/deep", recursive=True)
    assert dataset.dataset("/data", filesystem=fs).count_rows() == 4


@pytest.fixture
def connection(fs: UnionFileSystem) -> Iterator[Any]:
    import duckdb

    with duckdb.connect() as connection:
        connection.register_filesystem(fs)
        yield connection


def test_duckdb(fs: UnionFileSystem, connection: Any) -> None:
    assert connection.sql("select sum(value) from 'unionfs:///data/*.csv'").fetchall() == [(3,)]
    connection.sql("copy (select 42 as answer) to 'unionfs:///data/answer.parquet'")
    assert connection.sql("select answer from 'unionfs:///data/answer.parquet'").fetchall() == [(42,)]
    assert fs.cat_file("/data/answer.parquet", -4) == b"PAR1"
