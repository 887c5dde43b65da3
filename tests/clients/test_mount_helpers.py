"""mount(8), fstab(5) and containerd, who all come through mount.fuse3(8)."""

from __future__ import annotations

import pytest
from boxes import Box

pytestmark = pytest.mark.programs("mount.fuse3", "findmnt")

LAYERS = "mkdir lower upper work merged; echo text > lower/f"
WORDS = "lowerdir=$PWD/lower,upperdir=$PWD/upper,workdir=$PWD/work"
USE = (
    "cat merged/f; rm merged/f; findmnt -n -o FSTYPE,OPTIONS merged; umount merged; ls -l upper | grep -c ^c"
)


@pytest.mark.parametrize(
    "command",
    [
        f"mount.fuse3 overlay $PWD/merged -o {WORDS.replace(',', ' -o ')} -t fuse-unionfs",
        f"mount -t fuse.fuse-unionfs overlay merged -o {WORDS},dev,suid",
        f"mount -t fuse.unionfs overlay merged -o {WORDS}",
        f"mount -t fuse fuse-unionfs#overlay merged -o {WORDS}",
        f"fuse-unionfs overlay merged -n -v -o rw,noatime,{WORDS} -t fuse.fuse-unionfs",
    ],
    ids=["containerd", "mount", "mount by the other command", "mount, the old way", "a helper of its own"],
)
def test_every_way_leads_to_a_mount(box: Box, command: str) -> None:
    content, mounted, whiteouts = box.run("\n".join([LAYERS, command, USE])).splitlines()
    assert (content, whiteouts) == ("text", "1")
    kind, options = mounted.split()
    assert kind == "fuse.unionfs"
    assert {"rw", "default_permissions", "allow_other"} <= set(options.split(","))
    assert ("noatime" in options) == ("noatime" in command)


def test_a_line_in_fstab(box: Box) -> None:
    line = f"overlay $PWD/merged fuse.fuse-unionfs {WORDS},ro,nosuid,nofail,x-systemd.automount 0 0"
    commands = f'echo "{line}" > fstab; mount --fstab fstab $PWD/merged; touch merged/new 2>&1 || true'
    said = box.run(f"{LAYERS}; {commands}; cat merged/f; umount merged").splitlines()
    assert said == ["touch: cannot touch 'merged/new': Read-only file system", "text"]


@pytest.mark.parametrize("program", ["unionfs", "fuse-unionfs"])
def test_a_mount_takes_other_flags(box: Box, program: str) -> None:
    commands = [
        f"{LAYERS}; mount -t fuse.{program} overlay merged -o nosuid,noatime,{WORDS}",
        "mount -o remount,ro merged; touch merged/new 2>&1 || true",
        "findmnt -n -o OPTIONS merged | cut -d, -f1-3; cat merged/f",
        f"mount -t fuse.{program} -o remount,rw,noexec overlay merged; touch merged/new",
        "findmnt -n -o OPTIONS merged | cut -d, -f1-3; ls upper; umount merged",
    ]
    assert box.run("\n".join(commands)).splitlines() == [
        "touch: cannot touch 'merged/new': Read-only file system",
        "ro,nosuid,noatime",
        "text",
        "rw,noexec,noatime",
        "new",
    ]
    done = box.attempt("mount -i -t tmpfs none merged; fuse-unionfs -o remount,ro merged")
    assert (done.returncode, done.stderr) == (1, f"fuse-unionfs: {box.home}/merged: not a unionfs mount\n")


def test_what_went_wrong_is_said_on_standard_error(box: Box) -> None:
    done = box.attempt(f"{LAYERS}; mount -t fuse.fuse-unionfs overlay merged -o lowerdir=$PWD/missing")
    assert done.returncode != 0
    assert done.stderr == f"fuse-unionfs: lowerdir={box.home}/missing: No such file or directory\n"
