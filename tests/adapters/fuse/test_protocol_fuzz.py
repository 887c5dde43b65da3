"""Whatever the bytes, they are a request or malformed, and nothing else happens."""

from __future__ import annotations

import struct
from contextlib import suppress

from hypothesis import given
from hypothesis import strategies as st
from kernel import init, request

from unionfs.adapters.fuse import protocol
from unionfs.adapters.fuse.protocol import InitFlags, MalformedError, Opcode, Request

opcodes = st.one_of(st.sampled_from(list(Opcode)), st.integers(0, 0xFFFFFFFF))
bodies = st.one_of(
    st.binary(max_size=300),
    st.builds(
        lambda fixed, names: fixed + b"".join(name + b"\0" for name in names),
        st.sampled_from([0, 8, 16, 24, 40, 56, 88]).flatmap(
            lambda size: st.binary(min_size=size, max_size=size)
        ),
        st.lists(st.binary(max_size=20), max_size=3),
    ),
)
whole = st.one_of(st.builds(request, opcodes, bodies), st.builds(init, st.integers(0, 99)))
layouts = st.sampled_from([InitFlags(0), InitFlags.SETXATTR_EXT]).map(protocol.layouts_of)


def check(data: bytes, using: protocol.Layouts) -> None:
    with suppress(MalformedError):
        found = protocol.parse(memoryview(bytearray(data)), using)
        assert isinstance(found, Request)
        assert len(data) == struct.unpack_from("=I", data)[0]
    unique = protocol.unique_of(memoryview(data))
    assert unique is None or data[8:16] == struct.pack("=Q", unique)


@given(st.binary(max_size=200), layouts)
def test_noise(data: bytes, using: protocol.Layouts) -> None:
    check(data, using)


@given(whole, layouts)
def test_any_arguments(data: bytes, using: protocol.Layouts) -> None:
    check(data, using)


@given(whole, st.data(), layouts)
def test_cut_short_or_with_more_behind(data: bytes, draw: st.DataObject, using: protocol.Layouts) -> None:
    check(data[: draw.draw(st.integers(0, len(data)))], using)
    check(data + draw.draw(st.binary(min_size=1, max_size=50)), using)


@given(whole, st.lists(st.tuples(st.integers(0, 400), st.integers(0, 7)), min_size=1, max_size=4), layouts)
def test_flipped_bits(data: bytes, flips: list[tuple[int, int]], using: protocol.Layouts) -> None:
    flipped = bytearray(data)
    for position, bit in flips:
        flipped[position % len(flipped)] ^= 1 << bit
    check(bytes(flipped), using)


@given(st.sampled_from(list(Opcode)), bodies)
def test_a_names_bytes_never_hold_a_nul(opcode: Opcode, body: bytes) -> None:
    with suppress(MalformedError):
        arguments = protocol.parse(memoryview(request(opcode, body))).arguments
        names = arguments[:1] if opcode is Opcode.SETXATTR else arguments
        assert not any(b"\0" in name for name in names if isinstance(name, bytes))
