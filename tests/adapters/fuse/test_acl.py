"""POSIX ACLs through a mount: as on a plain directory of the host, which is given the same commands."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest
from mounts import Mount

from unionfs.adapters.fuse import transports
from unionfs.core import acl
from unionfs.core.acl import Acl, Entry, Tag

Mounted = Callable[..., Path]

native = pytest.mark.parametrize("prepared", [transports.NATIVE], indirect=True)

USER, GROUP = 1234, 4321
SHARED: Acl = (
    Entry(Tag.USER_OBJ, 7),
    Entry(Tag.USER, 7, USER),
    Entry(Tag.GROUP_OBJ, 5),
    Entry(Tag.MASK, 7),
    Entry(Tag.OTHER, 0),
)


def give(path: Path, name: bytes, entries: Acl) -> None:
    os.setxattr(path, name, acl.serialise(entries))


def acl_of(path: Path, name: bytes = acl.ACCESS) -> Acl:
    return acl.parse(os.getxattr(path, name)) if name.decode() in os.listxattr(path) else ()


def as_somebody(command: str, cwd: Path) -> str:
    """What a shell command in `cwd` complains about."""
    setpriv = ["setpriv", f"--reuid={USER}", f"--regid={GROUP}", "--clear-groups"]
    done = subprocess.run(
        [*setpriv, "sh", "-c", command], cwd=cwd, capture_output=True, text=True, check=False
    )
    return done.stderr


Rows = dict[str, tuple[int, Acl, Acl]]


def rows(root: Path) -> Rows:
    """Mode and ACLs of everything below a directory."""
    paths = [path for path in sorted(root.rglob("*")) if not path.is_symlink()]
    return {
        str(path.relative_to(root)): (path.stat().st_mode, acl_of(path), acl_of(path, acl.DEFAULT))
        for path in paths
    }


MAKING = """
umask 077
: > d/file; mkdir d/sub d/sub/sub; mkfifo d/fifo; ln -s file d/link; mkdir d/sub/sub/x
: > d/sub/file; cp -p d/file d/copied; mv d/low d/moved; chmod 640 d/sub/file
umask 022; : > plain; mkdir plaindir
"""


@native
def test_everything_new_inherits_as_on_the_host(mounted: Mounted, tmp_path: Path) -> None:
    root = mounted({"d/low": b"low"})
    plain = tmp_path / "plain"
    (plain / "d").mkdir(parents=True)
    (plain / "d/low").write_bytes(b"low")
    for directory in (root, plain):
        give(directory / "d", acl.DEFAULT, SHARED)
        subprocess.run(["sh", "-ec", MAKING], cwd=directory, check=True)
    assert rows(root) == rows(plain)


@native
def test_a_file_without_a_name_inherits_too(mounted: Mounted) -> None:
    root = mounted({"d/low": b""})
    give(root / "d", acl.DEFAULT, SHARED)
    fd = os.open(root / "d", os.O_TMPFILE | os.O_RDWR, 0o666)
    try:
        assert acl.parse(os.getxattr(fd, acl.ACCESS)) == acl.with_mode(SHARED, 0o660)
    finally:
        os.close(fd)


@native
def test_the_kernel_lets_in_whom_the_acl_names(mounted: Mounted) -> None:
    root = mounted({"d/secret": b"secret"})
    (root / "d").chmod(0o700)
    (root / "d/secret").chmod(0o600)
    assert "denied" in as_somebody("cat d/secret", root)
    give(root / "d", acl.ACCESS, SHARED)
    give(root / "d", acl.DEFAULT, SHARED)
    assert "denied" in as_somebody("cat d/secret", root)
    give(root / "d/secret", acl.ACCESS, SHARED)
    (root / "d/later").write_bytes(b"later")
    assert as_somebody("cat d/secret; echo more >> d/secret; cat d/later; : > d/own", root) == ""
    (root / "d/secret").chmod(0o600)
    assert "denied" in as_somebody("cat d/secret", root)
    os.removexattr(root / "d", acl.ACCESS)
    (root / "d").chmod(0o700)
    assert "denied" in as_somebody("cat d/later", root)


@native
def test_an_acl_of_a_lower_file_counts_and_is_copied_up(prepared: Mount) -> None:
    lower = prepared.lower / "file"
    lower.write_bytes(b"low")
    give(lower, acl.ACCESS, SHARED)
    lower.chmod(0o600)
    prepared.mount()
    file = prepared.merged / "file"
    assert acl_of(file) == acl.with_mode(SHARED, 0o600)
    assert "denied" in as_somebody("cat file", prepared.merged)
    file.chmod(0o770)
    assert acl_of(file) == SHARED
    assert as_somebody("cat file; echo more >> file", prepared.merged) == ""
    prepared.unmount()
    prepared.mount()
    assert (acl_of(file), file.read_bytes()) == (SHARED, b"lowmore\n")
    assert acl_of(lower) == acl.with_mode(SHARED, 0o600)


@native
def test_setting_an_acl_shows_in_the_mode_at_once(mounted: Mounted) -> None:
    file = mounted({"file": b""}) / "file"
    file.chmod(0o2755)
    give(file, acl.ACCESS, SHARED)
    assert file.stat().st_mode & 0o7777 == 0o2770
    give(file, acl.ACCESS, (SHARED[0], SHARED[2], SHARED[4]))
    assert file.stat().st_mode & 0o7777 == 0o2750
    assert acl_of(file) == ()


@native
def test_who_is_not_in_the_group_loses_setgid_with_an_acl(mounted: Mounted) -> None:
    root = mounted({"file": b""})
    os.chown(root / "file", USER, 5)
    (root / "file").chmod(0o2755)
    value = acl.serialise(SHARED).hex()
    command = f"import os; os.setxattr('file', {acl.ACCESS!r}, bytes.fromhex('{value}'))"
    assert as_somebody(f'/usr/bin/env python3 -I -S -c "{command}"', root) == ""
    assert (root / "file").stat().st_mode & 0o7777 == 0o770


@pytest.mark.parametrize("prepared", [transports.FUSEPY], indirect=True)
def test_what_nobody_would_check_cannot_be_set(mounted: Mounted) -> None:
    """libfuse 2 cannot have the kernel check ACLs."""
    root = mounted({"file": b"low"})
    with pytest.raises(OSError, match="not supported"):
        give(root / "file", acl.ACCESS, SHARED)


@native
def test_acls_stay_with_what_they_are_set_on(mounted: Mounted) -> None:
    root = mounted({"d/file": b"low"})
    give(root / "d", acl.DEFAULT, SHARED)
    give(root / "d/file", acl.ACCESS, SHARED)
    (root / "d/new").write_bytes(b"")
    assert acl_of(root / "d", acl.DEFAULT) == acl_of(root / "d/file") == SHARED
    assert (root / "d/file").stat().st_mode & 0o777 == 0o770
    assert acl_of(root / "d/new")[1] == Entry(Tag.USER, 7, USER)
