"""How a mount begins and ends: readiness, waiting, signals, crashes, privileges."""

from __future__ import annotations

import json
import os
import signal
import stat
import subprocess
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path

import pytest
from mounts import COMMAND, NOBODY, Mount, as_nobody, eventually, unionfs

from unionfs.adapters.fuse import records
from unionfs.adapters.mountinfo import mounted_at


def test_a_mount_answers_once_the_command_has_returned(prepared: Mount) -> None:
    (prepared.lower / "f").write_bytes(b"here")
    prepared.mount()
    assert (prepared.merged / "f").read_bytes() == b"here"
    assert prepared.merged.stat().st_dev != prepared.lower.stat().st_dev


def test_the_daemon_does_not_hold_the_commands_output(prepared: Mount) -> None:
    # `unionfs` reads stdout and stderr to their end, which a daemon that keeps them would put off.
    done = unionfs("mount", "-o", prepared.words, prepared.merged)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


def test_relative_paths_and_a_source_before_the_mountpoint(prepared: Mount) -> None:
    (prepared.lower / "f").touch()
    words = "rw,lowerdir=lower,upperdir=upper,workdir=work,,volatile"
    subprocess.run(
        [*COMMAND, "mount", "overlay", "merged", "-o", words], cwd=prepared.merged.parent, check=True
    )
    assert os.listdir(prepared.merged) == ["f"]


def test_read_only_without_an_upper_and_with_ro(prepared: Mount) -> None:
    for words in (f"lowerdir={prepared.lower}", f"{prepared.words},ro"):
        assert unionfs("mount", "-o", words, prepared.merged).returncode == 0
        with pytest.raises(OSError, match="Read-only"):
            (prepared.merged / "f").touch()
        prepared.unmount()


def test_mountpoints_and_layers_may_have_any_name(prepared: Mount, tmp_path: Path) -> None:
    odd = os.fsdecode(b"\xff a:b,c\\d=e\n\xc3\xa9")
    for directory in (tmp_path / odd, tmp_path / odd / "lower"):
        directory.mkdir()
    prepared.merged = tmp_path / odd / "m"
    prepared.merged.mkdir()
    (tmp_path / odd / "lower/f").touch()
    lower = str(tmp_path / odd / "lower").replace("\\", "\\\\").replace(":", "\\:").replace(",", "\\,")
    done = unionfs("mount", "-o", f"lowerdir={lower}", prepared.merged)
    assert (done.returncode, done.stderr) == (0, "")
    assert os.listdir(prepared.merged) == ["f"]
    prepared.unmount()
    assert not mounted_at(str(prepared.merged))


def test_mounts_are_listed_with_their_layers(prepared: Mount) -> None:
    prepared.mount()
    lines = [line for line in unionfs("mount").stdout.splitlines() if str(prepared.merged) in line]
    assert lines == [f"unionfs on {prepared.merged} type fuse.unionfs (rw,{prepared.words})"]


def test_umount_waits_until_the_daemon_has_finished(prepared: Mount) -> None:
    for _ in range(3):
        prepared.mount()
        (prepared.merged / "f").write_bytes(b"x" * 1_000_000)
        prepared.unmount()
        assert records.find(str(prepared.merged)) is None
        assert (prepared.upper / "f").stat().st_size == 1_000_000


def test_a_busy_mount_is_not_unmounted_unless_lazily(prepared: Mount) -> None:
    prepared.mount()
    daemon = prepared.pid
    with (prepared.merged / "f").open("wb", 0) as file:
        done = unionfs("umount", prepared.merged)
        assert done.returncode == 1
        assert done.stderr == f"unionfs umount: {prepared.merged}: Device or resource busy\n"
        assert unionfs("umount", "-l", prepared.merged).returncode == 0
        assert os.listdir(prepared.merged) == []
        file.write(b"still")
    eventually(lambda: not os.path.exists(f"/proc/{daemon}"))
    assert (prepared.upper / "f").read_bytes() == b"still"


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT, signal.SIGHUP])
def test_a_signal_ends_a_mount(prepared: Mount, number: signal.Signals) -> None:
    prepared.mount()
    (prepared.merged / "f").write_bytes(b"x")
    record = records.find(str(prepared.merged))
    assert record is not None
    os.kill(record.pid, number)
    records.wait_until_gone(record)
    assert mounted_at(str(prepared.merged)) is None
    assert (prepared.upper / "f").read_bytes() == b"x"


def test_the_next_mount_recovers_a_killed_daemons_mountpoint(prepared: Mount) -> None:
    prepared.mount()
    (prepared.merged / "f").write_bytes(b"kept")
    prepared.kill()
    with pytest.raises(OSError, match="Transport endpoint is not connected"):
        os.listdir(prepared.merged)
    prepared.mount()
    assert (prepared.merged / "f").read_bytes() == b"kept"


def test_umount_recovers_a_killed_daemons_mountpoint(prepared: Mount) -> None:
    prepared.mount()
    prepared.kill()
    prepared.unmount()
    assert mounted_at(str(prepared.merged)) is None
    assert os.listdir(prepared.merged) == []
    assert str(prepared.merged) not in unionfs("mount").stdout


def test_foreground_stays_until_it_is_unmounted(prepared: Mount) -> None:
    command = [*COMMAND, "mount", "-f", "-o", prepared.words, str(prepared.merged)]
    with subprocess.Popen(command, stderr=subprocess.PIPE) as process:
        eventually(lambda: mounted_at(str(prepared.merged)) is not None)
        (prepared.merged / "f").touch()
        assert process.poll() is None
        prepared.unmount()
        assert process.wait(20) == 0
        assert process.stderr is not None
        assert process.stderr.read() == b""


def test_devices_and_set_id_bits_work_for_root(prepared: Mount) -> None:
    prepared.mount()
    os.mknod(prepared.merged / "null", stat.S_IFCHR | 0o666, os.makedev(1, 3))
    (prepared.merged / "null").write_bytes(b"gone")
    assert not os.statvfs(prepared.merged).f_flag & (os.ST_NOSUID | os.ST_NODEV)


def test_an_unprivileged_user_can_mount_change_and_unmount(
    ours: Mount, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(ours.lower.parent / "runtime"))
    (ours.lower / "f").write_bytes(b"lower")
    mounted = as_nobody("mount", "--transport", ours.transport, "-o", ours.words, ours.merged)
    assert (mounted.returncode, mounted.stderr) == (0, "")
    script = f"cd {ours.merged} && rm f && mkdir d && echo x > d/f && chmod 640 d/f && cat d/f"
    setpriv = ["setpriv", f"--reuid={NOBODY.pw_uid}", f"--regid={NOBODY.pw_gid}", "--clear-groups"]
    changed = subprocess.run([*setpriv, "sh", "-c", script], capture_output=True, text=True, check=False)
    assert (changed.stdout, changed.stderr) == ("x\n", "")
    diff = as_nobody("diff", ours.merged)
    assert (diff.stdout, diff.stderr) == ("A /d\nA /d/f\nD /f\n", "")
    unmounted = as_nobody("umount", ours.merged)
    assert (unmounted.returncode, unmounted.stderr) == (0, "")
    assert mounted_at(str(ours.merged)) is None
    assert (ours.upper / "d/f").stat().st_uid == NOBODY.pw_uid


def test_a_killed_daemon_of_an_unprivileged_user_leaves_no_mount(
    ours: Mount, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(ours.lower.parent / "runtime"))
    assert as_nobody("mount", "--transport", ours.transport, "-o", ours.words, ours.merged).returncode == 0
    rows = map(json.loads, as_nobody("ps", "--json").stdout.splitlines())
    (pid,) = (row["pid"] for row in rows if row["mountpoint"] == str(ours.merged))
    os.kill(pid, signal.SIGKILL)
    eventually(lambda: mounted_at(str(ours.merged)) is None)


def test_where_mounting_is_refused_one_line_says_why(ours: Mount, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(ours.lower.parent / "runtime"))
    os.chown(ours.merged, 0, 0)
    done = as_nobody("mount", "--transport", ours.transport, "-o", ours.words, ours.merged)
    assert (done.returncode, done.stderr.count("\n")) == (1, 1)
    assert "no write access to mountpoint" in done.stderr
    assert os.listdir(ours.lower.parent / "runtime/unionfs") == []


def test_a_killed_mount_is_replaced_though_the_kernel_remembers_it(prepared: Mount) -> None:
    prepared.mount()
    prepared.merged.lstat()  # the root's attributes are kept by the kernel now
    prepared.kill()
    prepared.mount()
    assert os.listdir(prepared.merged) == []


def test_a_mount_of_another_version_is_listed(prepared: Mount) -> None:
    prepared.mount()
    (path,) = Path(records.runtime_directory()).glob("*.json")
    with path.open("r+b") as file:  # the daemon has it locked, and keeps it
        text = file.read().replace(b'"userxattr"', b'"from_another_version": 1, "userxattr"')
        file.seek(0)
        file.write(text)
    assert [record.mountpoint for record in records.living()] == [str(prepared.merged)]


def test_a_record_may_go_while_others_are_looked_for(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(tmp_path))
    (Path(records.runtime_directory()) / "1.json").write_text("{}")
    listed = os.scandir

    def ending(directory: str) -> AbstractContextManager[list[os.DirEntry[str]]]:
        with listed(directory) as entries:
            found = list(entries)
        for entry in found:
            os.unlink(entry.path)
        return nullcontext(found)

    monkeypatch.setattr(os, "scandir", ending)
    assert records.living() == []
