"""Marks read back as they were written, and every form of them is read."""

from __future__ import annotations

import errno
import stat as _s

import pytest
from dialect_cases import AUFS, DEVICE, FORMS, XATTR, memory_upper, run
from hypothesis import given
from hypothesis import strategies as st

from unionfs.core.dialect import NO_MARKS, Dialect, Feature, Links, Marks, Origin
from unionfs.core.layer import UpperLayer
from unionfs.core.steps import MakeDir, MakeFile, MakeNode, MakeSymlink, RemoveXattr, SetXattr, Step, upper
from unionfs.dialects.overlay import TRUSTED, USER, OverlayDialect
from unionfs.types import Kind

AT = upper(b"entry")
MAKE: dict[Kind, Step] = {
    Kind.DIR: MakeDir(AT, 0o755),
    Kind.FILE: MakeFile(AT, 0o644),
    Kind.SYMLINK: MakeSymlink(AT, b"target"),
    Kind.FIFO: MakeNode(AT, _s.S_IFIFO | 0o644),
}
OVERLAY = [pytest.param(DEVICE, id="trusted"), pytest.param(OverlayDialect(USER), id="user")]

names = st.binary(min_size=1, max_size=8).filter(
    lambda name: not set(name) & set(b"/\0") and name not in (b".", b"..")
)
redirects = names | st.lists(names, min_size=1, max_size=4).map(lambda parts: b"/" + b"/".join(parts))
handles = st.binary(min_size=1, max_size=40)
origins = st.builds(
    Origin, st.integers(0, 5000), st.integers(1, 2**64 - 1), st.just(b"") | handles
) | st.builds(Origin, st.just(-1), st.just(0), handles)
links = st.none() | st.builds(Links, st.integers(-(2**31), 2**31 - 1), st.booleans())


@st.composite
def marks(draw: st.DrawFn, dialect: Dialect, kind: Kind) -> Marks:
    """Marks that an entry of that kind can have in that dialect."""
    origin = count = None
    if Feature.ORIGIN in dialect.features:
        origin, count = draw(st.none() | origins), draw(links)
    redirect, metacopy = None, False
    if kind is Kind.FILE and Feature.METACOPY in dialect.features:
        metacopy = draw(st.booleans())
    if metacopy or (kind is Kind.DIR and Feature.REDIRECT in dialect.features):
        redirect = draw(st.none() | redirects)
    opaque = kind is Kind.DIR and draw(st.booleans())
    return Marks(opaque, redirect, metacopy, origin, count)


def kinds_of(dialect: Dialect) -> list[Kind]:
    """The kinds that can have marks at all: user xattrs are for files and directories."""
    if isinstance(dialect, OverlayDialect) and dialect.prefix == TRUSTED:
        return list(MAKE)
    return [Kind.DIR, Kind.FILE]


def read(layer: UpperLayer) -> Marks:
    return layer.dialect.marks(layer.store, AT.path, layer.store.stat(AT.path))


@pytest.mark.parametrize("form", FORMS)
@given(data=st.data())
def test_marks_read_back(form: str, data: st.DataObject) -> None:
    dialect = FORMS[form]
    kind = data.draw(st.sampled_from(kinds_of(dialect)))
    old, new = data.draw(marks(dialect, kind)), data.draw(marks(dialect, kind))
    layer = memory_upper(dialect)
    run(layer, (MAKE[kind],))
    run(layer, dialect.mark(AT, NO_MARKS, old))
    assert read(layer) == old
    run(layer, dialect.mark(AT, old, new))
    assert read(layer) == new
    run(layer, dialect.mark(AT, new, NO_MARKS))
    assert read(layer) == NO_MARKS
    assert layer.store.listxattr(AT.path) == []


@pytest.mark.parametrize("form", FORMS)
def test_what_is_already_so_takes_no_steps(form: str) -> None:
    assert FORMS[form].mark(AT, Marks(opaque=True), Marks(opaque=True)) == ()


@pytest.mark.parametrize(
    "marks", [Marks(redirect=b"x"), Marks(metacopy=True), Marks(origin=Origin(0, 1)), Marks(links=Links(1))]
)
def test_aufs_refuses_what_it_cannot_say(marks: Marks) -> None:
    with pytest.raises(ValueError, match="AuFS"):
        AUFS.mark(AT, NO_MARKS, marks)


def test_data_that_has_come_is_never_looked_for_in_the_wrong_place() -> None:
    """The mark that has a reader follow the redirect goes first and comes last."""
    moved = Marks(metacopy=True, redirect=b"/old")
    redirect, metacopy = TRUSTED + b"redirect", TRUSTED + b"metacopy"
    assert DEVICE.mark(AT, moved, NO_MARKS) == (RemoveXattr(AT, metacopy), RemoveXattr(AT, redirect))
    assert DEVICE.mark(AT, NO_MARKS, moved) == (SetXattr(AT, redirect, b"/old"), SetXattr(AT, metacopy, b""))


def test_a_directory_never_merges_with_what_it_must_not() -> None:
    """From redirect to opaque, and back, without a moment in which neither is there."""
    redirect, opaque = TRUSTED + b"redirect", TRUSTED + b"opaque"
    one, other = Marks(redirect=b"old"), Marks(opaque=True)
    assert DEVICE.mark(AT, one, other) == (SetXattr(AT, opaque, b"y"), RemoveXattr(AT, redirect))
    assert DEVICE.mark(AT, other, one) == (SetXattr(AT, redirect, b"old"), RemoveXattr(AT, opaque))


def overlay_entry(dialect: OverlayDialect, kind: Kind, **values: bytes) -> UpperLayer:
    layer = memory_upper(dialect)
    run(layer, (MAKE[kind],))
    for name, value in values.items():
        layer.store.setxattr(AT.path, dialect.prefix + name.encode(), value)
    return layer


@pytest.mark.parametrize("dialect", OVERLAY)
@pytest.mark.parametrize(
    ("kind", "values", "expected"),
    [
        (Kind.DIR, {"opaque": b"y"}, Marks(opaque=True)),
        (Kind.DIR, {"opaque": b"x"}, NO_MARKS),
        (Kind.DIR, {"opaque": b"yes"}, NO_MARKS),
        (Kind.FILE, {"opaque": b"y"}, NO_MARKS),
        (Kind.DIR, {"redirect": b"/a/b"}, Marks(redirect=b"/a/b")),
        (Kind.FILE, {"redirect": b"/a/b"}, NO_MARKS),
        (Kind.FILE, {"metacopy": b"", "redirect": b"a"}, Marks(metacopy=True, redirect=b"a")),
        (Kind.FILE, {"metacopy": b"\x00\x24\x00\x01" + bytes(32)}, Marks(metacopy=True)),
        (Kind.DIR, {"metacopy": b""}, NO_MARKS),
        (Kind.FILE, {"origin": b"\x00\xfb\x1d"}, Marks(origin=Origin(-1, 0, b"\x00\xfb\x1d"))),
        (Kind.FILE, {"origin": b""}, NO_MARKS),
        (Kind.FILE, {"origin": b"h", "unionfs.origin": b"2:77"}, Marks(origin=Origin(2, 77, b"h"))),
        (Kind.FILE, {"unionfs.origin": b"2:77"}, Marks(origin=Origin(2, 77))),
        (Kind.FILE, {"unionfs.origin": b"2:-7"}, NO_MARKS),
        (Kind.FILE, {"nlink": b"U+1"}, Marks(links=Links(1))),
        (Kind.FILE, {"nlink": b"U-2"}, Marks(links=Links(-2))),
        (Kind.FILE, {"nlink": b"U+0"}, Marks(links=Links(0))),
        (Kind.FILE, {"nlink": b"L+1"}, Marks(links=Links(1, of_lower=True))),
        (Kind.FILE, {"nlink": b"1"}, NO_MARKS),
        (Kind.DIR, {"impure": b"y", "uuid": b"0123456789abcdef"}, NO_MARKS),
    ],
)
def test_every_form_is_read(
    dialect: OverlayDialect, kind: Kind, values: dict[str, bytes], expected: Marks
) -> None:
    assert read(overlay_entry(dialect, kind, **values)) == expected


@pytest.mark.parametrize("redirect", [b"", b"/", b"a/b", b"/a//b", b"/a/", b"..", b"/a/../b", b"/a\0b"])
def test_a_redirect_that_names_no_path_is_an_error(redirect: bytes) -> None:
    with pytest.raises(OSError, match="entry") as failure:
        read(overlay_entry(DEVICE, Kind.DIR, redirect=redirect))
    assert failure.value.errno == errno.EIO


def test_marks_of_the_other_namespace_are_not_marks() -> None:
    layer = overlay_entry(DEVICE, Kind.DIR)
    layer.store.setxattr(AT.path, b"user.overlay.opaque", b"y")
    assert read(layer) == NO_MARKS


@pytest.mark.parametrize("dialect", OVERLAY)
def test_xattrs_are_shown_and_kept_as_the_kernel_does(dialect: OverlayDialect) -> None:
    prefix = dialect.prefix
    for stored, shown in [
        (prefix + b"overlay.opaque", prefix + b"opaque"),
        (prefix + b"overlay.overlay.x", prefix + b"overlay.x"),
        (b"user.note", b"user.note"),
        (prefix.rstrip(b"."), prefix.rstrip(b".")),
    ]:
        assert dialect.shown_xattr(stored) == shown
        assert dialect.stored_xattr(shown) == stored
    for private in (b"opaque", b"unionfs.origin", b"impure", b"overlayed"):
        assert dialect.shown_xattr(prefix + private) is None


@pytest.mark.parametrize("form", FORMS)
@given(
    name=st.builds(
        bytes.__add__,
        st.sampled_from([b"user.", b"trusted.", TRUSTED, USER, TRUSTED + b"overlay.", USER + b"overlay."]),
        st.binary(max_size=12),
    )
)
def test_whatever_name_a_user_sets_is_what_is_shown(form: str, name: bytes) -> None:
    dialect = FORMS[form]
    assert dialect.shown_xattr(dialect.stored_xattr(name)) == name


def test_the_other_namespace_is_ordinary() -> None:
    assert DEVICE.stored_xattr(b"user.overlay.opaque") == b"user.overlay.opaque"
    assert XATTR.shown_xattr(b"trusted.overlay.opaque") == b"trusted.overlay.opaque"
    assert AUFS.shown_xattr(b"trusted.overlay.opaque") == b"trusted.overlay.opaque"
