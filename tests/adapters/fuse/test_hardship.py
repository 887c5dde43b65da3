"""Full uppers, read-only ones, clients that disappear: the right errno each time, and the mount lives."""

from __future__ import annotations

import collections
import errno
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from mounts import Mount, unionfs

from unionfs.adapters.fuse import mounting, records
from unionfs.adapters.options import Options

MEGABYTE = 1 << 20


@pytest.fixture
def on_small_disk(prepared: Mount) -> Iterator[Mount]:
    """The upper and work directories on a file system of their own, of 4 MiB."""
    disk = prepared.lower.parent / "disk"
    disk.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=4m", "tmpfs", disk], check=True)
    prepared.upper, prepared.work = disk / "upper", disk / "work"
    prepared.upper.mkdir()
    prepared.work.mkdir()
    prepared.words = f"lowerdir={prepared.lower},upperdir={prepared.upper},workdir={prepared.work}"
    yield prepared
    prepared.discard()
    subprocess.run(["umount", "-l", disk], check=True)


def fill_up(path: Path) -> int:
    """Write to a new file until nothing goes any more; how much went."""
    with path.open("wb", 0) as file:
        with pytest.raises(OSError, match="No space left"):
            file.writelines(bytes(MEGABYTE // 4) for _ in range(40))
        return file.tell()


def overwrite(path: Path, content: bytes) -> None:
    with path.open("r+b", 0) as file:
        file.write(content)


def test_a_full_upper(on_small_disk: Mount) -> None:
    root = on_small_disk.merged
    (on_small_disk.lower / "large").write_bytes(b"x" * 6 * MEGABYTE)
    (on_small_disk.lower / "small").write_bytes(b"small")
    on_small_disk.mount()
    assert fill_up(root / "full") > 2 * MEGABYTE
    with pytest.raises(OSError, match="No space left"):
        overwrite(root / "large", b"y")
    assert (root / "large").read_bytes() == b"x" * 6 * MEGABYTE
    os.truncate(root / "large", 5 * MEGABYTE)  # takes no room until what stays is copied
    assert (root / "large").read_bytes() == b"x" * 5 * MEGABYTE
    (root / "full").unlink()
    (root / "small").write_bytes(b"changed")
    os.truncate(root / "large", 1)
    assert ((root / "small").read_bytes(), (root / "large").read_bytes()) == (b"changed", b"x")
    on_small_disk.unmount()
    assert sorted(os.listdir(on_small_disk.upper)) == ["large", "small"]
    assert os.listdir(on_small_disk.work / "work") == []


def test_an_upper_without_inodes_left(on_small_disk: Mount) -> None:
    disk = on_small_disk.upper.parent
    (on_small_disk.lower / "d").mkdir()
    (on_small_disk.lower / "d/f").write_bytes(b"f")
    on_small_disk.mount()
    root = on_small_disk.merged
    subprocess.run(["mount", "-o", "remount,nr_inodes=20", disk], check=True)
    with pytest.raises(OSError, match="No space left"):
        collections.deque(map(Path.touch, (root / f"file {number}" for number in range(20))))
    for change in (
        lambda: (root / "d/f").chmod(0o600),
        (root / "d/f").unlink,
        lambda: (root / "new").mkdir(),
    ):
        with pytest.raises(OSError, match="No space left"):
            change()
    assert (root / "d/f").read_bytes() == b"f"
    assert not (root / "new").exists()
    subprocess.run(["mount", "-o", "remount,nr_inodes=200", disk], check=True)
    (root / "d/f").unlink()
    assert os.listdir(root / "d") == []


def remount_read_only(disk: Path) -> None:
    """Busy for as long as a file is open for writing, and a close(2) reaches the daemon a little later."""
    deadline = time.monotonic() + 20
    while subprocess.run(["mount", "-o", "remount,ro", disk], check=False, capture_output=True).returncode:
        assert time.monotonic() < deadline
        time.sleep(0.02)


def test_an_upper_that_becomes_read_only(on_small_disk: Mount) -> None:
    disk = on_small_disk.upper.parent
    (on_small_disk.lower / "lower").write_bytes(b"lower")
    on_small_disk.mount()
    root = on_small_disk.merged
    (root / "upper").write_bytes(b"upper")
    remount_read_only(disk)
    changes = (
        lambda: (root / "new").touch(),
        lambda: (root / "lower").write_bytes(b""),
        lambda: (root / "upper").write_bytes(b""),
        lambda: (root / "lower").chmod(0o600),
        (root / "lower").unlink,
        (root / "upper").unlink,
        lambda: (root / "upper").rename(root / "moved"),
        lambda: (root / "d").mkdir(),
        lambda: os.setxattr(root / "lower", "user.a", b""),
    )
    for change in changes:
        with pytest.raises(OSError, match="Read-only") as refusal:
            change()
        assert refusal.value.errno == errno.EROFS
    assert {path.name: path.read_bytes() for path in root.iterdir()} == {"lower": b"lower", "upper": b"upper"}
    subprocess.run(["mount", "-o", "remount,rw", disk], check=True)
    (root / "lower").rename(root / "moved")
    assert sorted(os.listdir(root)) == ["moved", "upper"]


WORK = """
import os, sys
root = sys.argv[1]
print(flush=True)
while True:
    with open(f"{root}/large", "r+b", 0) as file:
        file.write(b"y" * 300_000)
        file.read()
    os.mkdir(f"{root}/d"); os.rename(f"{root}/d", f"{root}/e"); os.rmdir(f"{root}/e")
"""


def test_clients_that_disappear_in_mid_operation(prepared: Mount) -> None:
    (prepared.lower / "large").write_bytes(b"x" * 30 * MEGABYTE)
    prepared.mount()
    root = prepared.merged
    for number in range(15):
        with subprocess.Popen([sys.executable, "-c", WORK, root], stdout=subprocess.PIPE) as client:
            assert client.stdout is not None
            client.stdout.read(1)
            time.sleep(number * 0.004)
            client.send_signal(signal.SIGKILL)
        for name in ("d", "e"):
            if (root / name).exists():
                (root / name).rmdir()
    assert os.listdir(root) == ["large"]
    content = (root / "large").read_bytes()
    assert content.strip(b"y") == b"x" * content.count(b"x")
    assert len(content) == 30 * MEGABYTE
    prepared.unmount()  # so nobody has anything open


FINISHING = """
import fcntl, os, sys, time
from unionfs.adapters.fuse import mounting, records
from unionfs.adapters.options import Options
upper, mountpoint = sys.argv[1:]
with records.published(records.Record(mountpoint, Options(upper=upper), None, os.getpid())):
    fd = os.open(upper, os.O_RDONLY)
    fcntl.flock(fd, fcntl.LOCK_EX)
    print(flush=True)
    time.sleep(0.7)
    os.close(fd)
"""


def test_a_mount_waits_for_the_daemon_before_it(prepared: Mount) -> None:
    """umount(8) returns before the daemon has put everything on disk; podman mounts again at once."""
    command = [sys.executable, "-c", FINISHING, prepared.upper, prepared.merged]
    with subprocess.Popen(command, stdout=subprocess.PIPE) as before:
        assert before.stdout is not None
        before.stdout.read(1)
        prepared.mount()


def test_mounting_again_and_again(prepared: Mount) -> None:
    for number in range(5):
        prepared.mount()
        (prepared.merged / f"f{number}").write_bytes(bytes(5 * MEGABYTE))
        subprocess.run(["umount", prepared.merged], check=True)
    assert len(os.listdir(prepared.upper)) == 5


def test_waiting_for_a_daemon_ends(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(tmp_path))
    record = records.Record(str(tmp_path), Options(), None, os.getpid())
    with records.published(record):
        start = time.monotonic()
        records.wait_until_gone(record, 0.1)
        assert 0.1 <= time.monotonic() - start < 10


def test_a_daemon_of_another_version_is_still_found(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(tmp_path))
    record = records.Record(str(tmp_path), Options(lowers=("/a",)), None, os.getpid())
    with records.published(record):
        file = tmp_path / f"unionfs/{os.getpid()}.json"
        with file.open("r+") as opened:  # in place, for the lock is on the file
            text = opened.read().replace('"uids": [], ', '"of_the_future": true, ')
            opened.seek(0)
            opened.write(text)
            opened.truncate()
        assert "of_the_future" in text
        assert records.living() == [record]


def test_records_are_kept_out_of_another_users_runtime_directory(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """sudo(8) may keep XDG_RUNTIME_DIR."""
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(tmp_path))
    assert records.runtime_directory() == f"{tmp_path}/unionfs"
    os.chown(tmp_path, 1, 1)
    assert records.runtime_directory() == "/run/unionfs"


def test_what_another_daemon_of_the_same_number_left_is_not_ours(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Process numbers come again; an unmount told of a failure that had been another's."""
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(tmp_path))
    record = records.Record(str(tmp_path), Options(), None, os.getpid())
    with pytest.raises(OSError, match="words"), records.reporting_failure(record):
        raise OSError("words")
    records.report_left(record, 1)
    with records.published(record):
        assert os.listdir(tmp_path / "unionfs") == [f"{os.getpid()}.json"]
    assert records.take_failure(record) is None


def test_mounts_without_an_upper_do_not_wait_for_each_other(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A daemon that has been unmounted but does not end was waited for by every one of them."""
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(tmp_path))
    for name in ("lower", "merged"):
        (tmp_path / name).mkdir()
    detached = records.Record("/nowhere", Options(lowers=("/a",)), None, os.getpid())
    with records.published(detached):
        start = time.monotonic()
        assert unionfs("mount", "-o", f"lowerdir={tmp_path}/lower", tmp_path / "merged").returncode == 0
        took = time.monotonic() - start
        assert unionfs("umount", tmp_path / "merged").returncode == 0
    assert took < mounting._PREDECESSOR_SECONDS
