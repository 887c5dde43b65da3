"""Option words: a table from what is typed to what is asked for."""

from __future__ import annotations

import pytest

from unionfs.adapters.options import Options, parse, words
from unionfs.adapters.ownership import Range
from unionfs.errors import ConfigError

UNDERSTOOD = [
    ([], Options()),
    (["lowerdir=/a"], Options(lowers=("/a",))),
    (["lowerdir=/a:/b:rel"], Options(lowers=("/a", "/b", "rel"))),
    (["lowerdir=/a,upperdir=u,workdir=w"], Options(("/a",), "u", "w")),
    (["lowerdir=/a", "upperdir=u", "workdir=w"], Options(("/a",), "u", "w")),
    (["lowerdir=/a,upperdir=u,workdir=w,,volatile,"], Options(("/a",), "u", "w", volatile=True)),
    ([r"lowerdir=/a\:b:/c\,d:/e\\f"], Options(("/a:b", "/c,d", "/e\\f"))),
    ([r"lowerdir=/a,upperdir=/u\:1\,2\\3"], Options(("/a",), "/u:1,2\\3")),
    (["lowerdir=/a=b"], Options(("/a=b",))),
    (["lowerdir=/a,lowerdir=/b"], Options(("/b",))),
    (["lowerdir+=/a:b", "lowerdir+=/c"], Options(("/a:b", "/c"))),
    (["lowerdir=/\udcff"], Options(("/\udcff",))),
    (["lowerdir=/a\\"], Options(("/a",))),
    (["rw,nodev,suid"], Options(mount_words=("rw", "nodev", "suid"))),
    (["ro"], Options(mount_words=("ro",))),
    (["userxattr,allow_other"], Options(userxattr=True, allow_other=True)),
    (["xino=on,index=off,redirect_dir=follow,nfs_export=off"], Options()),
    (["metacopy=on,redirect_dir=on"], Options(metacopy=True, redirect_dir=True)),
    (["metacopy=off,redirect_dir=off"], Options(metacopy=False, redirect_dir=False)),
    (["copy_up=lazy"], Options(copy_up="lazy")),
    (["private,relatime,defaults"], Options()),
    (["dialect=aufs,fsname=box"], Options(dialect="aufs", fsname="box")),
    (["uidmapping=:0:100000:65536"], Options(uids=(Range(0, 100000, 65536),))),
    (["gidmapping=0:1000:1:1:110000:65536"], Options(gids=(Range(0, 1000, 1), Range(1, 110000, 65536)))),
    (["squash_to_root,squash_to_uid=7"], Options(squash_to_root=True, squash_to_uid=7)),
    (["squash_to_gid=0"], Options(squash_to_gid=0)),
    (["debug"], Options(debug=True)),
    (["noacl"], Options(noacl=True)),
    (["static_nlink,clone_fd,auto_unmount"], Options()),
    (["threaded=1,timeout=0.5,fsync=0,fast_ino=1,writeback=0,max_threads=10,max_idle_threads=-1"], Options()),
    (["xattr_permissions=0,noxattrs=0,plugins="], Options()),
    (["xattr_permissions=2"], Options(xattr_permissions=2)),
    (
        ['lowerdir=/a,context="u:r:t:s0:c1,c2",ro'],
        Options(("/a",), context="u:r:t:s0:c1,c2", mount_words=("ro",)),
    ),
    (["context=u:r:t:s0"], Options(context="u:r:t:s0")),
]

REFUSED = [
    ("colour=red", "unknown option: colour=red"),
    ("upperdri=/u", "unknown option: upperdri=/u"),
    ("quick", "unknown option: quick"),
    ("lowerdir", "unknown option: lowerdir"),
    ("lowerdir=", "empty lower layer in lowerdir="),
    ("lowerdir=/a:", "empty lower layer in lowerdir=/a:"),
    ("lowerdir=:/a", "empty lower layer in lowerdir=:/a"),
    ("lowerdir=/a::/b", "empty lower layer in lowerdir=/a::/b"),
    ("upperdir=", "empty option: upperdir="),
    ("copy_up=never", "copy_up=never: not one of auto, eager, lazy"),
    ("index=maybe", "option cannot be met: index=maybe"),
    ("nfs_export=on", "option cannot be met: nfs_export=on"),
    ("redirect_dir=nofollow", "redirect_dir=nofollow: not one of on, follow, off"),
    ("xattr_permissions=3", "xattr_permissions=3: not one of 0, 1, 2"),
    ("noxattrs=1", "option cannot be met: noxattrs=1"),
    ("plugins=x", "option cannot be met: plugins=x"),
    ("allow_root", "unknown option: allow_root"),
    ("threaded=lots", "not a number: threaded=lots"),
    ("squash_to_uid=root", "not an id: squash_to_uid=root"),
    ("squash_to_gid=4294967295", "not an id: squash_to_gid=4294967295"),
    ("uidmapping=", "uidmapping=: not triples of numbers, STORED:SHOWN:LENGTH"),
    ("uidmapping=0:1", "uidmapping=0:1: not triples of numbers, STORED:SHOWN:LENGTH"),
    ("gidmapping=0:1:-1", "gidmapping=0:1:-1: not triples of numbers, STORED:SHOWN:LENGTH"),
    ("gidmapping=0:1:0", "gidmapping=0:1:0: no such ids: 0:1:0"),
    ("uidmapping=0:4294967290:6", "uidmapping=0:4294967290:6: no such ids: 0:4294967290:6"),
    ("uidmapping=0:10:5:4:20:5", "uidmapping=0:10:5:4:20:5: ranges overlap"),
    ("uidmapping=0:10:5:5:14:5", "uidmapping=0:10:5:5:14:5: ranges overlap"),
    ('upperdir=/"b,c"', 'unknown option: c"'),
]


@pytest.mark.parametrize(("arguments", "options"), UNDERSTOOD)
def test_words_are_understood(arguments: list[str], options: Options) -> None:
    assert parse(arguments) == options


@pytest.mark.parametrize(("argument", "message"), REFUSED)
def test_a_bad_word_is_named(argument: str, message: str) -> None:
    with pytest.raises(ConfigError) as refusal:
        parse(["lowerdir=/a", argument])
    assert str(refusal.value) == message


def test_read_only_is_what_mount_calls_ro() -> None:
    assert parse(["ro"]).read_only
    assert not parse(["rw"]).read_only


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (Options(("/a", "/b"), "/u", "/w"), "rw,lowerdir=/a:/b,upperdir=/u,workdir=/w"),
        (Options(("/a",), "/u", "/w", mount_words=("ro",)), "ro,lowerdir=/a,upperdir=/u,workdir=/w"),
        (Options(("/a",)), "ro,lowerdir=/a"),
        (Options(("/a:b", "/c,d", "/e\\f")), r"ro,lowerdir=/a\:b:/c\,d:/e\\f"),
        (Options(upper="/u:,\\", work="/w"), r"rw,upperdir=/u\:\,\\,workdir=/w"),
        (
            Options(("/a",), "/u", "/w", volatile=True, mount_words=("nodev",)),
            "rw,nodev,lowerdir=/a,upperdir=/u,workdir=/w,volatile",
        ),
    ],
)
def test_layers_are_said_first(options: Options, said: str) -> None:
    assert words(options) == said


@pytest.mark.parametrize("options", [options for _, options in UNDERSTOOD])
def test_what_is_asked_for_is_said_in_words_that_ask_for_it(options: Options) -> None:
    understood = parse([words(options)])
    assert understood._replace(mount_words=()) == options._replace(mount_words=())
    assert set(options.mount_words) <= {"rw", *understood.mount_words}
