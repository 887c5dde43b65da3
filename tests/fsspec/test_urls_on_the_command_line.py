"""What is at a URL, mounted and looked into by the command."""

from __future__ import annotations

import errno
import os
import signal
import subprocess
import sys
import zipfile
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from http import HTTPStatus
from pathlib import Path

import pytest
from file_server import FileServer, serving

from unionfs.adapters.fuse.records import living
from unionfs.adapters.mountinfo import mounted_at

LARGE = os.urandom(3 << 20)


def run(*arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "unionfs.cli", *arguments]
    return subprocess.run(command, capture_output=True, text=True, check=False, timeout=60)


def unionfs(*arguments: str) -> str:
    done = run(*arguments)
    assert (done.returncode, done.stderr) == (0, "")
    return done.stdout


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("UNIONFS_STORE", str(tmp_path / "state"))
    for name in ("M", "U", "W", "served/d"):
        (tmp_path / name).mkdir(parents=True)
    (tmp_path / "served/d/f").write_text("from afar")
    (tmp_path / "served/large").write_bytes(LARGE)
    yield tmp_path
    while mounted_at(str(tmp_path / "M")):
        subprocess.run(["umount", "-l", str(tmp_path / "M")], check=True)


@pytest.fixture
def server(here: Path) -> Iterator[FileServer]:
    with serving(here / "served") as server:
        yield server


@pytest.mark.parametrize("transport", ["native", "fusepy"])
def test_a_url_is_mounted_and_changed(here: Path, server: FileServer, transport: str) -> None:
    url = f"{server.url}/"
    unionfs("mount", url, "M", "--upper", "U", "--work", "W", "--transport", transport)
    lowerdir = url.replace(":", r"\:")
    assert f" on {here}/M type fuse.unionfs (rw,lowerdir={lowerdir}," in unionfs("mount")
    mount = here / "M"
    assert sorted(path.name for path in mount.iterdir()) == ["d", "large"]
    assert (mount / "large").read_bytes() == LARGE
    with open(mount / "large", "r+b") as file:
        file.write(b"!")
    (mount / "d/f").unlink()
    assert unionfs("diff", "M").splitlines() == ["C /d", "D /d/f", "C /large"]
    unionfs("umount", "M")
    assert (here / "U/large").read_bytes() == b"!" + LARGE[1:]
    assert (here / "served/large").read_bytes() == LARGE


def test_a_url_among_lower_directories_and_under_a_name(here: Path, server: FileServer) -> None:
    (here / "top").mkdir()
    (here / "top/t").write_text("top")
    unionfs("mount", "-o", f"lowerdir+=top,lowerdir+={server.url}", "M", "--name", "kept")
    (here / "M/new").write_text("new")
    assert (here / "M/t").read_text() + (here / "M/d/f").read_text() == "topfrom afar"
    unionfs("umount", "M")
    unionfs("mount", "M", "--name", "kept")
    assert sorted(path.name for path in (here / "M").iterdir()) == ["d", "large", "new", "t"]
    unionfs("umount", "M")


def test_reads_fail_with_what_the_server_fails_with(here: Path, server: FileServer) -> None:
    unionfs("mount", server.url, "M")
    file = os.open(here / "M/d/f", os.O_RDONLY)
    try:
        (here / "served/d/f").write_text("of anothr")
        with pytest.raises(OSError, match="Stale") as told:
            os.read(file, 9)
        assert told.value.errno == errno.ESTALE
    finally:
        os.close(file)
    unionfs("umount", "M")


@pytest.mark.parametrize(
    ("path", "ask"),
    [
        pytest.param("/d/", lambda place: os.listdir(place), id="listing"),
        pytest.param("/d/", lambda place: os.stat(place / "f"), id="looking up"),
        pytest.param("/d/f", lambda place: (place / "f").read_bytes(), id="reading"),
        pytest.param("/d/f", lambda place: append(place / "f"), id="copying up"),
    ],
)
def test_what_is_far_away_holds_up_nobody_else(
    here: Path, server: FileServer, path: str, ask: Callable[[Path], object]
) -> None:
    (here / "served/near").write_text("near")
    unionfs("mount", f"{server.url}/", "M", "--upper", "U", "--work", "W")
    assert (here / "M/near").read_text() == "near"
    if path == "/d/f":
        os.stat(here / "M/d/f")
    server.is_stuck_at = path
    with ThreadPoolExecutor(2) as pool:
        stuck = pool.submit(ask, here / "M/d")
        assert server.is_asked.wait(20)
        try:
            assert pool.submit(change_beside_it, here / "M").result(20) == "near and new"
            assert not stuck.done()
        finally:
            server.go_on.set()
        stuck.result(20)
    assert os.listdir(here / "M/d") == ["f"]


LIST = "os.listdir('M/d')"
LOOK = "os.stat('M/d/f')"
SYNC = "file = os.open('M/large', os.O_RDWR); os.write(file, bytes(4096)); print(libc.fsync(file))"


@pytest.mark.parametrize("signals", [[signal.SIGKILL], [signal.SIGTERM], [signal.SIGUSR1, signal.SIGKILL]])
@pytest.mark.parametrize(
    ("path", "ask"),
    [
        pytest.param("/d/", LIST, id="listing"),
        pytest.param("/d/", LOOK, id="looking up"),
        pytest.param("/large", SYNC, id="syncing"),
    ],
)
def test_who_waits_for_what_does_not_come_can_be_killed(
    here: Path, server: FileServer, path: str, ask: str, signals: list[signal.Signals]
) -> None:
    unionfs("mount", f"{server.url}/", "M", "--upper", "U", "--work", "W")
    os.stat("M/large")
    with stuck(server, path, ask) as process:
        for number in signals:
            process.send_signal(number)
            with suppress(subprocess.TimeoutExpired):
                process.wait(0.5)
        assert process.wait(20) == -signals[-1]
        assert not server.go_on.is_set()
    assert os.listdir("M/d") == ["f"]
    assert (here / "M/large").read_bytes()[5000:] == LARGE[5000:]


def test_a_signal_that_does_not_kill_disturbs_nobody(here: Path, server: FileServer) -> None:
    unionfs("mount", f"{server.url}/", "M", "--upper", "U", "--work", "W")
    os.stat("M/large")
    with stuck(server, "/large", SYNC) as process:
        process.send_signal(signal.SIGUSR1)
        with pytest.raises(subprocess.TimeoutExpired):
            process.wait(0.5)
        server.go_on.set()
        assert process.communicate(timeout=20) == ("0\n", None)


@contextmanager
def stuck(server: FileServer, path: str, ask: str) -> Iterator[subprocess.Popen[str]]:
    """A program that asks for what the server does not give it, and that SIGUSR1 does not kill."""
    server.is_stuck_at = path
    handler = "signal.signal(signal.SIGUSR1, lambda *_: None)"
    program = f"import ctypes, os, signal; libc = ctypes.CDLL(None); {handler}; {ask}"
    with subprocess.Popen([sys.executable, "-c", program], stdout=subprocess.PIPE, text=True) as process:
        try:
            assert server.is_asked.wait(20)
            yield process
        finally:
            server.go_on.set()
            process.kill()


def append(path: Path) -> None:
    with open(path, "a") as file:
        file.write("!")


def change_beside_it(mount: Path) -> str:
    """Look up, list, read, copy up and make, in another directory than `d`."""
    os.mkdir(mount / "new")
    with open(mount / "near", "r+") as file:
        file.seek(0, os.SEEK_END)
        file.write(" and new")
    assert sorted(os.listdir(mount)) == ["d", "large", "near", "new"]
    return (mount / "near").read_text()


def test_it_is_looked_into(here: Path, server: FileServer) -> None:
    with zipfile.ZipFile(here / "served/tree.zip", "w") as archive:
        archive.writestr("in/side", "zipped")
    assert unionfs("ls", server.url).split() == ["d", "large", "tree.zip"]
    assert unionfs("cat", f"{server.url}:/d/f") == "from afar"
    assert unionfs("cat", f"zip://::{server.url}/tree.zip:/in/side") == "zipped"
    assert unionfs("ls", "-R", f"file://{here}/served:/d").split() == ["/d:", "f"]
    assert f"layer: {server.url}\n" in unionfs("stat", f"{server.url}:/d/f")


def test_what_cannot_be_had_is_told_before_anything_is_made(here: Path) -> None:
    for url, reason in (
        ("http://127.0.0.1:1", "lowerdir=http://127.0.0.1:1: "),
        (f"file://{here}/none", f"lowerdir=file://{here}/none: No such file or directory"),
        ("nonsense://x", "lowerdir=nonsense://x: Protocol not known: nonsense"),
    ):
        done = run("mount", url, "M", "--upper", "U", "--work", "W")
        assert done.returncode == 1
        assert done.stderr.startswith(f"unionfs mount: {reason}")
        assert len(done.stderr.splitlines()) == 1
    assert not list((here / "W").iterdir())
    assert not mounted_at(str(here / "M"))


def test_what_a_killed_daemon_left_is_finished_and_keeps_its_number(here: Path, server: FileServer) -> None:
    options = "copy_up=lazy,upperdir=U,workdir=W"
    unionfs("mount", server.url, "M", "-o", options)
    number = os.stat(here / "M/large").st_ino
    with open(here / "M/large", "r+b", buffering=0) as file:
        assert os.pread(file.fileno(), 9, 2 << 20) == LARGE[2 << 20 :][:9]
        server.fails_with = HTTPStatus.SERVICE_UNAVAILABLE  # so that the rest cannot follow
        file.seek(2 << 20)
        file.write(b"written")
        (record,) = [record for record in living() if record.mountpoint == str(here / "M")]
        os.kill(record.pid, signal.SIGKILL)
        with suppress(OSError):
            file.close()
    assert (Path("W") / "pending").exists()
    server.fails_with = None
    unionfs("mount", server.url, "M", "-o", options)
    expected = LARGE[: 2 << 20] + b"written" + LARGE[(2 << 20) + 7 :]
    assert (here / "M/large").read_bytes() == expected
    assert os.stat(here / "M/large").st_ino == number
    unionfs("umount", "M")
    assert (here / "U/large").read_bytes() == expected
