"""Everyday programs at work in a mount: lower files, new files, and both at once."""

from __future__ import annotations

from pathlib import Path
from zipfile import ZipFile

import pytest
from boxes import USER, Box

MOUNT = """
mkdir -p lower upper work merged
fuse-unionfs -o lowerdir=lower,upperdir=upper,workdir=work merged
"""


@pytest.mark.parametrize("user", [False, True], ids=["root", "user"])
@pytest.mark.programs("git")
def test_git_clones_commits_packs_and_stays_clean(box: Box, user: bool) -> None:
    script = """
    export GIT_CONFIG_GLOBAL=$PWD/gitconfig
    git config --global user.email a@b; git config --global user.name n
    git config --global init.defaultBranch main
    mkdir lower; git init -q lower/repository; cd lower/repository
    for i in $(seq 300); do mkdir -p d$((i % 7)); seq $i > d$((i % 7))/$i; done
    git add .; git commit -qm first; cd ../..
    MOUNT
    cd merged/repository
    git status --porcelain
    git mv d1 moved; git rm -qr d2; echo more >> d3/3; git add .; git commit -qm second
    git gc -q --prune=now; git fsck --strict
    git clone -q . ../clone; git -C ../clone checkout -q HEAD~; git -C ../clone diff --stat HEAD~0 | cat
    git stash list; git checkout -q -b other HEAD~; git merge -q main; git status --porcelain
    git -C ../clone log --oneline main | wc -l
    cd ../..; umount_union merged
    MOUNT
    git -C merged/repository status --porcelain; git -C merged/repository fsck --strict
    ls merged/clone | tr '\\n' ' '; umount_union merged
    """
    assert run(box, script, user=user) == "2\nd0 d1 d2 d3 d4 d5 d6 "


@pytest.mark.programs("sqlite3")
def test_sqlite_with_a_write_ahead_log(box: Box) -> None:
    script = """
    mkdir lower
    sqlite3 lower/base 'pragma journal_mode=wal; create table t (n); insert into t values (1);' > /dev/null
    MOUNT
    write() {
        for i in $(seq 40); do sqlite3 -cmd '.timeout 20000' merged/base 'insert into t values (2);'; done
    }
    write & write & wait
    sqlite3 merged/base 'select count(*), sum(n) from t; pragma integrity_check;'
    sqlite3 merged/base 'pragma wal_checkpoint(truncate);'
    sqlite3 lower/base 'select count(*) from t;'
    umount_union merged
    """
    assert run(box, script) == "81|161\nok\n0|0|0\n1\n"


@pytest.mark.programs("rsync", "setfattr", "setfacl")
def test_rsync_with_everything_both_ways(box: Box) -> None:
    script = f"""
    {TREE.format(place="lower/tree")}
    MOUNT
    rsync -aHAX merged/tree/ out/; rsync -aHAX out/ merged/back/
    echo changed > merged/tree/link; touch -d '2001-01-01' merged/tree/dir; rm merged/tree/empty
    rsync -aHAX --delete -i out/ merged/tree/ | cut -c1-11 | sort | uniq -c | tr -s ' '
    rsync -aHAXn -i --delete merged/tree/ merged/back/; rsync -aHAXn -i --delete merged/tree/ out/
    umount_union merged
    """
    assert run(box, script) == (" 2 .d..t......\n 1 >f+++++++++\n 1 >f.st......\n 1 hf.st......\n")


@pytest.mark.programs("setfattr", "setfacl")
def test_tar_and_cp_keep_everything(box: Box) -> None:
    script = f"""
    {TREE.format(place="lower/tree")}
    MOUNT
    plain=exthdr.name=x,delete=atime,delete=ctime
    list() {{ tar --sort=name --xattrs --acls --pax-option=$plain -c -C $1 . | sha256sum; }}
    mkdir merged/out
    tar --xattrs --acls -c -C merged/tree . | tar --xattrs-include='*' --acls -xp -C merged/out
    cp -a --reflink=auto merged/tree merged/copy; cp -a --reflink=auto lower/tree merged/copied-in
    cp -a --reflink=auto --sparse=auto merged/tree copied-out
    for tree in lower/tree merged/tree merged/out merged/copy merged/copied-in copied-out; do
        list $tree
    done | uniq | wc -l
    stat -c %h merged/copy/link copied-out/link; cmp lower/tree/big merged/copy/big
    umount_union merged
    """
    assert run(box, script) == "1\n2\n2\n"


TREE = """
mkdir -p {place}/dir/sub; cd {place}
echo text > file; ln file link; ln -s nowhere sym; mkfifo fifo; truncate -s 3M sparse; : > empty
head -c 2500000 /dev/urandom > big; mknod null c 1 3; chown 12:34 file; chmod 4755 big; chmod 1777 dir
setfattr -n user.note -v text file; setfattr -n trusted.secret -v s dir; setfacl -m u:7:rw,g:8:r file
setfacl -d -m u:7:rwx dir; touch -d '1999-12-31 23:59:59.123456789' file dir/sub
echo > "$(printf 'odd\\377\\nname')"; touch -d 2000-01-01 .
cd - > /dev/null
"""


def test_pip_installs_into_a_virtual_environment(box: Box) -> None:
    wheel = box.directory / "made-1-py3-none-any.whl"
    with ZipFile(wheel, "w") as archive:
        archive.writestr("made.py", "def main(): print('installed')\n")
        archive.writestr("made-1.dist-info/METADATA", "Metadata-Version: 2.1\nName: made\nVersion: 1\n")
        archive.writestr("made-1.dist-info/WHEEL", "Wheel-Version: 1.0\nTag: py3-none-any\n")
        archive.writestr("made-1.dist-info/entry_points.txt", "[console_scripts]\nmade = made:main\n")
        archive.writestr("made-1.dist-info/RECORD", "")
    script = f"""
    MOUNT
    python3 -m venv merged/venv
    merged/venv/bin/pip install -q --no-index --disable-pip-version-check {wheel}
    merged/venv/bin/made
    umount_union merged
    fuse-unionfs -o lowerdir=upper merged
    merged/venv/bin/made; merged/venv/bin/pip list --format=freeze | grep made
    umount_union merged
    """
    assert run(box, script).splitlines() == ["installed", "installed", "made==1"]


@pytest.mark.programs("busybox", "bwrap")
@pytest.mark.parametrize("user", [False, True], ids=["root", "user"])
def test_a_sandbox_is_made_of_a_mount(box: Box, user: bool) -> None:
    script = """
    mkdir -p lower/bin lower/proc lower/dev lower/tmp; cp /bin/busybox lower/bin/; ln -s busybox lower/bin/sh
    MOUNT
    bwrap --bind merged / --dev /dev --proc /proc --unshare-all --die-with-parent sh -c '
        PATH=/bin; busybox echo inside > /tmp/f; busybox rm /bin/sh; busybox ls /bin; busybox cat /tmp/f'
    ls upper/bin upper/tmp; umount_union merged
    """
    assert run(box, script, user=user).split() == [
        *("busybox", "inside", "upper/bin:", "sh", "upper/tmp:", "f"),
    ]


@pytest.mark.programs("busybox")
def test_chroot_into_a_mount(box: Box) -> None:
    script = """
    mkdir -p lower/bin; cp /bin/busybox lower/bin/
    MOUNT
    chroot merged /bin/busybox sh -c 'busybox mkdir -p a/b; busybox mv bin c; /c/busybox ls /'
    umount_union merged
    """
    assert run(box, script).split() == ["a", "c"]


@pytest.mark.programs("unshare")
@pytest.mark.parametrize("namespace", [False, True], ids=["fusermount", "user namespace"])
def test_a_users_mount_gives_no_rights(box: Box, namespace: bool) -> None:
    """Devices cannot be opened and set-id programs run as who starts them, whatever the options say."""
    box.run(f"""
        mkdir lower upper work merged; chown {USER} upper work merged
        cp /bin/dash lower/sh; chmod 4755 lower/sh; mknod -m 666 lower/null c 1 3
    """)
    (box.home / "script").write_text("""
        fuse-unionfs -o lowerdir=lower,upperdir=upper,workdir=work,suid,dev merged
        cat merged/null 2>&1 | grep -o 'Permission denied'
        merged/sh -pc 'cat /proc/self/status' | grep -E '^(Uid|CapEff)'
        fusermount3 -u merged 2>/dev/null || umount merged
    """)
    said = box.run("unshare -Urm sh script" if namespace else "sh script", user=True)
    denied, uid, capabilities = said.splitlines()
    assert denied == "Permission denied"
    assert set(uid.split()[1:]) == {"0" if namespace else "54321"}
    assert namespace or set(capabilities.split()[1]) == {"0"}


def test_who_may_allow_others_is_fusermounts_to_say(box: Box) -> None:
    """Its configuration may, but does not by itself, let users do so (fuse.conf, user_allow_other)."""
    script = MOUNT.replace("-o ", "-o allow_other,")
    done = box.attempt(script, user=True)
    assert (done.returncode, "allow_other" in done.stderr) == (1, True)
    assert box.run(f"rm -r lower upper work merged; {script.strip()}; findmnt -n -o OPTIONS merged")


def test_others_may_do_on_a_users_mount_what_bits_allow(box: Box) -> None:
    """With allow_other; without it not even root gets in. What the user cannot give is given to nobody."""
    box.run(f"""
        mkdir -m 755 lower upper work merged; chown {USER} . lower upper work merged; chmod 755 .
        echo open > lower/open; echo closed > lower/closed; chmod 600 lower/closed; chown {USER} lower/*
    """)
    said = box.run(f"""
        echo user_allow_other > fuse.conf; mount --bind fuse.conf /etc/fuse.conf
        for words in "" ,allow_other; do
            as="setpriv --reuid={USER} --regid={USER} --init-groups env XDG_RUNTIME_DIR=$PWD"
            $as unionfs mount -o lowerdir=lower,upperdir=upper,workdir=work$words merged
            for uid in 0 65533; do
                for what in "cat merged/open" "cat merged/closed" "sh -c '> merged/new'"; do
                    eval "setpriv --reuid=$uid --clear-groups $what" 2>&1 | sed 's/.*: //'
                done
            done
            $as unionfs umount merged
        done
    """).splitlines()
    denied = "Permission denied"
    assert said == [denied] * 6 + ["open", "closed", "Operation not permitted"] + ["open", denied, denied]
    assert not (box.home / "upper/new").exists()


def run(box: Box, script: str, *, user: bool = False) -> str:
    """A script in which ``MOUNT`` mounts ``lower`` with ``upper`` on ``merged``."""
    umount = "umount_union() { fusermount3 -u $1; }" if user else "umount_union() { umount $1; }"
    return box.run(f"{umount}\n{script.replace('MOUNT', MOUNT)}", user=user)


def test_the_box_leaves_nothing_behind(box: Box) -> None:
    done = box.attempt(f"{MOUNT}\ntouch merged/f; echo $$; exit 3")
    assert done.returncode == 3
    assert (box.home / "upper/f").exists()
    assert str(box.home) not in Path("/proc/self/mountinfo").read_text()
