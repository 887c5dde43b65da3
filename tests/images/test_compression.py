"""Compressed layers: members, cuts, bombs and wrong names."""

from __future__ import annotations

import gzip
import io
import logging
import sys

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from unionfs.errors import ArchiveError, ImageError
from unionfs.images.compression import CompressingSink, Compression, Decompressed
from unionfs.images.limits import DEFAULT_LIMITS, Limits
from unionfs.images.streams import HashedSource, chunks

LARGE = bytes(range(256)) * 5000


def zstd_compress(data: bytes) -> bytes:
    if sys.version_info >= (3, 14):
        from compression import zstd
    else:
        from backports import zstd
    return bytes(zstd.compress(data))


def decompress(data: bytes, limits: Limits = DEFAULT_LIMITS, expected: Compression | None = None) -> bytes:
    source = HashedSource(io.BytesIO(data), "sha256")
    return b"".join(chunks(Decompressed(source, "layer", limits, expected)))


@pytest.mark.parametrize("compress", [bytes, gzip.compress, zstd_compress])
@pytest.mark.parametrize("data", [b"", b"x", LARGE, bytes(3_000_000)])
def test_what_was_compressed_comes_out(compress: type[bytes], data: bytes) -> None:
    assert decompress(compress(data)) == data


@pytest.mark.parametrize("compress", [gzip.compress, zstd_compress])
def test_several_members(compress: type[bytes]) -> None:
    assert decompress(compress(b"a" * 300_000) + compress(b"") + compress(LARGE)) == b"a" * 300_000 + LARGE


@pytest.mark.parametrize("compress", [gzip.compress, zstd_compress])
@pytest.mark.parametrize("keep", [5, 12, 200, -1])
def test_cut(compress: type[bytes], keep: int) -> None:
    with pytest.raises(ArchiveError, match=r"^layer: cannot be decompressed"):
        decompress(compress(LARGE)[:keep])


@pytest.mark.parametrize("compress", [gzip.compress, zstd_compress])
def test_rubbish_behind_the_last_member(compress: type[bytes]) -> None:
    with pytest.raises(ArchiveError, match=r"^layer: cannot be decompressed"):
        decompress(compress(b"x") + b"rubbish")


@settings(deadline=None)
@given(st.binary(max_size=200))
def test_rubbish_behind_a_gzip_magic(data: bytes) -> None:
    try:
        decompress(b"\x1f\x8b\x08" + data)
    except ArchiveError:
        pass


def test_a_wrong_checksum() -> None:
    packed = bytearray(gzip.compress(b"data"))
    packed[-6] ^= 1
    with pytest.raises(ArchiveError, match="incorrect data check"):
        decompress(bytes(packed))


def test_a_bomb() -> None:
    bomb = gzip.compress(bytes(4 << 20))
    with pytest.raises(ArchiveError, match="compressed more than 100 times"):
        decompress(bomb, Limits(ratio=100, ratio_from=1 << 20))
    with pytest.raises(ArchiveError, match="more than 1000 bytes when decompressed"):
        decompress(bomb, Limits(total=1000))


def test_a_wrong_media_type_is_a_warning(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.WARNING):
        assert decompress(gzip.compress(b"x"), expected=Compression.ZSTD) == b"x"
    assert caplog.messages == ["layer: compressed as GZIP, whatever its media type says"]


def test_zstd_without_its_module_names_the_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    packed = zstd_compress(b"x")
    for name in ("compression.zstd", "backports.zstd"):
        monkeypatch.setitem(sys.modules, name, None)
    with pytest.raises(ImageError, match=r"unionfs\[zstd\]"):
        decompress(packed)


@pytest.mark.parametrize("compression", Compression)
def test_what_is_compressed_is_the_same_each_time(compression: Compression) -> None:
    outcomes = set()
    for _ in range(2):
        out = io.BytesIO()
        sink = CompressingSink(compression, out)
        sink.write(LARGE)
        sink.close()
        outcomes.add(out.getvalue())
    (packed,) = outcomes
    source = HashedSource(io.BytesIO(packed), "sha256")
    assert b"".join(chunks(Decompressed(source, "packed", DEFAULT_LIMITS, compression))) == LARGE
    assert compression is not Compression.GZIP or packed[4:8] == bytes(4)  # no time
