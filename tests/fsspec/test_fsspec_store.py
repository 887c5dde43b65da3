"""The store over file systems of fsspec: it answers as the memory store does, lazily, and notices changes."""

from __future__ import annotations

import errno
import os
import shutil
import stat
import subprocess
import sys
import zipfile
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from http import HTTPStatus
from pathlib import Path
from threading import Barrier
from typing import Any

import fsspec
import pytest
from file_server import FileServer, serving
from fsspec.implementations.dirfs import DirFileSystem
from fsspec.implementations.memory import MemoryFileSystem
from questions import QUESTIONS, Question, assert_alike

from unionfs import ConfigError, FsspecStore, MemoryStore, UnionFS
from unionfs.layers.fsspec.entries import is_same_version, mtime_ns
from unionfs.layers.fsspec.store import BLOCK
from unionfs.testing.store_suite import raises
from unionfs.types import SEEK_DATA, SEEK_HOLE, Access

TREE = {"d/f": b"345", "d/e/deep": b"", "g": b"G" * 300, "ünï cödé %41?": b"x", ".hidden": b"."}


def make_tree(root: Path) -> Path:
    for name, content in TREE.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_bytes(content)
    return root


@pytest.fixture
def server(tmp_path: Path) -> Iterator[FileServer]:
    with serving(make_tree(tmp_path / "served")) as server:
        yield server


@pytest.fixture
def memory_url(tmp_path: Path) -> str:
    fsspec.filesystem("memory").pipe({f"{tmp_path}/{name}": content for name, content in TREE.items()})
    return f"memory://{tmp_path}"


@pytest.fixture(params=["memory", "file", "zip", "http", "simplecache", "chained zip"])
def store(request: pytest.FixtureRequest, tmp_path: Path, memory_url: str, server: FileServer) -> FsspecStore:
    served = tmp_path / "served"
    with zipfile.ZipFile(tmp_path / "tree.zip", "w") as archive:
        for name, content in TREE.items():
            archive.writestr(name, content)
    if request.param == "chained zip":
        shutil.copy(tmp_path / "tree.zip", served)
    url = {
        "memory": memory_url,
        "file": f"file://{served}",
        "zip": f"zip://::{tmp_path}/tree.zip",
        "http": server.url,
        "simplecache": f"simplecache::{server.url}",
        "chained zip": f"zip://::{server.url}/tree.zip",
    }[request.param]
    found = FsspecStore.at(url)
    assert found.name == url
    return found


_QUESTIONS = QUESTIONS | {
    "kind and size": lambda store, path: (
        stat.S_IFMT(store.stat(path).mode),
        stat.S_ISREG(store.stat(path).mode) and store.stat(path).size,
    ),
}

PATHS = [b"", *(name.encode() for name in TREE), b"d", b"d/e", b"no", b"d/no", b"no/no", b"g/x", b"n" * 256]
PATHS += [b"d/f/x", b".", b"..", b"d/..", b"d/.", b"d//f", b"/d", b"d/", b"a\0b"]


@pytest.mark.parametrize("question", _QUESTIONS.values(), ids=_QUESTIONS.keys())
def test_it_answers_as_the_memory_store(store: FsspecStore, question: Question) -> None:
    assert_alike(question, MemoryStore.of(TREE), store, PATHS)


def test_what_a_file_system_does_not_tell_is_what_a_new_file_has(memory_url: str) -> None:
    store = FsspecStore.at(memory_url)
    file, directory = store.stat(b"d/f"), store.stat(b"d")
    assert [stat.S_IMODE(found.mode) for found in (file, directory)] == [0o644, 0o755]
    assert (file.uid, file.gid) == (os.geteuid(), os.getegid())
    assert store.stat_in(b"d")(b"f") == file
    created = fsspec.filesystem("memory").created(f"{memory_url.removeprefix('memory://')}/d/f")
    assert abs(file.mtime_ns - created.timestamp() * 1e9) < 1000


def test_what_it_tells_is_shown(tmp_path: Path) -> None:
    (tmp_path / "f").write_bytes(b"data")
    os.chmod(tmp_path / "f", 0o4711)
    os.chown(tmp_path / "f", 3, 4)
    os.utime(tmp_path / "f", (5, 6))
    (tmp_path / "l").symlink_to("f")
    os.mkfifo(tmp_path / "p")
    store = FsspecStore(fsspec.filesystem("file"), str(tmp_path))
    assert store.stat(b"f")[:1] + store.stat(b"f")[4:6] == (stat.S_IFREG | 0o711, 3, 4)
    assert store.stat(b"f").mtime_ns == 6 * 10**9
    assert (store.readlink(b"l"), stat.S_ISLNK(store.stat(b"l").mode), store.stat(b"l").size) == (
        b"f",
        True,
        1,
    )
    with raises(errno.ELOOP, path=b"l"):
        store.open(b"l")
    with raises(errno.ELOOP, path=b"l/x"):
        store.stat(b"l/x")
    with raises(errno.ENOENT, path=b"p"):  # fsspec cannot say what it is
        store.stat(b"p")


def test_inode_numbers_last_and_are_not_shared(memory_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    paths = [b"", b"d", b"g", b"d/f", b"d/e/deep"]
    numbers = [FsspecStore.at(memory_url).stat(path).ino for path in paths]
    assert len(set(numbers)) == len(paths)
    assert [FsspecStore.at(memory_url).stat(path).ino for path in reversed(paths)] == numbers[::-1]
    monkeypatch.setattr("xxhash.xxh64_intdigest", lambda _path: 2**64 - 1)
    clashing = FsspecStore.at(memory_url)
    assert len({clashing.stat(path).ino for path in paths}) == len(paths)


def test_it_cannot_be_written_and_has_no_xattrs(memory_url: str) -> None:
    store = FsspecStore.at(memory_url)
    for access in (Access.WRITE, Access.READ | Access.WRITE):
        with raises(errno.EROFS, path=b"g"):
            store.open(b"g", access)
    assert not store.has_xattrs()
    assert (store.handle(b"g"), store.find(b"any"), store.hard_links()) == (None, None, {})
    assert store.statfs().blocks == 0
    file = store.open(b"g")
    assert (file.seek(0, SEEK_DATA), file.seek(0, SEEK_HOLE)) == (0, 300)
    file.close()
    store.close()


def test_only_what_is_in_a_directory_is_listed() -> None:
    """Servers link to more than that, object stores have names that no directory could."""
    root = "http://host/dir"
    names = [
        "http://host/dir/a",
        "http://host/dir/b/",
        "http://host/",
        "http://host/dir/?C=N;O=D",
        root + "/",
    ]
    names += [
        "http://host/dir/b/c",
        "http://host/dir/x%2Fy",
        "http://host/dir/" + "n" * 256,
        "http://other/dir/q",
    ]
    names += ["http://host/dir/%FF", "http://host/dir/%00"]

    class Listed:
        protocol = ("http",)
        root_marker = ""

        def _strip_protocol(self, path: str) -> str:
            return path

        def unstrip_protocol(self, path: str) -> str:
            return path

        def ls(self, path: str, detail: bool) -> list[dict[str, Any]]:
            kinds = {True: "directory", False: "file"}
            return [{"name": name, "size": None, "type": kinds[name.endswith("/")]} for name in names]

    assert {name for name, _kind in FsspecStore(Listed(), root).scan(b"")} == {b"a", b"b", b"\xff"}


# Data


def test_data_is_fetched_by_blocks_that_are_needed_and_once(server: FileServer, tmp_path: Path) -> None:
    data = os.urandom(5 * BLOCK + 99)
    (tmp_path / "served/large").write_bytes(data)
    store = FsspecStore.at(server.url)
    file = store.open(b"large")
    server.asked.clear()
    assert file.pread(100, 2 * BLOCK - 50) == data[2 * BLOCK - 50 : 2 * BLOCK + 50]
    get, head = "GET /large", "HEAD /large"
    assert server.asked == [
        *(f"{get} {BLOCK}-{2 * BLOCK - 1}", head),
        *(f"{get} {2 * BLOCK}-{3 * BLOCK - 1}", head),
    ]
    server.asked.clear()
    assert store.open(b"large").pread(BLOCK, BLOCK) == data[BLOCK : 2 * BLOCK]
    assert not server.asked
    assert file.pread(9999, 5 * BLOCK) == data[5 * BLOCK :]
    assert server.asked == [f"{get} {5 * BLOCK}-{len(data) - 1}", head]
    server.asked.clear()
    assert file.pread(3 * BLOCK, 1) == data[1 : 3 * BLOCK + 1]
    assert server.asked == [f"{get} 1-{3 * BLOCK}", head]


def test_many_who_need_a_block_get_it_from_one_fetch(server: FileServer, tmp_path: Path) -> None:
    data = os.urandom(2 * BLOCK)
    (tmp_path / "served/large").write_bytes(data)
    file = FsspecStore.at(server.url).open(b"large")
    server.asked.clear()
    part = BLOCK // 8
    with ThreadPoolExecutor(16) as readers:
        parts = readers.map(lambda number: file.pread(part, number * part), range(16))
    assert b"".join(parts) == data
    assert (
        sorted(server.asked)
        == [f"GET /large 0-{BLOCK - 1}", f"GET /large {BLOCK}-{2 * BLOCK - 1}"] + ["HEAD /large"] * 2
    )


def test_one_that_is_slow_to_come_holds_up_no_other(tmp_path: Path) -> None:
    many = 50
    memory = MemoryFileSystem()
    memory.pipe({f"{tmp_path}/{number}": b"%d" % number for number in range(many)})
    together = Barrier(many)

    class Meeting(MemoryFileSystem):
        def cat_file(self, path: str, **where: int) -> bytes:
            together.wait(20)  # until everybody has come
            data: bytes = memory.cat_file(path, **where)
            return data

    store = FsspecStore(Meeting(), str(tmp_path))
    with ThreadPoolExecutor(many) as readers:
        read = readers.map(lambda number: store.open(b"%d" % number).pread(9, 0), range(many))
    assert list(read) == [b"%d" % number for number in range(many)]


def test_a_union_asks_for_nothing_but_what_is_read(server: FileServer) -> None:
    with UnionFS(server.url) as fs:
        fs.listdir("/")
        assert not server.asked
        fs.stat("g")
        assert server.asked == ["HEAD /g"]
        with fs.open("g", "r+b") as file:
            file.write(b"H")
        assert fs.path("g").read_bytes() == b"H" + TREE["g"][1:]
        assert server.asked == ["HEAD /g", "GET /g 0-299", "HEAD /g"]
        fs.rename("d", "moved")
        assert fs.path("moved/f").read_bytes() == TREE["d/f"]


def test_a_server_that_sends_no_parts(server: FileServer, tmp_path: Path) -> None:
    data = os.urandom(2 * BLOCK)
    (tmp_path / "served/large").write_bytes(data)
    server.sends_parts = False
    store = FsspecStore.at(server.url)
    assert store.open(b"g").pread(9, 0) == b"G" * 9
    with pytest.raises(
        OSError, match=rf"{server.url}/large: parts of a file cannot be had; simplecache::"
    ) as told:
        store.open(b"large").pread(9, 0)
    assert told.value.errno == errno.EOPNOTSUPP
    whole = FsspecStore.at(f"simplecache::{server.url}")
    assert whole.open(b"large").pread(9, BLOCK) == data[BLOCK : BLOCK + 9]


def test_a_server_that_says_no_sizes(server: FileServer) -> None:
    server.says_sizes = False
    store = FsspecStore.at(server.url)
    assert store.stat(b"g").size == 300
    assert store.open(b"g").pread(9, 295) == b"G" * 5


# Failures


def test_a_changed_file_is_stale(server: FileServer, tmp_path: Path) -> None:
    served = tmp_path / "served"
    store = FsspecStore.at(server.url)
    files = {name: store.open(name) for name in (b"g", b"d/f")}
    (served / "g").write_bytes(b"H" * 300)
    (served / "d/f").unlink()
    with pytest.raises(OSError, match=rf"{server.url}/g: has changed since it was first looked at") as told:
        files[b"g"].pread(9, 0)
    assert told.value.errno == errno.ESTALE
    with pytest.raises(OSError, match=rf"{server.url}/d/f: is not there any more") as told:
        files[b"d/f"].pread(9, 0)
    assert told.value.errno == errno.ESTALE
    assert FsspecStore.at(server.url).open(b"g").pread(9, 0) == b"H" * 9


@pytest.mark.parametrize("content", [b"G" * 299, b"G" * 301, b"H" * 300], ids=["shorter", "longer", "other"])
def test_so_it_is_in_any_file_system(memory_url: str, content: bytes) -> None:
    memory, path = fsspec.filesystem("memory"), memory_url.removeprefix("memory://")
    with UnionFS(memory_url) as fs:
        assert fs.path("g").read_bytes() == TREE["g"]
        fs.union.lowers[0].store.close()  # what has been read stays readable otherwise
        memory.pipe(f"{path}/g", content)
        with pytest.raises(OSError, match="g: has changed since") as told:
            fs.path("g").read_bytes()
    assert told.value.errno == errno.ESTALE


def test_a_cached_listing_hides_no_change(tmp_path: Path) -> None:
    """File systems of object stores answer out of a listing, until they are told to forget it."""
    memory = fsspec.filesystem("memory", global_store=False, skip_instance_cache=True)
    memory.pipe("/r/f", b"one")

    class Remembering(DirFileSystem):
        known: dict[str, Any] = {}  # noqa: RUF012

        def info(self, path: str, **kwargs: Any) -> dict[str, Any]:
            return self.known.setdefault(path, super().info(path, **kwargs))

        def invalidate_cache(self, path: str | None = None) -> None:
            self.known.pop(path or "", None)

    fs = Remembering("/r", memory, skip_instance_cache=True)
    fs.info("f")
    file = FsspecStore(fs, "").open(b"f")
    memory.pipe("/r/f", b"two")
    with raises(errno.ESTALE):
        file.pread(3, 0)


def test_versions() -> None:
    day = {"LastModified": "2026-11-24T10:00:00Z"}
    assert is_same_version({"size": 1, "ETag": "a"} | day, {"size": 1, "ETag": "a", "LastModified": None})
    assert not is_same_version({"size": 1, "ETag": "a"} | day, {"size": 1, "ETag": "b"} | day)
    assert not is_same_version({"size": 1} | day, {"size": 2} | day)
    assert not is_same_version(day, {"LastModified": "2026-11-24T10:00:01Z"})
    assert is_same_version({"size": None}, {"size": 5, "mtime": 3.5})
    expected = 1795514400 * 10**9
    for told in (day["LastModified"], "Tue, 24 Nov 2026 10:00:00 GMT", (2026, 11, 24, 10, 0, 0), 1795514400):
        assert mtime_ns({"mtime": told}) == expected, told
    assert mtime_ns({"mtime": "once upon a time"}) == mtime_ns({}) == 0


@pytest.mark.parametrize(
    ("status", "number"),
    [
        (HTTPStatus.FORBIDDEN, errno.EACCES),
        (HTTPStatus.UNAUTHORIZED, errno.EACCES),
        (HTTPStatus.SERVICE_UNAVAILABLE, errno.EIO),
        (HTTPStatus.GONE, errno.ESTALE),
    ],
)
def test_what_a_server_refuses(server: FileServer, status: HTTPStatus, number: int) -> None:
    file = FsspecStore.at(server.url).open(b"g")
    server.fails_with = status
    with pytest.raises(OSError, match=f"{server.url}/g: ") as told:
        file.pread(9, 0)
    assert told.value.errno == number


def test_a_network_that_fails(server: FileServer) -> None:
    store = FsspecStore.at(server.url)
    file = store.open(b"g")
    server.shutdown()
    server.server_close()
    for call in (lambda: file.pread(9, 0), lambda: store.stat(b"d/f"), lambda: store.stat(b".hidden")):
        with pytest.raises(OSError, match=server.url) as told:
            call()
        assert told.value.errno == errno.ECONNREFUSED


def test_a_file_system_that_is_slow(memory_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    store = FsspecStore.at(memory_url)
    file = store.open(b"g")

    def never(*_: object, **__: object) -> bytes:
        raise TimeoutError

    monkeypatch.setattr(fsspec.get_filesystem_class("memory"), "cat_file", never)
    with pytest.raises(TimeoutError, match=f"{memory_url.replace('://', '://')}/g: Connection timed out"):
        file.pread(9, 0)
    monkeypatch.setattr(fsspec.get_filesystem_class("memory"), "cat_file", lambda *_, **__: b"G")
    with pytest.raises(OSError, match="1 bytes of 300 have come") as told:
        file.pread(300, 0)
    assert told.value.errno == errno.EIO


@pytest.mark.parametrize(
    ("url", "message"),
    [
        ("memory:///nowhere", "lowerdir=memory:///nowhere: No such file or directory"),
        ("nonsense://x", "lowerdir=nonsense://x: Protocol not known: nonsense"),
        ("http://127.0.0.1:1/x", r"lowerdir=http://127.0.0.1:1/x: .*"),
        ("zip://::/nowhere.zip", r"lowerdir=zip://::/nowhere.zip: .*No such file.*"),
        ("file:///etc/passwd", "lowerdir=file:///etc/passwd: not a directory"),
    ],
)
def test_a_layer_that_cannot_be_opened(url: str, message: str) -> None:
    with pytest.raises(ConfigError, match=f"^{message}$"):
        UnionFS(url)


def test_fsspec_is_an_extra() -> None:
    script = """
import sys
from unionfs.cli.main import main
class Missing:
    def find_spec(self, name, *_):
        if name == "fsspec":
            raise ModuleNotFoundError("No module named 'fsspec'", name=name)
sys.meta_path.insert(0, Missing())
main(["ls", "s3://b"])
"""
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    reason = "fsspec is not installed (pip install 'unionfs[fsspec]')"
    assert done.stderr == f"unionfs ls: lowerdir=s3://b: {reason}\n"


def test_options_go_to_their_protocol_alone(memory_url: str) -> None:
    options = {"memory": {"global_store": False, "skip_instance_cache": True}, "s3": {"anon": True}}
    assert not list(FsspecStore.at("memory://", options).scan(b""))
    assert list(FsspecStore.at(memory_url, {"s3": {"anon": True}}).scan(b""))


# Marks


def test_whiteouts_and_opaque_directories_that_are_names_are_read(memory_url: str, tmp_path: Path) -> None:
    memory, path = fsspec.filesystem("memory"), memory_url.removeprefix("memory://")
    memory.pipe({f"{path}/.wh.g": b"", f"{path}/d/.wh..wh..opq": b""})
    below = make_tree(tmp_path / "below")
    (below / "d/more").write_text("hidden")
    with UnionFS(memory_url, below) as fs:
        assert not fs.exists(".wh.g")
        assert sorted(fs.listdir("d")) == ["e", "f"]
        assert fs.exists("g")  # beside its whiteout, the entry is shown
    memory.rm([f"{path}/g", f"{path}/d/e/deep"])
    memory.mv(f"{path}/.wh.g", f"{path}/d/e/.wh.deep")
    with UnionFS(memory_url, below, dialect="aufs") as fs:
        assert fs.listdir("d/e") == []
    with UnionFS(memory_url, below) as fs:  # nothing in the root tells
        assert sorted(fs.listdir("d/e")) == [".wh.deep", "deep"]
    shutil.rmtree(below)
