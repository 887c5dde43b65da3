"""The tar reader and writer: against each other, and against the standard library's."""

from __future__ import annotations

import io
import os
import tarfile

import pytest
from archive_builder import END, directory, file, pax, pax_raw, python_tar, record
from hypothesis import given, settings
from hypothesis import strategies as st

from unionfs.errors import ArchiveError
from unionfs.images.entry import Entry
from unionfs.images.limits import Limits
from unionfs.images.tar_reader import TarReader
from unionfs.images.tar_writer import TarWriter
from unionfs.types import Kind

NAME = st.binary(min_size=1, max_size=60).map(lambda raw: raw.translate(bytes.maketrans(b"\0/.", b"_-,")))
PATH = st.lists(NAME, min_size=1, max_size=5).map(b"/".join)
ID = st.integers(0, (1 << 32) - 2)
TIME = st.integers(-(1 << 63) + 1, (1 << 63) - 1)
XATTRS = st.dictionaries(
    st.text(st.characters(min_codepoint=33, max_codepoint=126, exclude_characters="="), min_size=1).map(
        lambda name: b"user." + name.encode()[:200]
    ),
    st.binary(max_size=300),
    max_size=3,
)


@st.composite
def entries(draw: st.DrawFn) -> tuple[Entry, bytes]:
    common = Entry(
        draw(PATH),
        draw(st.sampled_from([kind for kind in Kind if kind is not Kind.SOCKET])),
        draw(st.integers(0, 0o7777)),
        draw(ID),
        draw(ID),
        0,
        draw(TIME),
        xattrs=draw(XATTRS),
    )
    if common.kind is Kind.SYMLINK:
        return common._replace(target=draw(PATH)), b""
    if common.kind in (Kind.CHAR, Kind.BLOCK):
        major, minor = draw(st.integers(0, 4095)), draw(st.integers(0, (1 << 20) - 1))
        return common._replace(rdev=os.makedev(major, minor)), b""
    if common.kind is Kind.FILE:
        if draw(st.booleans()):
            return common._replace(hardlink=draw(PATH)), b""
        data = draw(st.binary(max_size=1100))
        return common._replace(size=len(data)), data
    return common, b""


def write(contents: list[tuple[Entry, bytes]]) -> bytes:
    out = io.BytesIO()
    writer = TarWriter(out)
    for entry, data in contents:
        writer.add(entry, [data])
    writer.close()
    return out.getvalue()


def read(archive: bytes, limits: Limits | None = None) -> list[tuple[Entry, bytes]]:
    reader = TarReader(io.BytesIO(archive), "archive", limits or Limits())
    return [(entry, b"".join(iter(lambda: content.read(99), b""))) for entry, content in reader]  # noqa: B023


@settings(deadline=None)
@given(st.lists(entries(), max_size=5))
def test_what_is_written_is_read(contents: list[tuple[Entry, bytes]]) -> None:
    assert read(write(contents)) == contents


@settings(deadline=None)
@given(entries())
def test_the_standard_library_reads_what_is_written(content: tuple[Entry, bytes]) -> None:
    entry, data = content
    with tarfile.open(fileobj=io.BytesIO(write([content])), errors="surrogateescape") as archive:
        (member,) = archive.getmembers()
        assert os.fsencode(member.name).strip(b"/") == entry.name.strip(b"/")
        assert (member.uid, member.gid, member.mode) == (entry.uid, entry.gid, entry.mode)
        assert member.mtime == pytest.approx(entry.mtime_ns / 10**9)
        if member.isreg():
            opened = archive.extractfile(member)
            assert opened is not None
            assert opened.read() == data


@settings(deadline=None)
@given(
    st.text(st.characters(exclude_characters="\0/.", exclude_categories=["Cs"]), min_size=1, max_size=150), ID
)
def test_what_the_standard_library_writes_is_read(name: str, uid: int) -> None:
    if len(name.encode()) > 255:
        return
    info = tarfile.TarInfo(name)
    info.uid, info.mtime = uid, 1.5
    ((entry, data),) = read(python_tar((info, b"data")))
    assert (entry.name, entry.uid, entry.mtime_ns, data) == (name.encode(), uid, 1_500_000_000, b"data")


def test_large_numbers_and_empty_xattrs() -> None:
    entry = Entry(b"big", Kind.FILE, uid=1 << 31, gid=1 << 22, mtime_ns=-1, xattrs={b"user.empty": b""})
    assert read(write([(entry, b"")])) == [(entry, b"")]


def test_a_size_that_only_pax_has_room_for_is_announced() -> None:
    out = io.BytesIO()
    with pytest.raises(ArchiveError, match="changed while it was read"):
        TarWriter(out).add(Entry(b"big", Kind.FILE, size=9 << 30))
    ((entry, _content),) = [next(iter(TarReader(io.BytesIO(out.getvalue()), "archive")))]
    assert entry.size == 9 << 30


def test_plain_entries_need_no_pax() -> None:
    assert len(write([(Entry(b"d", Kind.DIR), b"")])) == 512 + 1024


def test_pax_goes_before_gnu_and_ustar() -> None:
    archive = pax(path=b"by/pax", uid=b"7", mtime=b"12.3456789019") + file(b"by/ustar") + END
    ((entry, _),) = read(archive)
    assert (entry.name, entry.uid, entry.mtime_ns) == (b"by/pax", 7, 12_345_678_901)


def test_records_of_no_meaning_change_nothing() -> None:
    other = record(b"mode", b"0") + record(b"LIBARCHIVE.xattr.user.a", b"eA") + record(b"path", b"")
    ((entry, _),) = read(pax_raw(other) + file(b"a") + END)
    assert entry == Entry(b"a", Kind.FILE)


def test_data_that_is_not_asked_for_is_passed_over() -> None:
    archive = file(b"a", b"x" * 1000) + file(b"b", b"y") + END
    assert [entry.name for entry, _ in TarReader(io.BytesIO(archive), "archive")] == [b"a", b"b"]


@pytest.mark.parametrize(
    ("limits", "message"),
    [
        (Limits(entries=1), "'b': more than 1 entries"),
        (Limits(depth=1), "'c/d': deeper than 1"),
        (Limits(path=2), "'c/d': name too long"),
        (Limits(total=5), "'b': size out of range"),
        (Limits(extended_header=8), "extended header of 12 bytes"),
    ],
)
def test_limits(limits: Limits, message: str) -> None:
    archive = file(b"a") + file(b"b", b"123456") + directory(b"c/d") + pax(uid=b"1000") + file(b"e") + END
    with pytest.raises(ArchiveError, match=message):
        read(archive, limits)
