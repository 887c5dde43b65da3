"""`open()`: modes, the raw file over a `Handle`, and Python's own buffers and codecs on top of it."""

from __future__ import annotations

import errno
import io
import os
from collections.abc import Callable
from typing import IO, TYPE_CHECKING, Any, NamedTuple, cast

from unionfs.errors import error
from unionfs.types import SEEK_DATA, SEEK_HOLE, Access

if TYPE_CHECKING:
    from _typeshed import ReadableBuffer, WriteableBuffer

    from unionfs.adapters.memory.filesystem import UnionFS
    from unionfs.core.handle import Handle

READ_ALL_STEP = 1 << 20

_ACCESS = {
    "r": Access.READ,
    "w": Access.WRITE | Access.TRUNCATE,
    "x": Access.WRITE,
    "a": Access.WRITE | Access.APPEND,
}


class Mode(NamedTuple):
    """A mode of the built-in `open`."""

    access: Access
    creates: bool
    exclusive: bool
    binary: bool

    @classmethod
    def parse(cls, mode: str) -> Mode:
        """Raises ValueError where `open` does."""
        letters = set(mode)
        if letters - set("rwxabt+") or len(letters) != len(mode):
            raise ValueError(f"invalid mode: {mode!r}")
        if {"t", "b"} <= letters:
            raise ValueError(f"text and binary mode at once: {mode!r}")
        kinds = letters & set(_ACCESS)
        if len(kinds) != 1:
            raise ValueError(f"a mode needs one of r, w, x and a: {mode!r}")
        (kind,) = kinds
        update = Access.READ | Access.WRITE if "+" in letters else Access(0)
        return cls(_ACCESS[kind] | update, kind != "r", kind == "x", "b" in letters)


def open_file(
    fs: UnionFS,
    get: Callable[[Mode], Handle],
    name: object,
    mode: str,
    buffering: int,
    encoding: str | None,
    errors: str | None,
    newline: str | None,
) -> IO[Any]:
    """The file object that the built-in `open` would give for the handle that `get` opens.

    Everything that can be wrong with the arguments is found before `get` is called,
    so that a mistake never truncates or creates a file.
    """
    how = Mode.parse(mode)
    _check(how, buffering, encoding, errors, newline)
    raw = UnionFile(fs, get(how), how.access, name)
    if buffering == 0:
        return cast("IO[Any]", raw)
    size = buffering if buffering > 1 else io.DEFAULT_BUFFER_SIZE
    buffered = _buffer(raw, size)
    if how.binary:
        return cast("IO[Any]", buffered)
    text = io.TextIOWrapper(buffered, encoding, errors, newline, line_buffering=buffering == 1)
    cast("Any", text).mode = mode  # as the built-in does: the only way to find the mode again
    return text


def _check(how: Mode, buffering: int, encoding: str | None, errors: str | None, newline: str | None) -> None:
    if how.binary:
        if (encoding, errors, newline) != (None, None, None):
            raise ValueError("binary mode takes no encoding, errors or newline argument")
        return
    if buffering == 0:
        raise ValueError("can't have unbuffered text I/O")
    io.TextIOWrapper(io.BytesIO(), encoding, errors, newline)  # knows its own arguments best


def _buffer(raw: UnionFile, size: int) -> io.BufferedRandom | io.BufferedReader | io.BufferedWriter:
    if not raw.writable():
        return io.BufferedReader(raw, size)
    if not raw.readable():
        return io.BufferedWriter(raw, size)
    return io.BufferedRandom(raw, size)


class UnionFile(io.RawIOBase):
    """An open file of a union as a raw stream: a handle and a position.

    It has no descriptor: `fileno` raises `io.UnsupportedOperation`. It keeps its file
    system, so that one that nobody else holds is not closed under its open files.
    """

    def __init__(self, fs: UnionFS, handle: Handle, access: Access, name: object) -> None:
        self._fs = fs
        self._handle = handle
        self._access = access
        self._position = self.size if access & Access.APPEND else 0
        self.name = name

    @property
    def mode(self) -> str:
        if not self.writable():
            return "rb"
        return "rb+" if self.readable() else "ab" if self._access & Access.APPEND else "wb"

    def readable(self) -> bool:
        self._check_open()
        return bool(self._access & Access.READ)

    def writable(self) -> bool:
        self._check_open()
        return bool(self._access & Access.WRITE)

    def seekable(self) -> bool:
        self._check_open()
        return True

    def readinto(self, buffer: WriteableBuffer) -> int:
        self._need(self.readable(), "reading")
        with memoryview(buffer).cast("B") as view:
            data = self._handle.read(len(view), self._position)
            view[: len(data)] = data
        self._position += len(data)
        return len(data)

    def readall(self) -> bytes:
        """The rest of the file, in few large reads."""
        self._need(self.readable(), "reading")
        parts = []
        while part := self._handle.read(READ_ALL_STEP, self._position):
            self._position += len(part)
            parts.append(part)
        return b"".join(parts)

    def write(self, data: ReadableBuffer) -> int:
        self._need(self.writable(), "writing")
        with memoryview(data).cast("B") as view:
            count = self._handle.write(view, self._position)
        if self._access & Access.APPEND:
            self._position = self.size
        else:
            self._position += count
        return count

    def seek(self, offset: int, whence: int = os.SEEK_SET) -> int:
        """lseek(2), `os.SEEK_DATA` and `os.SEEK_HOLE` included; EINVAL for a place before the start."""
        self._check_open()
        if whence in (SEEK_DATA, SEEK_HOLE):
            self._position = self._handle.seek(offset, whence)
        else:
            self._position = self._target(offset, whence)
        return self._position

    def _target(self, offset: int, whence: int) -> int:
        if whence == os.SEEK_CUR:
            offset += self._position
        elif whence == os.SEEK_END:
            offset += self.size
        elif whence != os.SEEK_SET:
            raise error(errno.EINVAL)
        if offset < 0:
            raise error(errno.EINVAL)
        return offset

    @property
    def size(self) -> int:
        """The length of the file, in bytes."""
        return self._handle.stat().size

    def tell(self) -> int:
        self._check_open()
        return self._position

    def truncate(self, size: int | None = None) -> int:
        """Cut or lengthen the file to `size` bytes (by default to the position, which does not move)."""
        self._need(self.writable(), "writing")
        size = self._position if size is None else size
        self._handle.truncate(size)
        return size

    def close(self) -> None:
        if self.closed:
            return
        try:
            super().close()
        finally:
            self._handle.close()

    def __repr__(self) -> str:
        state = "closed" if self.closed else f"mode={self.mode!r}"
        return f"<unionfs file {self.name!r} {state}>"

    def _check_open(self) -> None:
        if self.closed:
            raise ValueError("I/O operation on closed file.")

    def _need(self, granted: bool, purpose: str) -> None:
        if not granted:
            raise io.UnsupportedOperation(f"file not open for {purpose}")
