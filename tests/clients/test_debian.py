"""dpkg and apt at work in a mounted Debian tree.

Making the tree downloads some 80 MB and takes a minute and a half, once: it is kept in
``/var/cache/unionfs-tests``. UNIONFS_TEST_DEBIAN=1 has it made where it is not there yet.
"""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

import pytest
from boxes import Box

CACHE = Path("/var/cache/unionfs-tests/debian")
MIRROR = "http://deb.debian.org/debian"


@pytest.fixture
def debian() -> Path:
    """The root of a minimal Debian, to be left as it is."""
    if not CACHE.exists():
        if os.environ.get("UNIONFS_TEST_DEBIAN") != "1":
            pytest.skip(f"no Debian tree in {CACHE}; UNIONFS_TEST_DEBIAN=1 has it made")
        _make(CACHE)
    return CACHE


def _make(tree: Path) -> None:
    unfinished = tree.with_name("unfinished")
    shutil.rmtree(unfinished, ignore_errors=True)
    unfinished.mkdir(parents=True)
    command = ["debootstrap", "--variant=minbase", "bookworm", unfinished, MIRROR]
    subprocess.run(command, check=True, capture_output=True, timeout=600)
    unfinished.rename(tree)


SCRIPT = r"""
mkdir upper work merged
fuse-unionfs -o lowerdir=TREE,upperdir=upper,workdir=work merged
mount --rbind /dev merged/dev; mount -t proc proc merged/proc
build() {  # build VERSION FILE...
    local version=$1 root=package; shift
    rm -rf $root; mkdir -p $root/DEBIAN $root/etc $root/usr/share/made/dir
    printf 'Package: made\nVersion: %s\nArchitecture: all\nMaintainer: a <a@b>\nDescription: d\n' $version \
        > $root/DEBIAN/control
    echo /etc/made.conf > $root/DEBIAN/conffiles; echo $version > $root/etc/made.conf
    for file in "$@"; do echo $version > $root/usr/share/made/$file; done
    ln $root/usr/share/made/$1 $root/usr/share/made/dir/link
    dpkg-deb -b --root-owner-group $root merged/made_$version.deb > /dev/null
}
build 1 a b; build 2 b c
inside() { LC_ALL=C DEBIAN_FRONTEND=noninteractive chroot merged "$@"; }
inside dpkg -V
inside apt-get -qq install ./made_1.deb > /dev/null 2>&1
inside sh -c 'echo local >> /etc/made.conf; stat -c %h /usr/share/made/a'
inside apt-get -qq -o Dpkg::Options::=--force-confold install ./made_2.deb > /dev/null 2>&1
inside find /usr/share/made /etc/made.conf /etc/made.conf.dpkg-dist | sort | tr '\n' ' '; echo
inside cat /etc/made.conf
inside apt-get -qq purge made > /dev/null 2>&1
inside dpkg --purge --force-all mawk tzdata > /dev/null 2>&1
inside sh -c 'ls -d /usr/share/made /etc/made.conf /usr/share/zoneinfo 2>&1 | grep -c "No such file"'
inside dpkg -V; inside dpkg --audit
umount -R merged/dev; umount merged/proc; umount merged
fuse-unionfs -o lowerdir=upper:TREE merged
inside dpkg -V; inside sh -c '! dpkg -s tzdata' 2> /dev/null > /dev/null; umount merged
"""


@pytest.mark.programs("debootstrap", "dpkg-deb")
@pytest.mark.timeout(900)
def test_packages_are_installed_upgraded_and_removed(box: Box, debian: Path) -> None:
    said = box.run(SCRIPT.replace("TREE", str(debian)))
    assert said.split() == [
        *("2", "/etc/made.conf", "/etc/made.conf.dpkg-dist", "/usr/share/made", "/usr/share/made/b"),
        *("/usr/share/made/c", "/usr/share/made/dir", "/usr/share/made/dir/link", "1", "local", "3"),
    ]
