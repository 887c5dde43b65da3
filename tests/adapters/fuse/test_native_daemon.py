"""A daemon of our own transport under stress: faults, signals, crashes, many callers, long copy-ups."""

from __future__ import annotations

import errno
import os
import random
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from mounts import Mount, eventually

from unionfs.adapters.fuse import logs, records, transports
from unionfs.adapters.mountinfo import mounted_at

pytestmark = pytest.mark.parametrize("prepared", [transports.NATIVE], indirect=True)

Mounted = Callable[..., Path]

FAULTY = """
import sys
from unionfs.cli import main
from unionfs.core.union import Union

def fail(*_):
    raise ZeroDivisionError("on purpose")

Union.readlink = fail
sys.exit(main.main(sys.argv[1:]))
"""


def log_of(mount: Mount) -> str:
    return Path(logs.log_path(records.runtime_directory(), mount.pid)).read_text()


def test_a_fault_is_eio_and_leaves_a_traceback(prepared: Mount) -> None:
    os.symlink("target", prepared.lower / "link")
    (prepared.lower / "file").write_bytes(b"x")
    words = ["mount", "-f", "--transport", prepared.transport, "-o", prepared.words, str(prepared.merged)]
    with subprocess.Popen([sys.executable, "-c", FAULTY, *words], stderr=subprocess.PIPE) as process:
        eventually(lambda: mounted_at(str(prepared.merged)) is not None)
        with pytest.raises(OSError, match="Input/output error"):
            os.readlink(prepared.merged / "link")
        assert (prepared.merged / "file").read_bytes() == b"x"
        prepared.unmount()
        assert process.stderr is not None
        said = process.stderr.read().decode()
    assert "Traceback" in said
    assert "ZeroDivisionError: on purpose" in said


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_while_files_are_open_lets_them_be_finished(prepared: Mount, number: int) -> None:
    (prepared.lower / "f").write_bytes(b"lower")
    prepared.mount()
    record = records.find(str(prepared.merged))
    assert record is not None
    with (prepared.merged / "f").open("r+b", 0) as file:
        os.kill(record.pid, number)
        eventually(lambda: mounted_at(str(prepared.merged)) is None)
        assert file.read() == b"lower"
        file.write(b" and more")
        assert os.path.exists(f"/proc/{record.pid}")
    records.wait_until_gone(record)
    assert (prepared.upper / "f").read_bytes() == b"lower and more"


def test_a_second_signal_waits_for_nobody(prepared: Mount) -> None:
    prepared.mount()
    record = records.find(str(prepared.merged))
    assert record is not None
    with (prepared.merged / "f").open("wb", 0) as file:
        os.kill(record.pid, signal.SIGTERM)
        eventually(lambda: mounted_at(str(prepared.merged)) is None)
        os.kill(record.pid, signal.SIGTERM)
        records.wait_until_gone(record)
        with pytest.raises(OSError, match="not connected"):
            os.fsync(file.fileno())


def test_a_crash_with_files_open_leaves_nothing_behind(prepared: Mount) -> None:
    (prepared.lower / "lower").write_bytes(b"lower")
    prepared.mount()
    unnamed = os.open(prepared.merged, os.O_TMPFILE | os.O_RDWR)
    os.write(unnamed, b"lost")
    with (
        (prepared.merged / "kept").open("wb", 0) as file,
        (prepared.merged / "lower").open("r+b", 0) as removed,
    ):
        file.write(b"written")
        removed.write(b"gone")
        (prepared.merged / "lower").unlink()
        assert len(prepared.kept_aside) == 2
        prepared.kill()
        with pytest.raises(OSError, match="not connected"):
            os.fsync(file.fileno())
    os.close(unnamed)
    prepared.mount()
    assert os.listdir(prepared.merged) == ["kept"]
    assert (prepared.merged / "kept").read_bytes() == b"written"
    assert prepared.kept_aside == []


def test_descriptors_are_closed_by_exec_and_kept_by_fork(prepared: Mount, mounted: Mounted) -> None:
    root = mounted()
    for flags, kept in ((os.O_CLOEXEC, 0), (0, 1)):
        fd = os.open(root / "f", os.O_CREAT | os.O_RDWR | flags)
        os.set_inheritable(fd, not flags)
        (root / "f").unlink()
        child = subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE, close_fds=False)
        with child:
            os.close(fd)
            eventually(lambda kept=kept: len(prepared.kept_aside) == kept)  # type: ignore[misc]
            assert child.stdin is not None
            child.stdin.write(b"\n")
        eventually(lambda: prepared.kept_aside == [])


def test_thirty_threads_do_everything_at_once(prepared: Mount, mounted: Mounted) -> None:
    root = mounted({f"shared/{number}": b"lower content" for number in range(10)})
    failures: list[BaseException] = []

    def work(seed: int) -> None:
        try:
            hammer(root, random.Random(seed))
        except BaseException as failure:  # noqa: BLE001 - handed to the main thread
            failures.append(failure)

    threads = [threading.Thread(target=work, args=(seed,)) for seed in range(30)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failures == []
    assert log_of(prepared) == ""
    before = contents(root)
    prepared.unmount()
    assert prepared.kept_aside == []
    prepared.mount()
    assert contents(root) == before


EXPECTED = (errno.ENOENT, errno.EEXIST, errno.ENOTEMPTY, errno.EISDIR, errno.ENOTDIR, errno.EINVAL)
"""What may go wrong where others remove and rename under one's hands."""


def hammer(root: Path, chance: random.Random) -> None:
    def anywhere() -> Path:
        return root / chance.choice(["", "shared", "shared/d0", "d1"]) / chance.choice("0123456789abc")

    acts: list[Callable[[], object]] = [
        lambda: anywhere().write_bytes(b"x" * chance.randrange(5000)),
        lambda: anywhere().read_bytes(),
        lambda: anywhere().unlink(),
        lambda: anywhere().rename(anywhere()),
        lambda: os.link(anywhere(), anywhere()),
        lambda: os.truncate(anywhere(), chance.randrange(5000)),
        lambda: anywhere().chmod(0o600),
        lambda: os.listdir(anywhere().parent),
        lambda: (root / "shared" / "d0").mkdir(),
        lambda: (root / "d1").mkdir(),
        lambda: (root / "d1").rename(root / "shared/d0"),
        lambda: (root / "d1").rmdir(),
    ]
    for _ in range(60):
        try:
            chance.choice(acts)()
        except OSError as failure:
            if failure.errno not in EXPECTED:
                raise


def contents(root: Path) -> dict[str, bytes | None]:
    return {
        str(path.relative_to(root)): path.read_bytes() if path.is_file() else None for path in root.rglob("*")
    }


LARGE = 400 << 20


def is_unfinished(file: Path) -> bool:
    return "trusted.overlay.metacopy" in os.listxattr(file)


def test_a_long_copy_up_holds_nobody_up(prepared: Mount, mounted: Mounted) -> None:
    with (prepared.lower / "large").open("wb") as file:
        for _ in range(LARGE >> 20):
            file.write(os.urandom(4096) * 256)
        os.fsync(file.fileno())
    root = mounted({f"d/{number}": b"x" for number in range(1000)})
    answered, longest = 0, 0.0
    with (root / "large").open("rb", 0) as reader, (root / "large").open("r+b", 0) as writer:
        writer.write(b"X")
        while is_unfinished(prepared.upper / "large") and answered < 1000:
            began = time.monotonic()
            assert (root / "d" / str(answered)).stat().st_size == 1
            assert os.pread(reader.fileno(), 1, LARGE - 1 - 4096 * answered) != b""
            assert not (root / f"none-{answered}").exists()
            longest = max(longest, time.monotonic() - began)
            answered += 1
    assert answered > 20
    assert longest < 2
    assert (prepared.upper / "large").stat().st_size == LARGE
