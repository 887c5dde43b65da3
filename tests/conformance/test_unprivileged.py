"""The conformance suite without root's powers: on users' mounts, in user namespaces, with owners in xattrs.

By hand all of it passes in each of these places; here a part runs, for each what it may be wrong in.
What needs root in a check is said not to be applicable.
"""

from __future__ import annotations

import shlex
from typing import NamedTuple

import pytest
from boxes import USER, Box

ALONE = f"setpriv --reuid={USER} --regid={USER} --init-groups"
NO_ROOT = ("the caller is not root over other users", "no devices", "no trusted.*")


class Place(NamedTuple):
    """Where the suite is run: what is done by root before, and what runs a command there."""

    enter: str
    before: str = ""
    words: str = ""
    """Option words of the mount, besides its layers."""
    checks: tuple[str, ...] = ()
    missing: tuple[str, ...] = NO_ROOT
    """All that may be missing, by the words in which the suite tells of it."""


PLACES = {
    "user": Place(
        ALONE,
        checks=("data.*@lower", "open_files.*@lower", "directories.*@lower", "locks.*@lower", "limits.*"),
    ),
    "user who allows others": Place(
        ALONE,
        before="echo user_allow_other > fuse.conf; mount --bind fuse.conf /etc/fuse.conf",
        words=",allow_other",
        checks=("renaming.*@lower", "xattrs.*@lower", "times.*@lower", "identity.*@lower", "layers.*"),
    ),
    "namespace of one user": Place(
        f"{ALONE} unshare -Urm",
        words=",userxattr",
        checks=("renaming.*@copied", "xattrs.*@copied", "directories.*@merged", "layers.*"),
    ),
    "namespace of many users": Place(
        f"{ALONE} unshare -Um --map-root-user --map-auto",
        words=",userxattr",
        checks=("permissions.*@lower", "xattrs.*@lower", "times.*@merged", "identity.*@lower", "layers.*"),
        missing=("the caller is not in the first user namespace", "no devices", "no trusted.*"),
    ),
    "root, with owners in xattrs": Place(
        "",
        words=",xattr_permissions=2",
        checks=("permissions.*@lower", "xattrs.*@copied", "times.*[cs]*@copied", "identity.*@copied"),
        missing=("no POSIX ACLs",),
    ),
}

SUITE = """
export XDG_RUNTIME_DIR=$PWD/run
mkdir -m 700 run
mkdir upper work merged
unionfs-testing --prepare $PWD {checks}
mount="unionfs mount -o lowerdir=lower0:lower1,upperdir=upper,workdir=work{words} $PWD/merged"
$mount
unionfs-testing merged --remount "cd $PWD && unionfs umount merged && $mount" {checks}
unionfs umount merged
"""


@pytest.mark.programs("unshare", "newuidmap", "fusermount3")
@pytest.mark.timeout(300)
@pytest.mark.parametrize("name", PLACES)
def test_conforms(box: Box, name: str) -> None:
    place = PLACES[name]
    checks = shlex.join(f"-k={pattern}" for pattern in place.checks)
    (box.home / "suite").write_text(f"set -eu\n{SUITE.format(checks=checks, words=place.words)}")
    said = box.run(f"{place.before}\n{place.enter} sh suite", timeout=300).splitlines()
    missing = [line for line in said if line.startswith("not applicable")]
    assert [line for line in missing if not any(known in line for known in place.missing)] == []
    passed, failed, departs, _ = (int(sum.split()[0]) for sum in said[-1].split(", "))
    assert (passed > 50, failed, departs) == (True, 0, 0)
