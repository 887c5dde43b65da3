"""Uppers with owners in xattrs (``xattr_permissions=``), to and fro between fuse-overlayfs and us."""

from __future__ import annotations

import pytest
from boxes import Box

pytestmark = pytest.mark.programs("fuse-overlayfs", "fusermount3", "unshare", "newuidmap", "setfattr")

TREE = r"(cd merged; find . -printf '%p %y %m %U:%G %s %l\n' | sort; cat f low d/new)"
"""What a reader sees: the kinds, modes, owners and sizes of everything, and some content."""

LAYERS = """
mkdir lower upper work merged
mkdir -m 750 lower/d lower/gone
echo low > lower/low; echo deep > lower/d/deep; echo gone > lower/gone/gone; ln -s low lower/link
chmod 4711 lower/d/deep
umask 022
"""

CHANGES = """
echo new > merged/f; chown 7:8 merged/f; chmod 2750 merged/f
mkdir -m 1777 merged/made; echo x > merged/made/x; chmod 600 merged/made/x
echo more >> merged/low; chmod 640 merged/low; chown 3:4 merged/low
echo new > merged/d/new; chmod 700 merged/d; chown 5:6 merged/d merged/d/deep
rm -r merged/gone
"""

WORDS = "lowerdir=lower,upperdir=upper,workdir=work,xattr_permissions="
OURS, THEIRS = "fuse-unionfs -o metacopy=off,redirect_dir=off,", "fuse-overlayfs -o "
SHIFTED = "unshare -Um --map-root-user --map-auto"


def visit(program: str, mode: int, *commands: str) -> str:
    return "\n".join(
        [
            f"{program}{WORDS}{mode} merged 2>/dev/null",
            *commands,
            "umount merged",
            "sleep 0.2",
            "rm -rf work; mkdir work",
        ]
    )


@pytest.mark.parametrize(("mode", "user"), [(1, False), (2, False), (2, True)])
@pytest.mark.parametrize(("first", "then"), [(OURS, THEIRS), (THEIRS, OURS)], ids=["from us", "from them"])
def test_what_one_writes_the_other_reads(box: Box, first: str, then: str, mode: int, user: bool) -> None:
    (box.home / "script").write_text(
        "\n".join(
            [
                "set -eu",
                LAYERS,
                visit(first, mode, CHANGES, f"{TREE} > written"),
                visit(then, mode, f"{TREE} > read", "chmod 751 merged/low", f"{TREE} > changed"),
                visit(first, mode, f"{TREE} > read-again"),
            ]
        )
    )
    box.run(f"{SHIFTED} sh script" if user else "sh script", user=user)
    written, read, changed, again = (
        (box.home / name).read_text() for name in ("written", "read", "changed", "read-again")
    )
    assert read == written
    assert again == changed != read
    owner = "7:8" if first == OURS else "0:0"  # chmod through fuse-overlayfs 1.10 takes the owner away
    assert f"./f f 2750 {owner} 4 \n" in written
    assert all(path.stat().st_mode & 0o777 == 0o755 for path in (box.home / "upper/f", box.home / "upper/d"))


def test_whose_a_layers_files_are_is_believed_to_its_root(box: Box) -> None:
    """As fuse-overlayfs has it; but root believes user.* attributes only if that is asked for."""
    box.run("""
        mkdir lower merged; echo x > lower/f; chmod 755 lower lower/f
        setfattr -n user.containers.override_stat -v 0:0:0555 lower
        setfattr -n user.containers.override_stat -v 7:8:04755:file lower/f
    """)
    look = "stat -c '%u:%g %a' merged/f; getfattr -m- merged/f; umount merged"
    mount = "fuse-unionfs -o lowerdir=lower,xattr_permissions=%d merged; "
    assert box.run(mount % 0 + look).split("\n", 1)[0] == "0:0 755"
    assert box.run(mount % 2 + look).splitlines() == ["7:8 4755"]
    (box.home / "script").write_text(mount % 0 + look)
    assert box.run(f"{SHIFTED} sh script", user=True).splitlines() == ["7:8 4755"]


def test_what_only_root_can_write_is_refused_to_others(box: Box) -> None:
    (box.home / "script").write_text("mkdir lower upper work merged; fuse-unionfs -o " + WORDS + "1 merged")
    done = box.attempt("unshare -Urm sh script", user=True)
    assert done.returncode == 1
    assert done.stderr.endswith("/upper: security.fuseoverlayfs.override_stat: Operation not permitted\n")
    assert done.stderr.count("\n") == 1
