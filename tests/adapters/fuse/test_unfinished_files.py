"""Files whose data comes behind their writer, on real mounts: killed, out of room, read by the kernel."""

from __future__ import annotations

import mmap
import os
import random
import shutil
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest
from mounts import Mount, eventually, unionfs

from unionfs.adapters.fuse import records

MIB = 1 << 20
LARGE = 24 * MIB + 123
Mounted = Callable[..., Path]


def some_data(size: int = LARGE, seed: int = 0) -> bytes:
    return random.Random(seed).randbytes(size)


def marked(file: Path) -> bool:
    return any(name.endswith(".metacopy") for name in os.listxattr(file))


def write_at(file: Path, data: bytes, offset: int) -> None:
    with file.open("r+b", 0) as opened:
        assert os.pwrite(opened.fileno(), data, offset) == len(data)


def written(model: bytes, data: bytes, offset: int) -> bytes:
    return model[:offset].ljust(offset, b"\0") + data + model[offset + len(data) :]


# One truth, over both transports


def test_mmap_reads_and_writes_while_a_file_is_unfinished(mounted: Mounted) -> None:
    model = some_data()
    root = mounted({"f": model})
    with (root / "f").open("rb", 0) as early:
        seen = mmap.mmap(early.fileno(), 0, prot=mmap.PROT_READ)
        assert seen[5 * MIB : 5 * MIB + 9] == model[5 * MIB : 5 * MIB + 9]
        write_at(root / "f", b"through write", 5 * MIB)
        model = written(model, b"through write", 5 * MIB)
        with (root / "f").open("r+b", 0) as late, mmap.mmap(late.fileno(), 0) as pages:
            pages[9 * MIB - 3 : 9 * MIB + 4] = b"through"
            pages.flush()
            model = written(model, b"through", 9 * MIB - 3)
            assert seen[9 * MIB - 3 : 9 * MIB + 4] == b"through"
        assert seen[5 * MIB : 5 * MIB + 13] == b"through write"
        assert (root / "f").read_bytes() == model
        seen.close()


def test_fsync_returns_once_the_file_is_whole(mounted: Mounted, prepared: Mount) -> None:
    model = some_data()
    root = mounted({"f": model})
    with (root / "f").open("r+b", 0) as file:
        file.write(b"changed")
        os.fsync(file.fileno())
        assert not marked(prepared.upper / "f")
        assert (prepared.upper / "f").read_bytes() == written(model, b"changed", 0)


def test_unmounting_completes_and_leaves_nothing_beside(mounted: Mounted, prepared: Mount) -> None:
    models = {f"f{number}": some_data(seed=number) for number in range(3)}
    root = mounted(models)
    for name, model in models.items():
        write_at(root / name, name.encode(), 3 * MIB)
        models[name] = written(model, name.encode(), 3 * MIB)
    prepared.unmount()
    for name, model in models.items():
        assert not marked(prepared.upper / name)
        assert (prepared.upper / name).read_bytes() == model
    assert sorted(os.listdir(prepared.work)) == ["index", "work"]


# Killed


def test_killed_and_mounted_again(mounted: Mounted, prepared: Mount) -> None:
    """At random moments, over and over: what had returned is there once the mount answers."""
    moments = random.Random(1)
    models = {name: some_data(seed=seed) for seed, name in enumerate(("f", "moved", "cut", "appended"))}
    root = mounted(dict(models))
    for number in range(6):
        data, offset = b"round %d" % number, moments.randrange(LARGE)
        write_at(root / "f", data, offset)
        models["f"] = written(models["f"], data, offset)
        write_at(root / "moved", data, 4096 * number - 4 if number else 0)
        models["moved"] = written(models["moved"], data, 4096 * number - 4 if number else 0)
        (root / "moved").rename(root / "other")
        os.truncate(root / "cut", LARGE - (number + 1) * MIB)
        models["cut"] = models["cut"][: LARGE - (number + 1) * MIB]
        with (root / "appended").open("ab", 0) as file:
            file.write(data)
        models["appended"] += data
        (root / "other").rename(root / "moved")
        time.sleep(moments.random() / 50)
        prepared.kill()
        prepared.mount()
        for name, model in models.items():
            assert (root / name).read_bytes() == model, (number, name)
            assert not marked(prepared.upper / name)
    prepared.unmount()
    assert sorted(os.listdir(prepared.work)) == ["index", "work"]


def test_fsck_finishes_what_was_killed(mounted: Mounted, prepared: Mount) -> None:
    model = some_data(200 * MIB)
    root = mounted({"d/f": model})
    write_at(root / "d/f", b"changed", 7)
    prepared.kill()
    subprocess.run(["umount", "-l", str(prepared.merged)], check=True)
    assert marked(prepared.upper / "d/f")
    words = f"lowerdir={prepared.lower},workdir={prepared.work}"
    done = unionfs("fsck", "-o", words, prepared.upper)
    assert (done.returncode, done.stdout, done.stderr) == (0, "finished d/f\n", "")
    assert (prepared.upper / "d/f").read_bytes() == written(model, b"changed", 7)
    assert not marked(prepared.upper / "d/f")
    assert unionfs("fsck", "-o", words, prepared.upper).stdout == ""


def test_a_volatile_mount_that_was_killed_is_not_trusted(mounted: Mounted, prepared: Mount) -> None:
    prepared.words += ",volatile"
    root = mounted({"f": some_data()})
    write_at(root / "f", b"changed", 7)
    assert (prepared.work / "work/incompat/volatile").is_dir()
    prepared.unmount()
    prepared.mount()
    assert (root / "f").read_bytes()[7:14] == b"changed"
    prepared.kill()
    done = unionfs("mount", "-o", prepared.words, prepared.merged)
    assert done.returncode == 1
    assert "used by a volatile mount that was not unmounted" in done.stderr
    (prepared.work / "work/incompat/volatile").rmdir()
    prepared.mount()


# Room, and none


@contextmanager
def file_system(directory: Path, kind: str, mebibytes: int) -> Iterator[Path]:
    """A file system of its own, in a file."""
    image, place = directory / f"{kind}.image", directory / kind
    place.mkdir()
    with image.open("wb") as file:
        file.truncate(mebibytes * MIB)
    subprocess.run([f"mkfs.{kind}", "-q", str(image)], check=True)
    subprocess.run(["mount", "-o", "loop", str(image), str(place)], check=True)
    try:
        yield place
    finally:
        subprocess.run(["umount", "-l", str(place)], check=True)


def use_layers_in(mount: Mount, place: Path) -> None:
    """Have upper and work directory there."""
    mount.upper, mount.work = place / "upper", place / "work"
    mount.upper.mkdir()
    mount.work.mkdir()
    mount.words = f"lowerdir={mount.lower},upperdir={mount.upper},workdir={mount.work}"


def test_no_room_is_told_and_nothing_is_lost(prepared: Mount, mounted: Mounted, tmp_path: Path) -> None:
    model = some_data()
    with file_system(tmp_path, "ext4", 40) as place:
        use_layers_in(prepared, place)
        root = mounted({"f": model, "small": b"small"})
        (place / "filler").write_bytes(bytes(16 * MIB))
        fd = os.open(root / "f", os.O_RDWR)
        os.write(fd, b"acknowledged")
        model = written(model, b"acknowledged", 0)
        with pytest.raises(OSError, match="No space"):
            os.fsync(fd)
        assert (root / "f").read_bytes() == model
        with suppress(OSError):  # the background may have tried, and failed, once more
            os.close(fd)
        (root / "small").write_bytes(b"usable")
        done = unionfs("umount", prepared.merged)
        assert done.returncode == 1
        assert "No space left on device; the next mount goes on" in done.stderr
        assert marked(prepared.upper / "f")
        prepared.mount()
        assert (root / "f").read_bytes() == model
        assert (root / "small").read_bytes() == b"usable"
        (place / "filler").unlink()
        prepared.unmount()
        assert (prepared.upper / "f").read_bytes() == model
        assert not marked(prepared.upper / "f")
        assert (prepared.lower / "f").read_bytes() == some_data()


def used(place: Path) -> int:
    """Bytes taken of a file system."""
    subprocess.run(["sync", "-f", str(place)], check=True)
    stat = os.statvfs(place)
    return (stat.f_blocks - stat.f_bfree) * stat.f_frsize


@pytest.mark.parametrize("kind", ["btrfs", "xfs"])
@pytest.mark.parametrize("mode", ["auto", "eager", "lazy"])
def test_data_is_shared_where_it_can_be(prepared: Mount, tmp_path: Path, kind: str, mode: str) -> None:
    model = some_data(64 * MIB)
    with file_system(tmp_path, kind, 400) as place:
        prepared.lower = place / "lower"
        prepared.lower.mkdir()
        use_layers_in(prepared, place)
        prepared.words += f",copy_up={mode}"
        (prepared.lower / "f").write_bytes(model)
        prepared.mount()
        before = used(place)
        write_at(prepared.merged / "f", b"changed", 9 * MIB)
        os.truncate(prepared.merged / "f", 60 * MIB)
        prepared.unmount()
        assert used(place) - before < 4 * MIB
        assert (prepared.upper / "f").read_bytes() == written(model, b"changed", 9 * MIB)[: 60 * MIB]
        assert not marked(prepared.upper / "f")


# What the kernel makes of the upper that is left


@contextmanager
def by_the_kernel(mount: Mount, words: str) -> Iterator[Path]:
    place = mount.merged.parent / "kernel"
    place.mkdir()
    subprocess.run(["mount", "-t", "overlay", "overlay", "-o", f"{mount.words},{words}", place], check=True)
    try:
        yield place
    finally:
        subprocess.run(["umount", place], check=True)


def contents(root: Path) -> dict[str, bytes | None]:
    return {
        str(path.relative_to(root)): path.read_bytes() if path.is_file() else None for path in root.rglob("*")
    }


def change_everything(root: Path) -> None:
    write_at(root / "written", b"changed", 5 * MIB)
    (root / "chmod").chmod(0o400)
    (root / "renamed").rename(root / "new name")
    (root / "d/e").rename(root / "moved")
    (root / "d").rename(root / "moved d")
    os.truncate(root / "cut", 3 * MIB)
    (root / "gone").unlink()
    (root / "linked").chmod(0o640)
    (root / "moved/in e").chmod(0o600)


LOWER = {
    **{name: some_data(8 * MIB, seed=7) for name in ("written", "chmod", "renamed", "cut", "gone", "linked")},
    "d/e/in e": b"in e",
    "d/in d": b"in d",
    "d/e/deep/er": b"deeper",
}


@pytest.mark.parametrize("mode", ["auto", "eager", "lazy"])
def test_the_kernel_reads_what_is_left(prepared: Mount, mounted: Mounted, mode: str) -> None:
    prepared.words += f",copy_up={mode}"
    root = mounted(LOWER)
    change_everything(root)
    ours = contents(root)
    prepared.unmount()
    prepared.words = prepared.words.removesuffix(f",copy_up={mode}")
    with by_the_kernel(prepared, "metacopy=on,redirect_dir=on,index=on") as kernel:
        assert contents(kernel) == ours


@pytest.mark.parametrize("never", [False, True])
def test_the_kernel_reads_what_is_left_with_userxattr(prepared: Mount, mounted: Mounted, never: bool) -> None:
    """Made plain before unmounting returns, or never marked."""
    words = prepared.words
    prepared.words += ",userxattr" + (",metacopy=off,redirect_dir=off" if never else "")
    root = mounted(LOWER)
    change_everything(root)
    if never:
        assert not any(marked(path) for path in prepared.upper.rglob("*") if path.is_file())
    ours = contents(root)
    prepared.unmount()
    prepared.words = words
    with by_the_kernel(prepared, "userxattr") as kernel:
        assert contents(kernel) == ours
    assert not any(marked(path) for path in prepared.upper.rglob("*") if path.is_file())


def test_what_is_made_plain_keeps_its_numbers(prepared: Mount, mounted: Mounted) -> None:
    prepared.words += ",userxattr"
    root = mounted({"dir/sub/file": b"lower", "dir/other": b"lower"})
    (root / "dir/sub").rename(root / "dir/renamed")
    (root / "dir").rename(root / "moved")
    (root / "dir").mkdir()
    numbers = {path: path.stat().st_ino for path in root.rglob("*")}
    assert len(set(numbers.values())) == len(numbers) == 5
    prepared.unmount()
    prepared.mount()
    assert {path: path.stat().st_ino for path in root.rglob("*")} == numbers


def test_fsck_makes_any_upper_one_for_the_kernel(prepared: Mount, mounted: Mounted) -> None:
    words = prepared.words
    prepared.words += ",userxattr,metacopy=on,redirect_dir=on"
    root = mounted(LOWER)
    change_everything(root)
    ours = contents(root)
    prepared.unmount()
    assert marked(prepared.upper / "chmod")
    lower = f"lowerdir={prepared.lower},workdir={prepared.work},userxattr"
    assert unionfs("fsck", "--for-kernel", prepared.upper, "-o", lower).returncode == 0
    prepared.words = words
    with by_the_kernel(prepared, "userxattr") as kernel:
        assert contents(kernel) == ours


def test_a_work_directory_that_is_removed_before_the_daemon_has_ended(
    mounted: Mounted, prepared: Mount
) -> None:
    prepared.words += ",volatile"
    root = mounted({"file": b"lower"})
    pid = prepared.pid
    with (root / "file").open("rb"):
        subprocess.run(["umount", "-l", str(root)], check=True)
        shutil.rmtree(prepared.work)
    eventually(lambda: not Path(f"/proc/{pid}").exists())
    assert [path.name for path in Path(records.runtime_directory()).iterdir()] == []
