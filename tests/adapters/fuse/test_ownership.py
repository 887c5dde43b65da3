"""Id mappings: laws of the translation, and what they come to on a mount."""

from __future__ import annotations

import errno
import os
import re
import shutil
import stat
import subprocess
from collections.abc import Callable
from pathlib import Path
from struct import pack

import pytest
from hypothesis import given
from hypothesis import strategies as st
from mounts import Mount

from unionfs.adapters.fuse import transports
from unionfs.adapters.mapped import MappedUnion
from unionfs.adapters.ownership import OVERFLOW, Ids, Ownership, Range, parse_ranges
from unionfs.core import acl, capabilities
from unionfs.core.acl import Acl, Entry, Tag
from unionfs.core.attrs import SAME, Changes
from unionfs.core.union import Union
from unionfs.types import Owner, Stat

IDS = st.integers(0, 2**32 - 2)

native = pytest.mark.parametrize("prepared", [transports.NATIVE], indirect=True)
"""The other transport cannot have the kernel check ACLs."""


@st.composite
def ranges(draw: st.DrawFn) -> tuple[Range, ...]:
    """Ranges as they are allowed: apart from each other on both sides, in any order there."""
    lengths = draw(st.lists(st.integers(1, 70_000), min_size=1, max_size=5))
    starts = [_apart(draw, lengths, draw(st.permutations(range(len(lengths))))) for _ in range(2)]
    return tuple(Range(stored, shown, length) for stored, shown, length in zip(*starts, lengths, strict=True))


def _apart(draw: st.DrawFn, lengths: list[int], order: list[int]) -> list[int]:
    starts, free = [0] * len(lengths), 0
    for index in order:
        starts[index] = free + draw(st.integers(0, 70_000))
        free = starts[index] + lengths[index]
    return starts


@given(ranges(), st.data())
def test_what_is_mapped_comes_back(ranges: tuple[Range, ...], data: st.DataObject) -> None:
    ids = Ids(ranges)
    chosen = data.draw(st.sampled_from(ranges))
    offset = data.draw(st.integers(0, chosen.length - 1))
    stored, shown = chosen.stored + offset, chosen.shown + offset
    assert ids.shown(stored) == shown
    assert ids.stored(shown) == ids.given(shown) == stored


@given(ranges(), IDS)
def test_what_is_not_mapped_is_nobodys(ranges: tuple[Range, ...], number: int) -> None:
    ids = Ids(ranges)
    if not any(range.stored <= number < range.stored + range.length for range in ranges):
        assert ids.shown(number) == OVERFLOW
    if not any(range.shown <= number < range.shown + range.length for range in ranges):
        assert ids.stored(number) == OVERFLOW
        with pytest.raises(OSError, match="Invalid argument"):
            ids.given(number)


@given(ranges())
def test_ranges_are_read_as_they_are_written(ranges: tuple[Range, ...]) -> None:
    text = ":".join(str(number) for range in ranges for number in range)
    assert parse_ranges(text) == parse_ranges(f":{text}") == ranges


@given(IDS, IDS)
def test_without_ranges_nothing_is_shifted_and_squashing_is_for_the_eyes(number: int, squash: int) -> None:
    assert (Ids().shown(number), Ids().stored(number), Ids().given(number)) == (number, number, number)
    assert Ids(squash=squash).shown(number) == squash
    assert Ids(squash=squash).stored(number) == number


def test_users_and_groups_are_translated_apart() -> None:
    ownership = Ownership(Ids((Range(0, 100, 10),)), Ids((Range(0, 500, 10),)))
    assert ownership.shown(Stat(stat.S_IFREG, uid=1, gid=2)) == Stat(stat.S_IFREG, uid=101, gid=502)
    assert ownership.stored(Owner(101, 502)) == Owner(1, 2)
    assert ownership.given(Changes(mode=0o600, uid=103)) == Changes(mode=0o600, uid=3)
    assert ownership.given(Changes(gid=504)) == Changes(gid=4)
    assert ownership.given(Changes(uid=SAME)) == Changes(uid=SAME)


def test_whatever_tells_or_takes_owners_is_mapped() -> None:
    """An operation that a union learns must not go by the mapping."""
    owners = re.compile(r"\b(Stat|Owner|Changes|Listed)\b")
    concerned = {
        name
        for name, member in vars(Union).items()
        if not name.startswith("_") and owners.search(str(getattr(member, "__annotations__", "")))
    }
    assert {"getattr", "setattr", "create", "readdirplus"} <= concerned
    assert concerned | {"getxattr", "setxattr"} <= vars(MappedUnion).keys()


ENTRIES: Acl = (
    Entry(Tag.USER_OBJ, 6),
    Entry(Tag.USER, 7, 5),
    Entry(Tag.USER, 6, 5000),
    Entry(Tag.USER, 4, 6000),
    Entry(Tag.GROUP_OBJ, 4),
    Entry(Tag.GROUP, 5, 7),
    Entry(Tag.MASK, 7),
    Entry(Tag.OTHER, 0),
)
"""As on disk: the second and third user are outside of `SHIFTED`."""

SHIFTED = Ownership(Ids((Range(0, 100000, 1000),), squash=0), Ids((Range(0, 200000, 1000),)))


def named(value: bytes) -> list[int]:
    return [entry.id for entry in acl.parse(value) if entry.tag in (Tag.USER, Tag.GROUP)]


def test_acls_have_the_ids_that_callers_have() -> None:
    """Whom the mapping leaves out has none, and so no entry."""
    value = acl.serialise(ENTRIES)
    for name in (acl.ACCESS, acl.DEFAULT):
        shown = SHIFTED.shown_xattr(name, value)
        assert named(shown) == [100005, 200007]
        assert SHIFTED.given_xattr(name, shown) == acl.serialise((*ENTRIES[:2], *ENTRIES[4:]))
        with pytest.raises(OSError, match="Invalid argument"):
            SHIFTED.given_xattr(name, value)
        assert SHIFTED.given_xattr(name, b"") == acl.serialise(())
    assert Ownership(Ids(squash=0)).shown_xattr(acl.ACCESS, value) == value
    assert SHIFTED.shown_xattr(b"user.acl", value) == value


def capability(root: int | None) -> bytes:
    """cap_net_raw+p, in the third form or, without a root, in the second."""
    magic = 0x02000000 if root is None else 0x03000000
    return pack("<5I", magic, 1 << 13, 0, 0, 0) + (b"" if root is None else pack("<I", root))


@pytest.mark.parametrize(("stored", "shown"), [(None, 100000), (5, 100005)])
def test_capabilities_count_where_the_callers_root_is(stored: int | None, shown: int) -> None:
    assert SHIFTED.shown_xattr(capabilities.XATTR, capability(stored)) == capability(shown)
    assert SHIFTED.given_xattr(capabilities.XATTR, capability(shown)) == capability(stored)


def test_capabilities_of_others_are_not_shown_and_cannot_be_set() -> None:
    with pytest.raises(OSError, match="No data"):
        SHIFTED.shown_xattr(capabilities.XATTR, capability(5000))
    for value in (capability(None), capability(5), b"short", capability(100005)[:-1]):
        with pytest.raises(OSError, match="Invalid argument"):
            SHIFTED.given_xattr(capabilities.XATTR, value)


def test_squashing_makes_no_capability_count_everywhere() -> None:
    squashed = Ownership(Ids(squash=0))
    assert squashed.shown_xattr(capabilities.XATTR, capability(5)) == capability(5)


# On a mount


def as_user(uid: int, script: str, cwd: Path) -> str:
    setpriv = ["setpriv", f"--reuid={uid}", f"--regid={uid}", "--clear-groups", "sh", "-c", script]
    done = subprocess.run(setpriv, cwd=cwd, capture_output=True, text=True, check=False)
    return done.stdout + done.stderr


def owner(path: Path) -> tuple[int, int]:
    status = path.lstat()
    return status.st_uid, status.st_gid


MAPPING = "uidmapping=:0:100000:1000,gidmapping=:0:100000:1000"


@pytest.fixture
def mapped(prepared: Mount) -> Callable[[str], Path]:
    """Mount with more option words, above a file of 0, one of 5:6, and one of somebody outside."""

    def mount(words: str) -> Path:
        for name, uid, gid in (("root", 0, 0), ("five", 5, 6), ("outside", 5000, 5000)):
            (prepared.lower / name).write_text(name)
            os.chown(prepared.lower / name, uid, gid)
        os.chown(prepared.upper, 0, 0)
        prepared.merged.parent.chmod(0o755)
        prepared.words += f",{words}"
        prepared.mount()
        return prepared.merged

    return mount


def test_every_request_shows_mapped_owners(mapped: Callable[[str], Path]) -> None:
    root = mapped(MAPPING)
    owners = {"root": (100000, 100000), "five": (100005, 100006), "outside": (OVERFLOW, OVERFLOW)}
    assert {entry.name: (entry.stat().st_uid, entry.stat().st_gid) for entry in os.scandir(root)} == owners
    for name, expected in owners.items():
        assert owner(root / name) == expected
        with (root / name).open() as file:
            assert os.fstat(file.fileno()).st_uid == expected[0]
    (root / "five").chmod(0o600)
    assert owner(root / "five") == owners["five"]
    assert owner(root) == (100000, 100000)


def test_what_callers_make_is_theirs(mapped: Callable[[str], Path], prepared: Mount) -> None:
    root = mapped(MAPPING)
    os.chown(root, 100007, 100007)
    assert owner(prepared.upper) == (7, 7)
    said = as_user(
        100007, "touch f; mkdir d; ln -s t s; mkfifo p; stat -c %u f d s p; echo x >> f; rm p", root
    )
    assert said.split() == ["100007"] * 4
    assert {owner(prepared.upper / name) for name in ("f", "d", "s")} == {(7, 7)}


def test_giving_away(mapped: Callable[[str], Path], prepared: Mount) -> None:
    root = mapped(MAPPING)
    os.chown(root / "root", 100009, -1)
    assert (owner(root / "root"), owner(prepared.upper / "root")) == ((100009, 100000), (9, 0))
    with pytest.raises(OSError, match="Invalid argument") as refusal:
        os.chown(root / "root", 9, -1)
    assert refusal.value.errno == errno.EINVAL
    assert owner(root / "root") == (100009, 100000)


def test_nobody_gets_rights_that_are_anothers(mapped: Callable[[str], Path], prepared: Mount) -> None:
    """Who has an id on disk, but not the one that is shown for it, is a stranger."""
    for name in ("root", "five", "outside"):
        (prepared.lower / name).touch()
        (prepared.lower / name).chmod(0o600)
    root = mapped(MAPPING)
    assert as_user(5, "cat five", root) == "cat: five: Permission denied\n"
    assert as_user(5000, "cat outside", root) == "cat: outside: Permission denied\n"
    assert as_user(100005, "cat five; cat root", root) == "fivecat: root: Permission denied\n"
    assert "Permission denied" in as_user(100005, "touch new", root)
    assert "Operation not permitted" in as_user(100005, "chmod 777 root", root)


@native
def test_acls_are_checked_by_the_ids_that_are_shown(mapped: Callable[[str], Path], prepared: Mount) -> None:
    five = prepared.lower / "five"
    five.touch()
    os.setxattr(five, acl.ACCESS, acl.serialise(ENTRIES))
    root = mapped(MAPPING)
    assert named(os.getxattr(root / "five", acl.ACCESS)) == [100005, 100007]
    (root / "five").chmod(0o060)
    os.chown(root / "five", 100001, 100001)
    for uid in (5, 5000, 65534, 100001):
        assert "Permission denied" in as_user(uid, "cat five", root)
    assert as_user(100005, "cat five", root) == as_user(100007, "cat five", root) == "five"
    subprocess.run(["setfacl", "-m", "user:100009:r", root / "root"], check=True)
    assert named(os.getxattr(prepared.upper / "root", acl.ACCESS)) == [9]
    with pytest.raises(OSError, match="Invalid argument"):
        os.setxattr(root / "root", acl.ACCESS, acl.serialise(ENTRIES[:2] + ENTRIES[4:]))


@native
def test_what_is_made_inherits_ids_on_disk(mapped: Callable[[str], Path], prepared: Mount) -> None:
    root = mapped(MAPPING)
    (root / "d").mkdir(mode=0o777)
    subprocess.run(["setfacl", "-d", "-m", "user:100009:rw,group:100003:r", root / "d"], check=True)
    (root / "d/new").touch()
    assert named(os.getxattr(root / "d/new", acl.ACCESS)) == [100009, 100003]
    assert named(os.getxattr(prepared.upper / "d/new", acl.ACCESS)) == [9, 3]
    assert named(os.getxattr(prepared.upper / "d", acl.DEFAULT)) == [9, 3]


def test_capabilities_on_a_mount(mapped: Callable[[str], Path], prepared: Mount) -> None:
    """Read as root of this machine, to whom the kernel gives those of other namespaces as they are."""
    for name, stored in (("capable", 5), ("outside its range", 5000)):
        shutil.copy("/bin/true", prepared.lower / name)
        os.setxattr(prepared.lower / name, capabilities.XATTR, capability(stored))
    root = mapped(MAPPING)
    assert os.getxattr(root / "capable", capabilities.XATTR) == capability(100005)
    with pytest.raises(OSError, match="No data"):
        os.getxattr(root / "outside its range", capabilities.XATTR)
    assert as_user(100005, '"./outside its range" && ./capable && echo ran', root) == "ran\n"
    os.setxattr(root / "root", capabilities.XATTR, capability(100000))
    assert os.getxattr(prepared.upper / "root", capabilities.XATTR) == capability(None)
    with pytest.raises(OSError, match="Invalid argument"):
        os.setxattr(root / "root", capabilities.XATTR, capability(None))


@pytest.mark.parametrize(
    ("words", "shown"),
    [("squash_to_root", (0, 0)), ("squash_to_uid=7", (7, 6)), ("squash_to_root,squash_to_gid=8", (0, 8))],
)
def test_squashing(
    mapped: Callable[[str], Path], prepared: Mount, words: str, shown: tuple[int, int]
) -> None:
    root = mapped(words)
    assert owner(root / "five") == shown
    (root / "five").chmod(0o644)
    assert owner(prepared.upper / "five") == (5, 6)
    os.chown(root / "five", 11, 12)
    assert (owner(root / "five"), owner(prepared.upper / "five")) == (
        (shown[0], 12 if shown[1] == 6 else shown[1]),
        (11, 12),
    )
