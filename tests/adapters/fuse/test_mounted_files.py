"""What programs see through a mount."""

from __future__ import annotations

import errno
import fcntl
import mmap
import os
import socket
import stat
import subprocess
import threading
from collections.abc import Callable
from pathlib import Path

import pytest
from mounts import Mount

from unionfs.adapters.fuse.openings import OPENED_OFTEN
from unionfs.adapters.mountinfo import mounted_at

Mounted = Callable[..., Path]


def test_the_kernel_knows_it_as_ours(mounted: Mounted) -> None:
    found = mounted_at(str(mounted()))
    assert found is not None
    assert found.type == "fuse.unionfs"


def test_files_are_created_read_written_renamed_and_removed(mounted: Mounted) -> None:
    root = mounted({"old": b"old", "dir/inner": b"inner"})
    (root / "new").write_bytes(b"new")
    (root / "old").write_bytes(b"changed")
    (root / "dir").rename(root / "moved")
    (root / "new").rename(root / "moved/new")
    assert sorted(os.listdir(root)) == ["moved", "old"]
    assert sorted(os.listdir(root / "moved")) == ["inner", "new"]
    assert (root / "old").read_bytes() == b"changed"
    assert (root / "moved/inner").read_bytes() == b"inner"
    (root / "old").unlink()
    (root / "moved/inner").unlink()
    (root / "moved/new").unlink()
    (root / "moved").rmdir()
    assert os.listdir(root) == []


def test_the_lower_layer_is_left_alone(mounted: Mounted, tmp_path: Path) -> None:
    root = mounted({"file": b"data"})
    (root / "file").write_bytes(b"else")
    (root / "file").unlink()
    assert (tmp_path / "lower/file").read_bytes() == b"data"


def as_somebody(command: str, cwd: Path) -> subprocess.CompletedProcess[str]:
    """Run a shell command in `cwd`, whatever may not be entered above it."""
    setpriv = ["setpriv", "--reuid=1234", "--regid=4321", "--clear-groups"]
    return subprocess.run(
        [*setpriv, "sh", "-c", command], cwd=cwd, capture_output=True, text=True, check=False
    )


def test_umask_and_owner_are_the_callers(mounted: Mounted) -> None:
    root = mounted()
    root.chmod(0o777)
    assert as_somebody("umask 027; mkdir d; : > f; mkfifo p; ln -s x l", root).stderr == ""
    modes = {name: (root / name).lstat().st_mode for name in "dfpl"}
    assert modes == {
        "d": stat.S_IFDIR | 0o750,
        "f": stat.S_IFREG | 0o640,
        "p": stat.S_IFIFO | 0o640,
        "l": stat.S_IFLNK | 0o777,
    }
    assert {((root / name).lstat().st_uid, (root / name).lstat().st_gid) for name in "dfpl"} == {(1234, 4321)}


def test_the_kernel_checks_permissions(mounted: Mounted) -> None:
    root = mounted({"open": b"open", "secret": b"secret"})
    (root / "secret").chmod(0o600)
    done = as_somebody("cat open secret", root)
    assert done.stdout == "open"
    assert "secret: Permission denied" in done.stderr


def test_names_may_be_any_bytes(mounted: Mounted) -> None:
    root = os.fsencode(mounted())
    name = bytes(byte for byte in range(1, 256) if byte != ord("/"))
    with open(root + b"/" + name, "wb") as file:
        file.write(b"x")
    os.symlink(b"\xff\xfe->\xe4", root + b"/\xfc")
    assert sorted(os.listdir(root)) == sorted([name, b"\xfc"])
    assert os.readlink(root + b"/\xfc") == b"\xff\xfe->\xe4"


def test_too_long_a_name(mounted: Mounted) -> None:
    root = mounted()
    (root / ("n" * 255)).touch()
    with pytest.raises(OSError, match="too long") as failure:
        (root / ("n" * 256)).touch()
    assert failure.value.errno == errno.ENAMETOOLONG


def test_xattrs(mounted: Mounted) -> None:
    file = mounted({"f": b""}) / "f"
    os.setxattr(file, "user.one", b"1\0\xff")
    os.setxattr(file, "user.empty", b"")
    os.setxattr(file, b"user.\xff", b"2")
    os.setxattr(file, "trusted.three", b"3")
    assert sorted(os.listxattr(os.fsencode(file))) == sorted(
        ["user.one", "user.empty", os.fsdecode(b"user.\xff"), "trusted.three"]
    )
    assert os.getxattr(file, "user.one") == b"1\0\xff"
    assert os.getxattr(file, "user.empty") == b""
    with pytest.raises(FileExistsError):
        os.setxattr(file, "user.one", b"", os.XATTR_CREATE)
    os.removexattr(file, "user.one")
    with pytest.raises(OSError, match="No data available"):
        os.getxattr(file, "user.one")


def test_times_have_nanoseconds_and_can_be_set_one_by_one(mounted: Mounted) -> None:
    file = mounted({"f": b""}) / "f"
    os.utime(file, ns=(1_000_000_001, -5_000_000_007))
    assert (file.stat().st_atime_ns, file.stat().st_mtime_ns) == (1_000_000_001, -5_000_000_007)
    subprocess.run(["touch", "-m", "-d", "@9.000000009", str(file)], check=True)
    assert (file.stat().st_atime_ns, file.stat().st_mtime_ns) == (1_000_000_001, 9_000_000_009)


def test_time_never_runs_backwards(mounted: Mounted) -> None:
    root = mounted({"f": b"", "g": b""})
    times = []
    for _ in range(100):
        os.utime(root / "f")
        times.append((root / "f").stat().st_mtime_ns)
        (root / "g").write_bytes(b"x")
        times.append((root / "g").stat().st_mtime_ns)
    assert times == sorted(times)


def test_the_time_of_access_is_that_of_the_upper_file(mounted: Mounted, tmp_path: Path) -> None:
    """The kernel may move it without our being told."""
    root = mounted()
    (root / "file").write_bytes(b"data")

    def moved(read: Callable[[int], object]) -> bool:
        os.utime(root / "file", (1, 1))
        fd = os.open(root / "file", os.O_RDONLY)
        os.fstat(fd)
        read(fd)
        assert os.fstat(fd).st_atime_ns == (tmp_path / "upper/file").stat().st_atime_ns
        os.close(fd)
        assert (root / "file").stat().st_atime_ns == (tmp_path / "upper/file").stat().st_atime_ns
        return (root / "file").stat().st_atime != 1

    assert not moved(lambda fd: None)
    assert moved(lambda fd: os.read(fd, 4)) == moved(lambda fd: mmap.mmap(fd, 0, prot=mmap.PROT_READ)[0])


def test_a_hard_links_attributes_are_seen_under_every_name(mounted: Mounted) -> None:
    root = mounted({"one": b"data"})
    os.link(root / "one", root / "two")
    os.stat(root / "one")
    (root / "two").chmod(0o604)
    with (root / "two").open("ab") as file:
        file.write(b" and more")
    one, two = (root / "one").stat(), (root / "two").stat()
    assert (one.st_ino, one.st_nlink, one.st_mode, one.st_size) == (two.st_ino, 2, stat.S_IFREG | 0o604, 13)
    assert (root / "one").read_bytes() == b"data and more"


def test_appends_through_two_names_do_not_overwrite_each_other(mounted: Mounted) -> None:
    root = mounted({"one": b""})
    os.link(root / "one", root / "two")
    with (root / "one").open("ab", 0) as one, (root / "two").open("ab", 0) as two:
        one.write(b"1")
        two.write(b"22")
        one.write(b"333")
    assert (root / "one").read_bytes() == b"122333"


def test_truncating_opens_and_exclusive_creation(mounted: Mounted) -> None:
    root = mounted({"f": b"content"})
    with (root / "f").open("r+b") as file:
        file.truncate(3)
        assert (root / "f").read_bytes() == b"con"
    os.truncate(root / "f", 1)
    assert (root / "f").read_bytes() == b"c"
    os.close(os.open(root / "f", os.O_RDWR | os.O_TRUNC))
    assert (root / "f").stat().st_size == 0
    with pytest.raises(FileExistsError):
        os.open(root / "f", os.O_CREAT | os.O_EXCL)


def test_a_removed_file_lives_until_it_is_closed(mounted: Mounted, tmp_path: Path) -> None:
    root = mounted({"d/f": b"0123"})
    with (root / "d/f").open("r+b", 0) as file:
        (root / "d/f").unlink()
        assert os.listdir(root / "d") == []
        assert not [name for name in os.listdir(tmp_path / "upper/d") if name.startswith(".fuse")]
        os.fchmod(file.fileno(), 0o600)
        file.write(b"ab")
        file.truncate(3)
        assert os.pread(file.fileno(), 10, 0) == b"ab2"
        assert (os.fstat(file.fileno()).st_size, os.fstat(file.fileno()).st_nlink) == (3, 0)
        (root / "d/f").write_bytes(b"another")
        assert os.pread(file.fileno(), 10, 0) == b"ab2"
    assert (root / "d/f").read_bytes() == b"another"


def test_a_removed_name_takes_one_link_off(mounted: Mounted) -> None:
    root = mounted({"one": b""})
    os.link(root / "one", root / "two")
    os.link(root / "one", root / "three")
    with (root / "one").open("rb") as file:
        (root / "one").unlink()
        assert os.fstat(file.fileno()).st_nlink == (root / "two").stat().st_nlink == 2


def test_a_removed_files_directory_can_be_removed(mounted: Mounted) -> None:
    root = mounted()
    (root / "d").mkdir()
    with (root / "d/f").open("w+b", 0) as file:
        (root / "d/f").unlink()
        (root / "d").rmdir()
        file.write(b"x")
        assert os.pread(file.fileno(), 10, 0) == b"x"
    assert os.listdir(root) == []


def test_a_file_that_was_renamed_over_lives_until_it_is_closed(mounted: Mounted) -> None:
    root = mounted({"a": b"a", "b": b"b"})
    with (root / "b").open("rb") as file:
        (root / "a").rename(root / "b")
        assert file.read() == b"b"
        assert os.fstat(file.fileno()).st_nlink == 0
    assert os.listdir(root) == ["b"]
    assert (root / "b").read_bytes() == b"a"


def test_a_name_like_libfuses_own_is_an_ordinary_name(mounted: Mounted) -> None:
    root = mounted({"f": b"x"})
    name = ".fuse_hidden0000000100000001"
    (root / "f").rename(root / name)
    assert os.listdir(root) == [name]
    (root / name).unlink()
    assert os.listdir(root) == []


def test_an_open_file_renamed_onto_another_of_its_names(mounted: Mounted) -> None:
    root = mounted({"one": b"data", "d/x": b""})
    os.link(root / "one", root / "two")
    os.link(root / "one", root / "d/three")
    with (root / "two").open("rb"), (root / "d/three").open("rb"):
        os.rename(root / "one", root / "two")  # rename(2) does nothing then
        os.rename(root / "two", root / "d/three")
        assert sorted(os.listdir(root)) == ["d", "one", "two"]
        assert os.stat(root / "one").st_nlink == 3
        (root / "two").unlink()
        os.rename(root / "one", root / "two")  # but it does where the other name has gone
        assert sorted(os.listdir(root)) == ["d", "two"]
    assert (root / "d/three").read_bytes() == b"data"


def test_a_reader_from_before_the_copy_up_sees_what_is_written(mounted: Mounted) -> None:
    root = mounted({"f": b"before"})
    with (root / "f").open("rb", 0) as reader:
        view = mmap.mmap(reader.fileno(), 0, prot=mmap.PROT_READ)
        assert view[:] == b"before"
        with (root / "f").open("r+b", 0) as writer:
            writer.write(b"after!")
        assert os.pread(reader.fileno(), 10, 0) == b"after!"
        assert view[:] == b"after!"
        view.close()


def test_a_large_listing_agrees_with_stat(mounted: Mounted) -> None:
    root = mounted({f"file-{number:05}": b"" for number in range(3000)})
    with os.scandir(root) as entries:
        listed = {entry.name: entry.inode() for entry in entries}
    assert len(listed) == 3000
    assert all((root / name).stat().st_ino == ino for name, ino in listed.items())


def test_devices_fifos_and_sockets(mounted: Mounted) -> None:
    root = mounted()
    number = os.makedev(259, 70_000)
    os.mknod(root / "device", stat.S_IFBLK | 0o600, number)
    os.mkfifo(root / "fifo")
    with socket.socket(socket.AF_UNIX) as server:
        server.bind(str(root / "s"))
    assert (root / "device").stat().st_rdev == number
    assert [stat.S_IFMT((root / name).stat().st_mode) for name in ("device", "fifo", "s")] == [
        stat.S_IFBLK,
        stat.S_IFIFO,
        stat.S_IFSOCK,
    ]
    with pytest.raises(PermissionError):
        os.mknod(root / "whiteout", stat.S_IFCHR, 0)


def test_statfs_fsync_and_an_unknown_ioctl(mounted: Mounted, tmp_path: Path) -> None:
    root = mounted({"f": b""})
    assert os.statvfs(root).f_blocks == os.statvfs(tmp_path).f_blocks
    assert os.statvfs(root).f_namemax == 255
    with (root / "f").open("r+b", 0) as file:
        os.fsync(file.fileno())
        with pytest.raises(OSError, match="Inappropriate ioctl"):
            fcntl.ioctl(file.fileno(), 0x5401)
    directory = os.open(root, os.O_RDONLY)
    os.fsync(directory)
    os.close(directory)


def test_o_direct_and_large_writes(mounted: Mounted) -> None:
    root = mounted()
    block = mmap.mmap(-1, 1 << 20)
    block[:] = os.urandom(1 << 20)
    fd = os.open(root / "f", os.O_CREAT | os.O_RDWR | os.O_DIRECT)
    assert os.pwrite(fd, block, 0) == 1 << 20
    os.close(fd)
    assert (root / "f").read_bytes() == block[:]


def test_many_threads_at_once(mounted: Mounted) -> None:
    root = mounted({f"lower-{number}": b"lower" for number in range(20)})
    failures: list[BaseException] = []

    def work(number: int) -> None:
        try:
            for turn in range(20):
                mine = root / f"{number}-{turn}"
                mine.write_bytes(b"%d" % number * 1000)
                os.listdir(root)
                mine.rename(root / f"{number}-done")
                assert (root / f"{number}-done").read_bytes() == b"%d" % number * 1000
            with (root / f"lower-{number}").open("ab") as file:
                file.write(b" and upper")
        except BaseException as failure:  # noqa: BLE001 - handed to the main thread
            failures.append(failure)

    threads = [threading.Thread(target=work, args=(number,)) for number in range(20)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failures == []
    assert len(os.listdir(root)) == 40
    assert {(root / f"lower-{number}").read_bytes() for number in range(20)} == {b"lower and upper"}


def test_a_read_only_union_that_is_not_told_of_opening_any_more(prepared: Mount) -> None:
    names = [str(number) for number in range(2 * OPENED_OFTEN)]
    for name in names:
        (prepared.lower / name).write_text(name)
    prepared.words = f"lowerdir={prepared.lower}"
    prepared.mount()
    for name in (*names, *names):
        fd = os.open(prepared.merged / name, os.O_RDONLY)
        assert os.pread(fd, 9, 0).decode() == name
        assert os.lseek(fd, 0, os.SEEK_END) == len(name)
        os.close(fd)  # says EBADF if FLUSH is answered so
