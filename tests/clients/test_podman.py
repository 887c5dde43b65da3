"""podman with fuse-unionfs as its mount program: containers run, change, are compared and committed."""

from __future__ import annotations

import pytest
from boxes import Box

pytestmark = [pytest.mark.programs("podman", "crun", "busybox", "newuidmap"), pytest.mark.timeout(170)]

STORAGE = """
podman() {
    command podman --root $PWD/store/root --runroot $PWD/store/run --tmpdir $PWD/store/tmp \
        --storage-driver overlay --storage-opt overlay.mount_program=$(command -v fuse-unionfs) \
        --cgroup-manager cgroupfs --events-backend file --log-level error --runtime crun "$@"
}
run() {
    podman run --network none --cgroups=disabled --ulimit nofile=1024:1024 --ulimit nproc=1024:1024 "$@"
}
mkdir -p tree/bin tree/etc tree/tmp tree/work/sub
cp /bin/busybox tree/bin/
for name in sh cat rm mv ls id mkdir stat chown touch ln; do ln -sf busybox tree/bin/$name; done
echo lower > tree/etc/issue; echo one > tree/work/one; ln -f tree/work/one tree/work/sub/two
tar -c -C tree --owner=0 --group=0 . | podman import -q - base > /dev/null
"""

CONTAINER = """
run --name changed base sh -c '
    echo new > /new; rm /etc/issue; mv /work /moved; cat /moved/sub/two; stat -c %h /moved/one'
echo --; podman diff changed | sort; echo --
podman commit -q changed next > /dev/null
podman rm changed > /dev/null
run --rm next sh -c 'cat /new /moved/one; ls /work /etc/issue 2>&1 | grep -c "No such file"'
"""


ONCE_ENDED = """
for i in $(seq 100); do ls $XDG_RUNTIME_DIR/unionfs/*.json >/dev/null 2>&1 || break; sleep 0.1; done
"""


@pytest.mark.parametrize("user", [False, True], ids=["root", "user"])
def test_containers_run_change_and_are_committed(box: Box, user: bool) -> None:
    said = box.run(STORAGE + CONTAINER + ONCE_ENDED + "ls $XDG_RUNTIME_DIR/unionfs", user=user)
    before, diff, after = said.split("--\n")
    assert before == "one\n2\n"
    changes = [line for line in diff.splitlines() if line.split(" ")[1] not in OF_PODMAN]
    assert changes == [
        *("A /moved", "A /moved/one", "A /moved/sub", "A /moved/sub/two", "A /new"),
        *("C /etc", "D /etc/issue", "D /work"),
    ]
    assert after == "new\none\n2\n", "or a mount was left"


OF_PODMAN = {"/run", "/run/.containerenv", "/etc/hosts", "/etc/resolv.conf", "/etc/hostname", "/etc/mtab"}
"""Where podman puts files of its own; some of them are left in the container's layer."""


def test_ids_inside_a_user_namespace(box: Box) -> None:
    """podman asks for the mapping that a user's container has (``uidmapping=``)."""
    script = """
    run --rm --uidmap 0:1:1000 --gidmap 0:1:1000 base sh -c '
        touch /tmp/mine && chown 5:6 /tmp/mine && stat -c "%u:%g" /etc/issue /tmp/mine
        cat /proc/self/uid_map'
    run --rm --userns=keep-id base sh -c 'id -u; stat -c %u /etc/issue; touch /refused 2>&1 | grep -c denied'
    """
    said = box.run(STORAGE + script, user=True).split()
    assert said == ["0:0", "5:6", "0", "1", "1000", "54321", "0", "1"]


@pytest.mark.parametrize("user", [False, True], ids=["root", "user"])
def test_owners_and_modes_in_xattrs(box: Box, user: bool) -> None:
    """podman's force_mask: it unpacks layers so, and asks for it (``xattr_permissions=2``)."""
    script = """
    run --name changed base sh -c '
        stat -c "%n %a %u:%g" /bin/busybox /tmp/secret; chmod 711 /tmp/secret
        echo new > /new; chmod 600 /new; chown 5:6 /new'
    cd store/root/overlay
    stat -c "%n %a" */diff/tmp/secret */diff/new | sed 's/.*diff//' | sort -u
    cd ../../..
    podman commit -q changed next > /dev/null
    run --rm next sh -c 'stat -c "%n %a %u:%g" /tmp/secret /new'
    """
    masked = STORAGE.replace("--cgroup-manager", "--storage-opt overlay.force_mask=shared --cgroup-manager")
    masked = masked.replace("tar -c", "touch tree/tmp/secret; chmod 600 tree/tmp/secret; tar -c")
    said = box.run(masked + script, user=user).splitlines()
    assert said == [
        *("/bin/busybox 755 0:0", "/tmp/secret 600 0:0"),
        *("/new 755", "/tmp/secret 755"),
        *("/tmp/secret 711 0:0", "/new 600 5:6"),
    ]


def test_volumes_with_an_overlay_and_mounted_images(box: Box) -> None:
    script = """
    mkdir data; echo lower > data/file
    run --rm -v $PWD/data:/data:O base sh -c 'cat /data/file; echo changed > /data/file; cat /data/file'
    cat data/file
    image=$(podman image mount base); cat $image/etc/issue
    touch $image/file 2>&1 | grep -o 'Read-only file system'
    podman image umount base > /dev/null
    run --rm --read-only base sh -c 'touch /file' 2>&1 | grep -o 'Read-only file system'
    """
    said = box.run(STORAGE + script).splitlines()
    assert said == ["lower", "changed", "lower", "lower", *["Read-only file system"] * 2]


def test_podman_says_which_program_mounts(box: Box) -> None:
    said = box.run(STORAGE + "podman info --format '{{index .Store.GraphStatus \"Native Overlay Diff\"}}'")
    assert said == "false\n"
    assert "fuse-unionfs: version " in box.run(STORAGE + "podman info")
