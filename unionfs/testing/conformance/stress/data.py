"""Random reads, writes, cuts, mappings and copies of one file, compared with the same bytes in memory."""

from __future__ import annotations

import mmap
import os
import random
from collections.abc import Callable

from unionfs.testing.conformance import calls
from unionfs.testing.conformance.expect import FailedError

_MAX = 256 << 10
"""The file's largest size, in bytes."""

_UNSUPPORTED = 95  # EOPNOTSUPP


class DataStress:
    """One file and what it should hold. `step` does one operation; `FailedError` where the two differ."""

    def __init__(self, path: str, seed: int) -> None:
        self._path = path
        self._random = random.Random(seed)
        self._fd = os.open(path, os.O_RDWR | os.O_CREAT, 0o644)
        self._wanted = bytearray(os.pread(self._fd, _MAX, 0))
        self._log: list[str] = []
        self._steps: tuple[Callable[[], None], ...] = (
            self._read, self._read, self._write, self._write, self._write, self._append, self._truncate,
            self._read_mapped, self._write_mapped, self._punch, self._zero, self._allocate, self._copy,
            self._reopen, self._sync, self._chmod,
        )  # fmt: skip

    def step(self) -> None:
        self._random.choice(self._steps)()

    def finish(self) -> None:
        """Compare the whole file by a handle of its own."""
        os.close(self._fd)
        with open(self._path, "rb") as file:
            self._compare(file.read(), 0, len(self._wanted))

    def _range(self) -> tuple[int, int]:
        offset = self._random.randrange(_MAX)
        if self._random.random() < 0.3:
            offset &= ~4095
        return offset, min(self._random.choice((1, 100, 4096, 10_000, 65_536)), _MAX - offset)

    def _note(self, what: str, *numbers: int) -> None:
        self._log.append(f"{what} {' '.join(map(str, numbers))}".rstrip())
        del self._log[:-12]

    def _compare(self, got: bytes, offset: int, length: int) -> None:
        wanted = bytes(self._wanted[offset : offset + length])
        if got == wanted:
            return
        at = next(
            (i for i, (a, b) in enumerate(zip(got, wanted, strict=False)) if a != b),
            min(len(got), len(wanted)),
        )
        raise FailedError(
            f"{self._path}: expected {wanted[at : at + 8]!r} at {offset + at} of {len(self._wanted)} bytes, "
            f"got {got[at : at + 8]!r}, after {'; '.join(self._log)}"
        )

    def _put(self, offset: int, data: bytes) -> None:
        end = offset + len(data)
        if end > len(self._wanted):
            self._wanted.extend(bytes(end - len(self._wanted)))
        self._wanted[offset:end] = data

    def _read(self) -> None:
        offset, length = self._range()
        self._note("read", offset, length)
        self._compare(os.pread(self._fd, length, offset), offset, length)

    def _write(self) -> None:
        offset, length = self._range()
        self._note("write", offset, length)
        data = self._random.randbytes(length)
        if os.pwrite(self._fd, data, offset) != length:
            raise FailedError(f"{self._path}: a short write at {offset}")
        self._put(offset, data)

    def _append(self) -> None:
        length = min(self._random.randrange(1, 5000), _MAX - len(self._wanted))
        if length <= 0:
            return
        self._note("append", length)
        data = self._random.randbytes(length)
        fd = os.open(self._path, os.O_WRONLY | os.O_APPEND)
        os.write(fd, data)
        os.close(fd)
        self._put(len(self._wanted), data)

    def _truncate(self) -> None:
        size = self._random.choice((0, self._random.randrange(_MAX), len(self._wanted)))
        self._note("truncate", size)
        if self._random.random() < 0.5:
            os.ftruncate(self._fd, size)
        else:
            os.truncate(self._path, size)
        del self._wanted[size:]
        self._wanted.extend(bytes(size - len(self._wanted)))

    def _read_mapped(self) -> None:
        if not self._wanted:
            return
        offset, length = self._range()
        self._note("read mapped", offset, length)
        with mmap.mmap(self._fd, len(self._wanted), prot=mmap.PROT_READ) as mapped:
            self._compare(mapped[offset : offset + length], offset, length)

    def _write_mapped(self) -> None:
        offset, length = self._range()
        length = min(length, len(self._wanted) - offset)
        if length <= 0:
            return
        self._note("write mapped", offset, length)
        data = self._random.randbytes(length)
        with mmap.mmap(self._fd, len(self._wanted)) as mapped:
            mapped[offset : offset + length] = data
            if self._random.random() < 0.5:
                mapped.flush()
        self._put(offset, data)

    def _punch(self) -> None:
        offset, length = self._range()
        self._note("punch", offset, length)
        if self._allocated(calls.PUNCH_HOLE | calls.KEEP_SIZE, offset, length):
            end = min(offset + length, len(self._wanted))
            if offset < end:
                self._wanted[offset:end] = bytes(end - offset)

    def _zero(self) -> None:
        offset, length = self._range()
        self._note("zero", offset, length)
        if self._allocated(calls.ZERO_RANGE, offset, length):
            self._put(offset, bytes(length))

    def _allocate(self) -> None:
        offset, length = self._range()
        self._note("allocate", offset, length)
        if self._allocated(0, offset, length):
            self._wanted.extend(bytes(max(0, offset + length - len(self._wanted))))

    def _allocated(self, mode: int, offset: int, length: int) -> bool:
        try:
            calls.fallocate(self._fd, mode, offset, length)
        except OSError as failure:
            if failure.errno == _UNSUPPORTED:
                return False
            raise
        return True

    def _copy(self) -> None:
        source, length = self._range()
        target = self._random.randrange(_MAX)
        length = min(length, len(self._wanted) - source, _MAX - target)
        if length <= 0 or abs(source - target) < length:
            return
        self._note("copy", source, target, length)
        done = os.copy_file_range(self._fd, self._fd, length, source, target)
        self._put(target, bytes(self._wanted[source : source + done]))

    def _reopen(self) -> None:
        self._note("reopen")
        os.close(self._fd)
        self._fd = os.open(self._path, os.O_RDWR)
        size = os.fstat(self._fd).st_size
        if size != len(self._wanted):
            raise FailedError(
                f"{self._path}: expected {len(self._wanted)} bytes, got {size}, after {self._log}"
            )

    def _sync(self) -> None:
        self._note("sync")
        self._random.choice((os.fsync, os.fdatasync))(self._fd)

    def _chmod(self) -> None:
        self._note("chmod")
        os.chmod(self._path, self._random.choice((0o600, 0o644)))
