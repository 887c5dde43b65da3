"""``unionfs ps``: every mount, its layers and what is left to do, whatever has become of its daemon."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from mounts import NOBODY, Mount, as_nobody, eventually, unionfs

from unionfs.adapters.fuse import inventory, records
from unionfs.adapters.fuse.inventory import State
from unionfs.adapters.mountinfo import mounted_at
from unionfs.adapters.options import Options
from unionfs.adapters.usage import used
from unionfs.core.journal import PENDING

LARGE = 4 << 20


def listed(mount: Mount) -> dict[str, object]:
    """What is said of `mount` in JSON."""
    done = unionfs("ps", "--json")
    assert (done.returncode, done.stderr) == (0, "")
    rows = [json.loads(line) for line in done.stdout.splitlines()]
    (row,) = (row for row in rows if row["mountpoint"] == str(mount.merged))
    assert isinstance(row, dict)
    return row


@contextmanager
def stopped(mount: Mount) -> Iterator[None]:
    """Its daemon answers nothing."""
    os.kill(mount.pid, signal.SIGSTOP)
    try:
        yield
    finally:
        os.kill(mount.pid, signal.SIGCONT)


def test_a_mount_with_all_that_is_known_of_it(prepared: Mount) -> None:
    prepared.mount()
    (prepared.merged / "f").write_bytes(bytes(8192))
    os.link(prepared.merged / "f", prepared.merged / "g")
    assert listed(prepared) == {
        "mountpoint": str(prepared.merged),
        "state": "running",
        "user": 0,
        "pid": prepared.pid,
        "upper": str(prepared.upper),
        "work": str(prepared.work),
        "lowers": [str(prepared.lower)],
        "image": None,
        "volumes": [],
        "size": 8192,
        "pending": 0,
    }


def test_for_people(prepared: Mount) -> None:
    prepared.mount()
    lines = unionfs("ps").stdout.splitlines()
    assert lines[0].split() == ["PID", "STATE", "SIZE", "PENDING", "MOUNTPOINT"]
    at = next(number for number, line in enumerate(lines) if line.endswith(f" {prepared.merged}"))
    assert lines[at].split() == [str(prepared.pid), "running", "0", "B", "0", str(prepared.merged)]
    assert [line.split() for line in lines[at + 1 : at + 3]] == [
        ["upper", str(prepared.upper)],
        ["lower", str(prepared.lower)],
    ]


def test_what_is_being_copied_up_even_where_the_daemon_hangs(prepared: Mount) -> None:
    (prepared.lower / "large").write_bytes(os.urandom(LARGE))
    prepared.mount("--copy-up", "lazy")
    with (prepared.merged / "large").open("r+b", 0) as file:
        file.write(b"x")
    with stopped(prepared):  # nothing is open, or every process that we start would close it, and wait
        row = listed(prepared)
        assert (row["state"], row["pending"]) == ("running", 1)
        assert str(prepared.merged) in unionfs("mount").stdout
    with (prepared.merged / "large").open("rb") as file:
        os.fsync(file.fileno())
    assert listed(prepared)["pending"] == 0


def test_a_dead_daemons_mount_until_it_is_taken_away(prepared: Mount) -> None:
    prepared.mount()
    pid = prepared.pid
    (prepared.merged / "f").write_bytes(bytes(4096))
    record = records.find(str(prepared.merged))
    assert record is not None
    records.report_left(record, 4096)
    prepared.kill()
    for _ in range(2):
        assert records.living() == []
        row = listed(prepared)
        assert (row["state"], row["pid"], row["upper"]) == ("dead", pid, str(prepared.upper))
        assert str(prepared.merged) in unionfs("mount").stdout
    prepared.unmount()
    assert records.living() == []
    runtime = Path(records.runtime_directory())
    assert [*runtime.glob("*.json"), *runtime.glob("*.left")] == []


def test_a_dead_daemons_mount_that_is_mounted_again(prepared: Mount) -> None:
    prepared.mount()
    prepared.kill()
    prepared.mount()
    row = listed(prepared)
    assert (row["state"], row["pid"]) == ("running", prepared.pid)
    assert len(list(Path(records.runtime_directory()).glob("*.json"))) == 1


def test_a_mount_that_is_detached_but_in_use(prepared: Mount) -> None:
    prepared.mount()
    with (prepared.merged / "f").open("wb"):
        assert unionfs("umount", "-l", prepared.merged).returncode == 0
        assert listed(prepared)["state"] == "detached"
        assert str(prepared.merged) not in unionfs("mount").stdout
    eventually(lambda: records.living() == [])


def test_without_an_upper(prepared: Mount) -> None:
    assert unionfs("mount", "-o", f"lowerdir={prepared.lower}", prepared.merged).returncode == 0
    row = listed(prepared)
    assert (row["upper"], row["size"], row["pending"]) == (None, None, None)
    assert f" {prepared.merged} type fuse.unionfs (ro,lowerdir=" in unionfs("mount").stdout


def test_others_see_the_mount_and_no_more(prepared: Mount) -> None:
    prepared.mount()
    done = as_nobody("ps", "--json")  # with an XDG_RUNTIME_DIR of root's, as sudo(8) may hand on
    assert (done.returncode, done.stderr) == (0, "")
    rows = [json.loads(line) for line in done.stdout.splitlines()]
    (row,) = (row for row in rows if row["mountpoint"] == str(prepared.merged))
    assert (row.pop("state"), row.pop("user"), row.pop("mountpoint")) == ("unknown", 0, str(prepared.merged))
    assert set(row.values()) == {None}
    assert f"unionfs on {prepared.merged} type fuse.unionfs (rw," in as_nobody("mount").stdout


def test_root_sees_what_others_have_mounted(ours: Mount, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("XDG_RUNTIME_DIR", raising=False)
    assert as_nobody("mount", "--transport", ours.transport, "-o", ours.words, ours.merged).returncode == 0
    row = listed(ours)
    assert (row["state"], row["user"], row["upper"]) == ("running", NOBODY.pw_uid, str(ours.upper))
    assert (row["size"], row["pending"]) == (0, 0)
    assert as_nobody("umount", ours.merged).returncode == 0


def test_a_record_of_another_user_than_the_mounts_is_not_believed(prepared: Mount) -> None:
    prepared.mount()
    (path,) = Path(records.runtime_directory()).glob("*.json")
    os.chown(path, NOBODY.pw_uid, NOBODY.pw_gid)
    states = [row.state for row in inventory.mounted() if row.mountpoint == str(prepared.merged)]
    assert states == [State.UNKNOWN, State.DETACHED]


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"[]",
        b"{",
        b'{"options": {}}',
        b'{"options": {}, "mountpoint": 1, "image": null, "pid": 1}',
        b'{"options": {"lowers": [3]}, "mountpoint": "/", "image": null, "pid": 1}',
        b'{"options": {"upper": "a\\u0000b"}, "mountpoint": "/", "image": null, "pid": 1}',
        b'{"options": {}, "mountpoint": "/", "image": null, "pid": "1"}',
        b"[" * 100_000,
    ],
)
def test_what_is_no_record(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "1.json").write_bytes(content)
    assert records.found_in(str(tmp_path)) == []


def test_what_is_no_file_is_not_waited_for(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "1.json")
    (tmp_path / "2.json").symlink_to("/dev/zero")
    (tmp_path / "3.json").mkdir()
    assert records.found_in(str(tmp_path)) == []
    os.mkfifo(tmp_path / os.fsdecode(PENDING))
    record = records.Record("/m", Options(upper=str(tmp_path), work=str(tmp_path)), None, 1)
    assert inventory.Mounted("/m", State.DETACHED, None, record, 0).pending() is None


def test_daemons_may_come_and_go_meanwhile(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A record that was gone once it had been listed ended every command that looks for mounts."""
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(tmp_path))

    def come_and_go() -> None:
        for pid in range(1000):
            with records.published(records.Record(str(tmp_path), Options(), None, pid)):
                pass

    lasting = records.Record(str(tmp_path / "lasting"), Options(), None, 1_000_000)
    others = threading.Thread(target=come_and_go)
    with records.published(lasting):
        others.start()
        while others.is_alive():
            assert lasting in records.living()


def test_how_much_a_directory_takes(tmp_path: Path) -> None:
    (tmp_path / "d").mkdir()
    (tmp_path / "d/f").write_bytes(bytes(8192))
    os.link(tmp_path / "d/f", tmp_path / "g")
    os.truncate(tmp_path / "d/f", 1 << 30)
    assert used(str(tmp_path)) == 8192
    (tmp_path / "d").chmod(0)
    script = (
        f"import os, sys; from unionfs.adapters.usage import used; os.setuid({NOBODY.pw_uid});"
        f"print(used({str(tmp_path / 'd')!r}))"
    )
    tmp_path.chmod(0o755)
    done = subprocess.run(["python3", "-c", script], capture_output=True, text=True, check=True)
    assert done.stdout == "None\n"


def test_nothing_is_left_mounted(prepared: Mount) -> None:
    prepared.mount()
    prepared.unmount()
    assert mounted_at(str(prepared.merged)) is None
    assert str(prepared.merged) not in unionfs("ps").stdout
