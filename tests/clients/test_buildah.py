"""buildah with fuse-unionfs as its mount program commits what it does over the kernel's overlayfs.

One thing is the client's own: over any mount program it finds changes by comparing two
mounts with lstat(2), which does not tell that a file has got a second name. So a hard
link to a file of an *earlier* step is one more file in the commit, here as over fuse-overlayfs.
"""

from __future__ import annotations

from pathlib import Path

import pytest
from boxes import Box
from images import entries, unpacked

pytestmark = [pytest.mark.programs("buildah", "busybox", "umoci", "newuidmap"), pytest.mark.timeout(170)]

CONTAINERFILE = r"""
FROM scratch
COPY busybox /bin/busybox
RUN ["/bin/busybox", "--install", "-s", "/bin"]
RUN mkdir -p /d/deep/er /opq/sub /gone/below && echo 1 > /d/a && ln /d/a /d/hard && ln /d/a /d/deep/hard \
    && echo o1 > /opq/o1 && echo o2 > /opq/sub/o2 && ln -s a /d/sym && mkfifo /d/fifo && echo 2 > /d/suid \
    && chown 12:34 /d/suid && chmod 6755 /d/suid && chmod 1777 /d/deep && echo > /gone/f && echo > "/d/ü '"
RUN rm /d/a && rm -r /opq /gone && mkdir /opq && echo new > /opq/new
RUN mv /d /e && echo more >> "/e/ü '" && chmod 700 /e && echo 3 > /e/deep/a && ln /e/deep/a /e/a
RUN rm -r /opq && echo file > /opq && rm /e/fifo && mkdir /e/fifo && ln -sf b /e/sym && truncate -s 0 "/e/ü '"
"""

BY_HAND = """
container=$(buildah $OPTIONS from tree)
root=$(buildah $OPTIONS mount $container)
setfattr -n user.note -v text $root/opq
setfattr -n security.capability -v 0sAQAAAgAgAAAAAAAAAAAAAAAAAAA= $root/e/suid
mknod $root/e/null c 1 3
chmod 4711 $root/bin/busybox
chown -h 7:8 $root/e/sym
touch $root/late && ln $root/late $root/later
rm -r $root/e/deep && mkdir -m 711 $root/e/deep
buildah $OPTIONS umount $container
buildah $OPTIONS commit -q $container tree
"""

BUILD = """
OPTIONS="--root $PWD/STORE/root --runroot $PWD/STORE/run --storage-driver overlay STORAGE"
buildah $OPTIONS bud -q --layers -t tree CONTEXT
BY_HAND
buildah $OPTIONS push -q tree oci:$PWD/STORE/layout:tree
buildah $OPTIONS rm -a > /dev/null
ls $XDG_RUNTIME_DIR/unionfs 2>/dev/null || true
"""


def build(box: Box, store: str, *, mount_program: bool, by_hand: str = "", user: bool = False) -> Path:
    """Build the image; the OCI layout that it is pushed to."""
    context = box.directory / "context"
    if not context.exists():
        context.mkdir()
        (context / "Containerfile").write_text(CONTAINERFILE)
        (context / "busybox").write_bytes(Path("/bin/busybox").read_bytes())
        (context / "busybox").chmod(0o755)
    storage = f"--storage-opt overlay.mount_program={box.program}" if mount_program else ""
    script = BUILD.replace("STORAGE", storage).replace("CONTEXT", str(context))
    said = box.run(script.replace("STORE", store).replace("BY_HAND", by_hand), user=user)
    assert ".json" not in said, "a mount was left"
    return box.home / store / "layout"


def test_a_commit_is_the_same_tree_as_over_the_kernels_overlayfs(box: Box) -> None:
    ours = build(box, "ours", mount_program=True, by_hand=BY_HAND)
    kernels = build(box, "kernels", mount_program=False, by_hand=BY_HAND)
    for mine, theirs in zip(entries(ours), entries(kernels), strict=True):
        # Over the kernel's overlayfs buildah puts its own mountpoint into every layer.
        assert {entry for entry in mine ^ theirs if entry[0] != "run"} == set()
    tree = unpacked(ours, "tree", box.directory / "ours")
    assert tree == unpacked(kernels, "tree", box.directory / "kernels")
    assert tree["opq"][-1] == {"user.note": b"text"}
    assert tree["later"][-2] == "late"


def test_an_unprivileged_user_commits_the_same_tree_as_root(box: Box) -> None:
    by_root = build(box, "root", mount_program=True)
    by_user = build(box, "user", mount_program=True, user=True)
    assert entries(by_user) == entries(by_root)
    tree = unpacked(by_user, "tree", box.directory / "user")
    assert tree == unpacked(by_root, "tree", box.directory / "root")
    assert tree["e/suid"][:3] == ("-rwsr-sr-x", 12, 34)
