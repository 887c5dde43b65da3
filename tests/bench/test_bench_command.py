"""``unionfs bench copy-up``, on real mounts: what it finds, what it says, what it leaves behind."""

from __future__ import annotations

import json
import os
import pty
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest

from unionfs.adapters.mountinfo import mounts

COMMAND = (sys.executable, "-m", "unionfs.cli", "bench", "copy-up")
QUICK = ("--sizes", "4K", "--repeats", "1")
FIGURES = 3 + 1 + 1 + 1 + 4


@pytest.fixture
def place() -> Iterator[Path]:
    """In memory: what other tests write to the disk is not to be waited for."""
    with TemporaryDirectory(dir="/dev/shm") as directory:
        yield Path(directory)


def bench(*arguments: str | Path, code: int = 0) -> subprocess.CompletedProcess[str]:
    done = subprocess.run([*COMMAND, *map(str, arguments)], capture_output=True, text=True, timeout=110)
    assert done.returncode == code, done.stderr
    return done


def left_below(place: Path) -> list[str]:
    """Files, mounts, and processes that were told of `place`."""
    lines = (Path(f"/proc/{pid}/cmdline") for pid in os.listdir("/proc") if pid.isdecimal())
    told = [str(line) for line in lines if line.exists() and os.fsencode(place) in line.read_bytes()]
    mounted = [mount.mountpoint for mount in mounts() if mount.mountpoint.startswith(str(place))]
    return [*told, *mounted, *os.listdir(place)]


def test_all_figures_of_all_peers_and_nothing_left_behind(place: Path, tmp_path: Path) -> None:
    results, plot = tmp_path / "r.json", tmp_path / "r.svg"
    sizes, peers = ("--sizes", "4K,1M", "--repeats", "1"), ("--peers", "unionfs,overlayfs")
    done = bench(place, *sizes, *peers, "--json", results, "--plot", plot)
    assert done.stderr == ""
    assert max(map(len, done.stdout.splitlines())) <= 80
    assert "\x1b" not in done.stdout
    assert plot.read_text().startswith("<?xml")
    report = json.loads(results.read_text())
    assert set(report["peers"]) == {"unionfs", "overlayfs", "directory"}
    assert report["machine"]["kernel"] == os.uname().release
    assert [row["at"]["bytes"] for row in report["rows"]] == [4096] * FIGURES + [1 << 20] * FIGURES
    for row in report["rows"]:
        assert row["failures"] == {}
        assert all(peer["median"] > 0 for peer in row["peers"].values())
        assert row["title"] in done.stdout
    assert left_below(place) == []


def test_the_whole_copy_takes_longer_than_the_first_write(place: Path, tmp_path: Path) -> None:
    bench(place, *QUICK, "--peers", "unionfs", "--json", tmp_path / "r.json")
    first, whole, throughput, *_ = json.loads((tmp_path / "r.json").read_text())["rows"]
    seconds = whole["peers"]["unionfs"]["median"]
    assert seconds > first["peers"]["unionfs"]["median"]
    assert throughput["peers"]["unionfs"]["median"] == pytest.approx(1 / 256 / seconds)


def test_a_peer_that_fails_does_not_end_the_run(place: Path, tmp_path: Path) -> None:
    arguments = ("--peers", "unionfs", "--mount-program", "broken=/bin/false", "--json", tmp_path / "r.json")
    done = bench(place, *QUICK, *arguments, code=1)
    assert "broken failed at write, 4 KiB: /bin/false ended with status 1" in done.stdout
    rows = json.loads((tmp_path / "r.json").read_text())["rows"]
    for row in (row for row in rows if row["workload"] != "cp"):
        assert set(row["peers"]) == {"unionfs"}
        assert set(row["failures"]) == {"broken"}
    assert left_below(place) == []


def test_who_is_not_here_is_left_out_and_said(place: Path) -> None:
    done = bench(place, *QUICK, "--peers", "unionfs", "--mount-program", "gone=/no/such/program")
    assert done.stderr == "gone is left out: /no/such/program is not installed\n"


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_ends_it_and_leaves_nothing(number: signal.Signals, place: Path, tmp_path: Path) -> None:
    results = tmp_path / "r.json"
    command = [*COMMAND, str(place), "--sizes", "4K", "--repeats", "1000", "--json", str(results)]
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True, start_new_session=True) as process:
        deadline = time.monotonic() + 60
        while not any(mount.mountpoint.startswith(str(place)) for mount in mounts()):
            assert time.monotonic() < deadline
            time.sleep(0.01)
        os.killpg(process.pid, number)  # as a terminal does
        _, said = process.communicate(timeout=90)
    assert (process.returncode, said) == (1, f"ended by {number.name}\n")
    assert left_below(place) == []
    assert not results.exists()


@pytest.mark.parametrize(("quiet", "shown"), [((), True), (("--quiet",), False)])
def test_progress_is_for_a_terminal_and_can_be_had_away(
    quiet: tuple[str, ...], shown: bool, place: Path
) -> None:
    ours, theirs = pty.openpty()
    command = [*COMMAND, str(place), *QUICK, "--peers", "unionfs", *quiet]
    subprocess.run(command, stdout=subprocess.DEVNULL, stderr=theirs, check=True, timeout=110)
    os.write(theirs, b"end")
    said = b""
    while not said.endswith(b"end"):
        said += os.read(ours, 1 << 16)
    os.close(ours)
    os.close(theirs)
    assert (b"[1/5] write, 4 KiB: unionfs, 1 of 1" in said) is shown
    assert said == b"end" or said.endswith(b"\r\x1b[Kend")


@pytest.mark.parametrize(
    ("arguments", "reason"),
    [
        (["nowhere"], "nowhere: No such file or directory"),
        (["--peers", "unionfs,aufs"], "unknown: aufs; known: unionfs "),
        (["--peers", ""], "unknown: ; known: unionfs "),
        (["--sizes", "1000T"], "MiB are needed there"),
        (["--json", "no/r.json"], "no/r.json: cannot be written"),
        (["--json", "."], ".: cannot be written"),
        (["--plot", "r.gif"], "r.gif: plots are .svg or .png"),
    ],
)
def test_what_cannot_be_done_is_said_before_anything_is_measured(
    arguments: list[str], reason: str, place: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(place)
    done = bench(*arguments, code=1)
    assert done.stderr.startswith("unionfs bench: ")
    assert done.stderr.count("\n") == 1
    assert reason in done.stderr
    assert left_below(place) == []


@pytest.mark.parametrize(
    "arguments", [["--sizes", "4X"], ["--sizes", ""], ["--repeats", "0"], ["--mount-program", "x"]]
)
def test_a_wrong_command_line(arguments: list[str]) -> None:
    assert "unionfs bench copy-up: error: argument" in bench(*arguments, code=2).stderr


def test_matplotlib_is_not_needed_without_a_plot(place: Path) -> None:
    program = (
        "import sys; sys.modules['matplotlib'] = None; from unionfs.cli.main import main;"
        f"sys.exit(main(['bench', 'copy-up', {str(place)!r}, '--sizes', '4K', '--repeats', '1',"
        "'--peers', 'unionfs']))"
    )
    subprocess.run([sys.executable, "-c", program], check=True, capture_output=True, timeout=110)
